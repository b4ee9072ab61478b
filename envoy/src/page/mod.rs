//! The live page: its file, which a sidecar's Envoy sends, and the command `page`, which serves it for another Envoy.
//!
//! The command listens on 127.0.0.1 and fetches the metrics from their source for each request of the page.
//!
//! **What this does not do:** other addresses than 127.0.0.1, TLS, a login, several sources; and it keeps no numbers, which is
//! the page's work. Cost: one scrape of the source every two seconds for each tab that is visible.

mod file;
mod server;

pub(crate) use file::{PAGE, headers};

use crate::console::{Console, print_error};
use crate::top::Source;
use server::Site;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use tokio::runtime::Builder;

/// Exit status if the source does not answer, or the page cannot be served.
const FAILED: u8 = 1;
/// Exit status for arguments that are refused.
const REFUSED: u8 = 2;
/// The page's port. A fixed one, so that an open tab finds the command again after a restart.
const PORT: u16 = 9903;
/// Scrapes at the same time; further ones wait.
const SCRAPES: usize = 4;

/// The arguments of `page`.
#[derive(clap::Args, Debug)]
pub struct PageOptions {
    /// The http:// address of the metrics: /stats/prometheus of an Envoy with the filter, or a sidecar's probe port.
    #[arg(long, value_name = "URL")]
    metrics: String,
    /// The page's port on 127.0.0.1; 0 is a free one.
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
}

/// Serves the page until SIGINT or SIGTERM. Returns the exit status.
#[must_use]
pub fn page(options: &PageOptions) -> u8 {
    let source = match Source::parse(&options.metrics) {
        Ok(source) => source,
        Err(problem) => return fail(REFUSED, &format!("--metrics: {problem}")),
    };
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)) {
        Ok(listener) => listener,
        Err(error) => return fail(REFUSED, &format!("--port: {}", refused_port(options.port, &error))),
    };
    // A wrong address is told now and not by the page.
    let scrape = match source.get() {
        Ok(scrape) => scrape,
        Err(problem) => return fail(FAILED, &problem),
    };
    if !has_series(&scrape) {
        print_error(format_args!(
            "{}: has no series of the filter (mcp_...) yet; there was no call, this Envoy does not have the filter, or the scrape leaves its series out",
            source.shown()
        ));
    }
    match serve(listener, source) {
        Ok(()) => 0,
        Err(error) => fail(FAILED, &format!("the page cannot be served: {error}")),
    }
}

fn serve(listener: TcpListener, source: Source) -> io::Result<()> {
    // Signals are caught before the address is printed. As process 1 of a container it would ignore them otherwise.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let runtime = Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(SCRAPES).build()?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    Console::Output.print(format_args!("metrics  {}", source.shown()));
    Console::Output.print(format_args!("page     http://{address}/"));
    thread::Builder::new().spawn(move || runtime.block_on(server::serve(listener, Site { address, source })))?;
    signals.forever().next();
    Ok(())
}

/// Whether a scrape has a series of the filter.
fn has_series(scrape: &str) -> bool {
    scrape.lines().any(|line| line.starts_with("mcp_"))
}

fn refused_port(port: u16, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!("port {port} is in use, perhaps by another mcp-sidecar page; name another one, or 0 for a free one")
        }
        _ => format!("port {port} of 127.0.0.1 cannot be opened: {error}; name another one, or 0 for a free one"),
    }
}

fn fail(status: u8, problem: &str) -> u8 {
    print_error(format_args!("{problem}"));
    status
}
