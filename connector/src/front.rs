//! The front: serves a client on this process's standard input and output, with a server behind Envoy's listener.
//!
//! Each line of the client is a POST. What the responses and the GET stream bring are lines of the client. Specification: MCP,
//! transports `stdio` and `Streamable HTTP`, 2025-03-26 to 2026-07-28.
//!
//! ```text
//! standard input -> lines -> exchange (POST) -> http -> Envoy
//! standard output <- output <- server <- stream (sse) or single answer <- http
//! ```
//!
//! A message's text passes unchanged. Failures of HTTP become JSON-RPC errors with the id of their request.
//!
//! **What this does not do:** HTTP+SSE of 2024-11-05 as client, TLS, authorization. Envoy does TLS.
//! Cost: a copy of each message in each direction, and one more through the socket that connects the blocking standard input and
//! output with the runtime.

mod exchange;
mod failure;
mod headers;
mod http;
mod lines;
mod open;
mod output;
mod server;
mod sse;
mod stream;

use crate::program::Errors;
use http::Client;
use hyper::Uri;
use lines::Lines;
use nix::libc::POLLRDHUP;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use output::Output;
use server::Server;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::sync::{Notify, oneshot};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Longest line and longest message of the server.
const LINE_BYTES: usize = 64 * 1024 * 1024;
/// Buffer of each thread that copies standard input or output.
const COPY_BYTES: usize = 64 * 1024;
/// At the end of the input: how long open requests are waited for, and, before that, the turn of the next line.
const END_WAIT: Duration = Duration::from_secs(5);
/// How long the answer to DELETE, and the client's reading of the last lines, are waited for.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The server of the front.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Envoy's listener.
    pub address: SocketAddr,
    /// Path of the MCP endpoint.
    pub path: String,
    /// Up to 2025-11-25 the server sends the headers of a response as soon as it has the request, if the client prefers event
    /// streams, as the bridge does. Then each line waits for the headers of the line before, and requests arrive in the order of
    /// their lines.
    pub headers_at_once: bool,
}

/// How the front ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrontEnd {
    /// The client closed its side.
    InputEnded,
    /// The session cannot go on, with the reason.
    SessionLost(String),
}

/// The running front. It ends with its input, not when this is dropped.
#[derive(Debug)]
pub struct Front(());

// === impl Front ===

impl Front {
    /// Serves this process's standard input and output, on threads of its own. Calls `ended` when it is over, and everything
    /// was written.
    ///
    /// # Errors
    ///
    /// The system has no more files or threads.
    pub fn start(upstream: Upstream, ended: impl FnOnce(FrontEnd) + Send + 'static) -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        start(upstream, Errors::start()?, input, output, ended)?;
        Ok(Self(()))
    }
}

/// Reading a file cannot be interrupted, and a descriptor that is shared with other processes must not be made non-blocking. So
/// threads copy input and output. The one that reads is left behind at the end, and so is one that waits until the client closes
/// its side: lines that wait for their turn hide the end of the input from the reader.
fn start(
    upstream: Upstream,
    errors: Errors,
    mut input: impl Read + AsFd + Send + 'static,
    mut output: impl Write + Send + 'static,
    ended: impl FnOnce(FrontEnd) + Send + 'static,
) -> io::Result<()> {
    let (reader, mut from_client) = UnixStream::pair()?;
    let (writer, mut to_client) = UnixStream::pair()?;
    let (written, all_written) = mpsc::channel::<()>();
    let hung_up = Arc::new(Notify::new());
    let (watched, by_watch, by_end) = (input.as_fd().try_clone_to_owned()?, hung_up.clone(), hung_up.clone());
    thread::Builder::new().name("front-hang-up".into()).spawn(move || await_hang_up(&watched, &by_watch))?;
    thread::Builder::new().name("front-stdin".into()).spawn(move || {
        // An error of the input ends it.
        let _ = copy(&mut input, &mut from_client);
        by_end.notify_one();
    })?;
    thread::Builder::new().name("front-stdout".into()).spawn(move || {
        let _written = written;
        copy(&mut to_client, &mut output)
    })?;
    thread::Builder::new().name("front".into()).spawn(move || {
        let end = run(upstream, errors, reader, writer, &hung_up)
            .unwrap_or_else(|error| FrontEnd::SessionLost(error.to_string()));
        // The other thread drops its sender when it has written everything.
        let _ = all_written.recv_timeout(LAST_WAIT);
        ended(end);
    })?;
    Ok(())
}

