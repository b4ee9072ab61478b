//! The command `demo`: a sidecar with an MCP server and clients that are built in.
//!
//! The server is this program again, on standard input and output, as with `run -- COMMAND`: the bridge gives it all transports.
//! The clients are threads that send HTTP to Envoy, each in its protocol version, some calls a second in all. They note how each
//! operation ended, and `--once` compares that with the counters.
//!
//! **What this does not do:** settings of a real sidecar, which may send what it observes elsewhere: only those in [`SETTINGS`]
//! are used.

mod account;
mod client;
mod clients;
mod server;
mod show;
mod tools;

pub use server::serve;

use crate::console::print_error;
use crate::environment::{CommandLine, Settings};
use account::Account;
use clients::CLIENTS;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

/// Variables that the demo uses. The ports and addresses are for a container whose ports are published.
const SETTINGS: [&str; 9] = [
    "ENVOY_BIN",
    "MCP_FILTER_WASM",
    "LOG_LEVEL",
    crate::temporary::VARIABLE,
    "HOST",
    "PORT",
    "PROBE_HOST",
    "PROBE_PORT",
    "ADMIN_PORT",
];
/// Name of the server in the metrics.
const SERVER_NAME: &str = "demo";
/// Subcommand of the server.
const SERVER: &str = "demo-server";
/// A client whose session broke begins another after this.
const RETRY: Duration = Duration::from_secs(2);

/// The arguments of `demo`.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct DemoOptions {
    /// Each client has one session; then the table is printed and compared with what the clients saw.
    #[arg(long)]
    once: bool,
}

/// The clients of a demo that runs, and its table.
pub(crate) struct Demo {
    is_over: Arc<AtomicBool>,
}

/// The command line of a sidecar whose server is this program.
///
/// # Errors
///
/// The path of this program is not known.
pub fn command_line(options: DemoOptions) -> io::Result<CommandLine> {
    let program = vec![std::env::current_exe()?.into(), SERVER.into()];
    Ok(CommandLine { program, demo: Some(options), ..CommandLine::default() })
}

/// The value of a variable for the demo.
#[must_use]
pub fn variable(environment: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    match name {
        "MCP_UPSTREAM_NAME" => Some(SERVER_NAME.to_owned()),
        name => SETTINGS.contains(&name).then(|| environment(name)).flatten(),
    }
}

// === impl Demo ===

impl Demo {
    /// Starts the clients. With `--once` calls `ended` with the exit status.
    pub(crate) fn start(options: DemoOptions, settings: &Settings, ended: impl FnOnce(u8) + Send + 'static) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let (mcp, probe) = (settings.own_listener(), settings.own_probe());
        if options.once {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || ended(once(mcp, probe, &is_over)));
        } else {
            for position in 0..CLIENTS.len() {
                let is_over = Arc::clone(&is_over);
                thread::spawn(move || run_forever(mcp, position, &is_over));
            }
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || show::again_and_again(probe, &is_over));
        }
        Self { is_over }
    }

    /// From now on nothing is printed. The clients end with the process.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// One session after the other.
fn run_forever(mcp: SocketAddr, position: usize, is_over: &AtomicBool) {
    let account = Account::default();
    let Some(who) = CLIENTS.get(position) else { return };
    for session in 0.. {
        let pause = clients::pause(position, session);
        if let Err(reason) = clients::session(mcp, *who, &account, pause) {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            print_error(format_args!("the client {}: {reason}", who.name));
            sleep(RETRY);
        }
    }
}

/// One session of each client, at the same time; then the table. Returns the exit status.
fn once(mcp: SocketAddr, probe: SocketAddr, is_over: &AtomicBool) -> u8 {
    let account = Account::default();
    let sessions = |who| clients::session(mcp, who, &account, Duration::ZERO);
    let ends = thread::scope(|scope| {
        let clients = CLIENTS.map(|who| (who, scope.spawn(move || sessions(who))));
        let failed = || Err("its thread panicked".to_owned());
        clients.map(|(who, thread)| (who, thread.join().unwrap_or_else(|_| failed())))
    });
    if is_over.load(Ordering::Relaxed) {
        return 0;
    }
    let problems = ends.into_iter().filter_map(|(who, end)| Some(format!("the client {}: {}", who.name, end.err()?)));
    let mut problems: Vec<_> = problems.collect();
    problems.extend(show::settled(probe, &account.counts()));
    for problem in &problems {
        print_error(format_args!("{problem}"));
    }
    u8::from(!problems.is_empty())
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn settings_of_a_real_sidecar_are_not_used() {
        let environment = |name: &str| Some(format!("the {name}"));
        for (name, value) in [
            ("PROBE_PORT", Some("the PROBE_PORT")),
            ("ENVOY_BIN", Some("the ENVOY_BIN")),
            ("MCP_UPSTREAM_NAME", Some("demo")),
            ("MCP_UPSTREAM_URL", None),
            ("MCP_AUDIT_LOG", None),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", None),
        ] {
            assert_eq!(variable(&environment, name).as_deref(), value, "{name}");
        }
    }
}
