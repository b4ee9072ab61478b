//! A Streamable HTTP server on a Unix socket, whose MCP server is a program on standard input and output.
//!
//! Specifications: MCP 2024-11-05 to 2026-07-28. Up to 2025-11-25 each session has a program of its own; since 2026-07-28, which
//! has no sessions, one program serves all clients.
//!
//! Everything runs on one thread of its own, which lives until [`Bridge::end`]: the kernel ends programs when the thread that
//! started them ends.
//!
//! **What this does not do:** authorization, TLS, CORS; Envoy stands in front.

mod event;
mod reply;
mod router;
mod server;
mod session;
mod sessions;

use crate::program::{Command, Errors};
use sessions::Sessions;
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
    /// Most sessions of revisions up to 2025-11-25 at a time.
    pub sessions: usize,
    /// How long a session may be without a client that reads and without a message.
    pub idle: Duration,
    /// Longest message, in either direction.
    pub line_bytes: usize,
}

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
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let errors = Errors::start()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let serve = move || runtime.block_on(LocalSet::new().run_until(serve(settings, errors, listener, ended)));
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

async fn serve(settings: Settings, errors: Errors, listener: UnixListener, ended: oneshot::Receiver<()>) {
    let sessions = Rc::new(Sessions::new(settings, errors));
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    tokio::select! {
        () = server::serve(listener, sessions.clone()) => {}
        // The sender is dropped, not used.
        _ = ended => {}
    }
    sessions.end().await;
}

#[cfg(test)]
mod tests;
