//! A Streamable HTTP server on a Unix socket, whose MCP server is a program on standard input and output.
//!
//! Specifications: MCP 2024-11-05 to 2026-07-28. Up to 2025-11-25 each session has a program of its own; since 2026-07-28, which
//! has no sessions, one program serves all clients.
//!
//! Everything runs on one thread of its own, which lives until [`Bridge::end`]: the kernel ends programs when the thread that
//! started them ends.
//!
//! **What this does not do:** authorization, TLS, CORS; Envoy stands in front.

mod accept;
mod body;
mod event;
mod http_sse;
mod modern;
mod programs;
mod reply;
mod router;
mod server;
mod session;
mod sessions;
mod shared;

use crate::program::{Command, Errors};
use programs::Programs;
use server::Server;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// Path of the health check on the bridge's socket: 200, or 503 while the last start of the program failed.
pub const HEALTH_PATH: &str = "/.mcp-sidecar/health";

/// What a bridge serves, and its bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP server.
    pub command: Command,
    /// Its name in messages beside the program's, if it has one.
    pub name: Option<String>,
    /// Most sessions of revisions up to 2025-11-25 at a time.
    pub sessions: usize,
    /// How long a session may be without a client that reads and without a message.
    pub idle: Duration,
    /// Longest message, in either direction.
    pub line_bytes: usize,
}

/// How long the bridge waits. Tests have shorter times.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// In a session: if the program sends nothing for this long, a response begins as an event stream.
    first: Duration,
    /// The same for `initialize` and for 2026-07-28: proxies limit the wait for the headers.
    headers: Duration,
    /// How long what a program sends for a cancelled request is expected.
    cancelled: Duration,
    /// How long a program whose standard input is closed is waited for: it may be about to exit.
    closed_input: Duration,
    /// How long a stream of HTTP+SSE is kept without `initialize`.
    unused_stream: Duration,
    /// How long `initialize` waits for the program of a session that is over.
    slot: Duration,
    /// Between two trials of a program that could not be started.
    retry: Duration,
    /// How long a trial waits for the answer to `initialize`.
    trial: Duration,
    /// After this, the operator is told about a program that has not answered yet: it may be downloading.
    silent: Duration,
}

const TIMES: Times = Times {
    first: Duration::from_millis(50),
    headers: Duration::from_secs(5),
    cancelled: Duration::from_secs(10),
    closed_input: Duration::from_secs(1),
    unused_stream: Duration::from_secs(30),
    slot: Duration::from_secs(7),
    retry: Duration::from_secs(10),
    trial: Duration::from_secs(10),
    silent: Duration::from_secs(5),
};

/// A running bridge. It runs until [`Bridge::end`] is called or the value is dropped.
#[derive(Debug)]
pub struct Bridge {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

// === impl Bridge ===

impl Bridge {
    /// Binds the socket and starts the thread.
    ///
    /// # Errors
    ///
    /// The socket cannot be bound, or the thread cannot be started.
    pub fn start(settings: Settings, socket: &Path) -> io::Result<Self> {
        Self::start_with(settings, TIMES, socket)
    }

    fn start_with(settings: Settings, times: Times, socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let errors = Errors::start()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let programs = move || Rc::new(Programs::new(settings, times, errors));
        let serve = move || runtime.block_on(LocalSet::new().run_until(serve(programs(), listener, ended)));
        let thread = std::thread::Builder::new().name("mcp-bridge".to_owned()).spawn(serve)?;
        Ok(Self { end, thread })
    }

    /// Ends all programs and waits for them: at most 5 seconds and a little.
    pub fn end(self) {
        drop(self.end);
        // A panic of the thread was reported by the thread.
        let _ = self.thread.join();
    }
}

async fn serve(programs: Rc<Programs>, listener: UnixListener, ended: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    tokio::select! {
        () = server::serve(listener, Rc::new(Server::new(programs.clone()))) => {}
        // The sender is dropped, not used.
        _ = ended => {}
    }
    programs.end().await;
}

#[cfg(test)]
mod tests;
