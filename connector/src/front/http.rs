//! HTTP/1.1 client of one server: Envoy's listener on the loopback interface. No TLS and no proxies.
//!
//! A connection whose response was read to its end is kept for the next request. Envoy may close a kept connection at any time.
//! If it is found closed before a byte of the request was written, the request goes to a new connection. Otherwise the request
//! fails, because the server may have received it, and MCP's requests must not be repeated.
//!
//! A response that is dropped before its end closes its connection, which is how 2026-07-28 cancels a request.

use super::failure::reason_of;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

/// Connections that are kept while they are idle. Further ones are closed.
const IDLE_CONNECTIONS: usize = 4;

/// Dropped when the next message of the session may be sent.
pub(super) type Turn = oneshot::Sender<()>;

/// The client.
pub(super) struct Client {
    address: SocketAddr,
    uri: Uri,
    host: HeaderValue,
    idle: Idle,
}

type Idle = Rc<RefCell<Vec<SendRequest<Sent>>>>;

/// A response, whose body is read chunk by chunk.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    connection: Option<SendRequest<Sent>>,
    idle: Idle,
}

/// A request's body, in one chunk. The turn ends when the connection takes it. All tasks share a thread, so the bytes are
/// handed to the socket before another task runs.
struct Sent {
    data: Option<Bytes>,
    turn: Option<Turn>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(address: SocketAddr, uri: Uri) -> Self {
        let host = HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("localhost"));
        Self { address, uri, host, idle: Rc::default() }
    }

    /// Sends a request and waits for the headers of its response. `written` ends when the request was written.
    ///
    /// # Errors
    ///
    /// The reason why there is no response.
    pub(super) async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        written: Option<Turn>,
    ) -> Result<Response, String> {
        let body = Sent { data: Some(body).filter(|body| !body.is_empty()), turn: written };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.host.clone());
        let agent = HeaderValue::from_static(concat!("mcp-sidecar/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        loop {
            let kept = self.kept();
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            match connection.try_send_request(request).await {
                Ok(response) => return Ok(Response::new(response, connection, &self.idle)),
                Err(mut failed) => match failed.take_message() {
                    // It was not sent. A new connection that fails at once is not tried again.
                    Some(unsent) if is_kept => request = unsent,
                    _ => return Err(format!("no answer from Envoy: {}", reason_of(failed.error()))),
                },
            }
        }
    }

    /// A kept connection that is still open. The newest is the least likely to be closed.
    fn kept(&self) -> Option<SendRequest<Sent>> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(SendRequest::is_ready);
        idle.pop()
    }

    async fn connect(&self) -> Result<SendRequest<Sent>, String> {
        let refused = |error: &dyn std::error::Error| format!("no connection to Envoy: {}", reason_of(error));
        let stream = TcpStream::connect(self.address).await.map_err(|error| refused(&error))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| refused(&error))?;
        // Its errors are those of the request that it serves.
        spawn_local(async { drop(connection.await) });
        Ok(sender)
    }
}

// === impl Response ===

impl Response {
    fn new(response: hyper::Response<Incoming>, connection: SendRequest<Sent>, idle: &Idle) -> Self {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let mut response = Self { status, headers, body, connection: Some(connection), idle: Rc::clone(idle) };
        if response.body.is_end_stream() {
            response.keep_connection();
        }
        response
    }

    /// Whether the body is of this media type.
    pub(super) fn is(&self, media_type: &str) -> bool {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// The connection broke off.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| format!("the response broke off: {}", reason_of(&error)))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        self.keep_connection();
        Ok(None)
    }

    /// The whole body, if it has at most `limit` bytes.
    pub(super) async fn whole(&mut self, limit: usize) -> Result<Bytes, String> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > limit {
                return Err(format!("a response of more than {limit} bytes"));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }

    fn keep_connection(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let idle = Rc::clone(&self.idle);
        spawn_local(async move {
            if connection.ready().await.is_ok() && idle.borrow().len() < IDLE_CONNECTIONS {
                idle.borrow_mut().push(connection);
            }
        });
    }
}

// === impl Sent ===

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        drop(self.turn.take());
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}
