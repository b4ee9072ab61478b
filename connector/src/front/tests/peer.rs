//! The server that the tests play, and the client's side of the front.

use crate::front::{FrontEnd, Upstream, serve};
use crate::program::Errors;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

/// A wait that only a failed test reaches.
pub(super) const TOO_LONG: Duration = Duration::from_secs(120);

/// A request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Parts of a body. An error breaks the connection off.
pub(super) type Part = io::Result<Bytes>;

/// A body whose parts come when the test sends them.
pub(super) struct Parts(mpsc::Receiver<Part>);

/// An HTTP response.
pub(super) type Reply = Response<Parts>;

/// The front under test, between a client and the server.
pub(super) struct Play {
    input: Option<DuplexStream>,
    output: Lines<BufReader<DuplexStream>>,
    front: JoinHandle<io::Result<FrontEnd>>,
    pub(super) all: Rc<RefCell<Vec<Got>>>,
    /// What the front wrote to standard error.
    told: mpsc::UnboundedReceiver<String>,
}

// === impl Got ===

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

// === impl Parts ===

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// A response of which the test sends the parts.
pub(super) fn open_reply(status: u16, headers: &[(&str, &str)]) -> (mpsc::Sender<Part>, Reply) {
    let (sender, receiver) = mpsc::channel(1);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    (sender, response.body(Parts(receiver)).unwrap())
}

pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let (sender, reply) = open_reply(status, headers);
    if !body.is_empty() {
        sender.try_send(Ok(Bytes::from(body.to_owned()))).unwrap();
    }
    reply
}

pub(super) fn json(body: &str) -> Reply {
    reply(200, &[("content-type", "application/json")], body)
}

pub(super) fn events(body: &str) -> Reply {
    reply(200, &[("content-type", "text/event-stream")], body)
}

/// The answer to `initialize` of a server with the session `s-1`, and what else such a server does. `None` is left to the test.
pub(super) fn session(got: &Got) -> Option<Reply> {
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#;
    match got.method.as_str() {
        "POST" if got.body.contains("\"initialize\"") => {
            Some(reply(200, &[("content-type", "application/json"), ("mcp-session-id", "s-1")], answer))
        }
        "POST" if got.body.contains("notifications/") => Some(reply(202, &[], "")),
        "GET" => Some(reply(405, &[], "")),
        "DELETE" => Some(reply(200, &[], "")),
        _ => None,
    }
}

// === impl Play ===

impl Play {
    /// Starts a server with this handler, and the front. Must be called in a `LocalSet`.
    pub(super) async fn start<F, R>(headers_at_once: bool, handler: F) -> Self
    where
        F: Fn(Got) -> R + 'static,
        R: Future<Output = Reply> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&seen);
        let handler = Rc::new(handler);
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (handler, seen) = (Rc::clone(&handler), Rc::clone(&seen));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (handler, seen) = (Rc::clone(&handler), Rc::clone(&seen));
                    async move {
                        let (parts, body) = request.into_parts();
                        assert_eq!(parts.uri, "/mcp");
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        let got = Got { method: parts.method, headers: parts.headers, body };
                        seen.borrow_mut().push(got.clone());
                        Ok::<_, Infallible>(handler(got).await)
                    }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                spawn_local(async move { drop(connection.await) });
            }
        });
        Self { all: kept, ..Self::connect(headers_at_once, address) }
    }

    /// The same, with something that the handler shares with the test.
    pub(super) async fn sharing<S, F, R>(shared: &Rc<S>, headers_at_once: bool, handler: F) -> Self
    where
        S: 'static,
        F: Fn(Got, Rc<S>) -> R + 'static,
        R: Future<Output = Reply> + 'static,
    {
        let shared = Rc::clone(shared);
        Self::start(headers_at_once, move |got| handler(got, Rc::clone(&shared))).await
    }

    /// Starts the front with a server that runs elsewhere.
    pub(super) fn connect(headers_at_once: bool, address: SocketAddr) -> Self {
        let upstream = Upstream { address, path: "/mcp".to_owned(), headers_at_once };
        let (input, reader) = duplex(1024);
        let (output, writer) = duplex(1024);
        let (told, errors) = told();
        let front = spawn_local(async move { serve(upstream, errors, reader, writer, &Notify::new()).await });
        Self { input: Some(input), output: BufReader::new(output).lines(), front, all: Rc::default(), told }
    }

    /// Writes lines to the front.
    pub(super) async fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// The next line that the front wrote to standard error.
    pub(super) async fn next_told(&mut self) -> String {
        timeout(TOO_LONG, self.told.recv()).await.unwrap().unwrap()
    }

    pub(super) fn end_input(&mut self) {
        self.input = None;
    }

    pub(super) fn take_input(&mut self) -> DuplexStream {
        self.input.take().unwrap()
    }

    /// The next line of the front; `None` at its end.
    pub(super) async fn read(&mut self) -> Option<String> {
        timeout(TOO_LONG, self.output.next_line()).await.unwrap().unwrap()
    }

    pub(super) async fn expect(&mut self, line: &str) {
        assert_eq!(self.read().await.as_deref(), Some(line));
    }

    /// The handshake of a client with the server of [`session`].
    pub(super) async fn handshake(&mut self) {
        self.write("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{}}\n").await;
        let answer = self.read().await.unwrap();
        assert!(answer.contains("protocolVersion"), "{answer}");
        self.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await;
    }

    /// All requests so far that fit.
    pub(super) fn seen(&self, fits: impl Fn(&Got) -> bool) -> Vec<Got> {
        self.all.borrow().iter().filter(|got| fits(got)).cloned().collect()
    }

    /// Waits for a number of requests that fit.
    pub(super) async fn wait_for(&self, count: usize, fits: impl Fn(&Got) -> bool) -> Vec<Got> {
        let wait = async {
            loop {
                let found = self.seen(&fits);
                if found.len() >= count {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(TOO_LONG, wait).await.unwrap()
    }

    /// Waits for the end of the front, which writes no more lines.
    pub(super) async fn end(mut self) -> FrontEnd {
        let end = timeout(TOO_LONG, &mut self.front).await.unwrap().unwrap().unwrap();
        assert_eq!(self.read().await, None);
        end
    }
}

/// A standard error that a test reads.
pub(super) fn told() -> (mpsc::UnboundedReceiver<String>, Errors) {
    struct Told(mpsc::UnboundedSender<String>);
    impl io::Write for Told {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            // The test may have ended.
            let _ = self.0.send(String::from_utf8(text.to_vec()).unwrap());
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    (receiver, Errors::to(Told(sender)).unwrap())
}

/// Waits for what happens unless the test fails.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(TOO_LONG, future).await.unwrap()
}

/// Runs a test on one thread.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}