/// Waits until the writers of a pipe, or the peer of a socket, are gone. A regular file has none, and no end of this wait.
fn await_hang_up(input: &OwnedFd, hung_up: &Notify) {
    let events = PollFlags::from_bits_retain(POLLRDHUP);
    let mut inputs = [PollFd::new(input.as_fd(), events)];
    while poll(&mut inputs, PollTimeout::NONE).is_err() {}
    hung_up.notify_one();
}

/// Copies until the end. [`io::copy`] is of no use here: it splices, and on Linux a splice that waits for data holds the lock of the
/// client's pipe, so that the client cannot read what was written before.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn run(
    upstream: Upstream,
    errors: Errors,
    reader: UnixStream,
    writer: UnixStream,
    hung_up: &Notify,
) -> io::Result<FrontEnd> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    runtime.block_on(async {
        let (reader, writer) = (tokio::net::UnixStream::from_std(reader)?, tokio::net::UnixStream::from_std(writer)?);
        serve(upstream, errors, reader, writer, hung_up).await
    })
}

/// Serves a client until its input ends or its session is lost.
async fn serve(
    upstream: Upstream,
    errors: Errors,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin + 'static,
    hung_up: &Notify,
) -> io::Result<FrontEnd> {
    let uri = upstream.path.parse::<Uri>().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    // Exchanges that are still open at the end are dropped with it.
    let exchanges = LocalSet::new();
    let served = async {
        let (sender, mut lost) = oneshot::channel();
        let server = Rc::new(Server::new(Client::new(upstream.address, uri), Output::start(writer), errors, sender));
        let mut lines = Lines::new(reader, LINE_BYTES);
        let passed = Cell::new(Instant::now());
        let end = select! {
            biased;
            reason = &mut lost => Some(FrontEnd::SessionLost(reason.unwrap_or_default())),
            // The client closed its side.
            () = server.output.closed() => None,
            end = pass(&server, &mut lines, upstream.headers_at_once, &passed) => end.err(),
            () = stuck(hung_up, &passed) => Some(FrontEnd::InputEnded),
        };
        let end = match end {
            Some(end) => end,
            None => drain(&server, lost).await,
        };
        // What the server makes of DELETE is of no use to the client.
        server.open.end_all();
        if timeout(LAST_WAIT, server.delete_session()).await.is_err() {
            server.errors.say("the server did not answer DELETE");
        }
        let _ = timeout(LAST_WAIT, server.output.flush()).await;
        end
    };
    Ok(exchanges.run_until(served).await)
}

/// Passes lines to the server until the input ends. One line is read ahead, so that the end is seen while a server does not
/// answer the last line. `passed` is when a line had its turn.
async fn pass(
    server: &Rc<Server>,
    lines: &mut Lines<impl AsyncRead + Unpin>,
    headers_at_once: bool,
    passed: &Cell<Instant>,
) -> Result<(), FrontEnd> {
    let mut turn: Option<oneshot::Receiver<()>> = None;
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) => return Err(FrontEnd::SessionLost(format!("standard input: {error}"))),
        };
        if let Some(turn) = turn.take() {
            // An error says that the other side was dropped, which is its end.
            let _ = turn.await;
        }
        passed.set(Instant::now());
        turn = Some(exchange::send(server, &line, headers_at_once).await);
    }
}

/// Returns when the client is gone, and no line had its turn for [`END_WAIT`].
async fn stuck(hung_up: &Notify, passed: &Cell<Instant>) {
    hung_up.notified().await;
    passed.set(Instant::now());
    while passed.get().elapsed() < END_WAIT {
        sleep_until(passed.get() + END_WAIT).await;
    }
}

/// Waits for the answers to open requests.
async fn drain(server: &Server, lost: oneshot::Receiver<String>) -> FrontEnd {
    select! {
        biased;
        Ok(reason) = lost => FrontEnd::SessionLost(reason),
        _ = timeout(END_WAIT, server.open.all_ended()) => FrontEnd::InputEnded,
    }
}

#[cfg(test)]
mod tests;
