//! HTTP responses of the bridge.

use crate::bridge::event::text_without_id;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A response whose body is complete or comes as events.
pub(super) type Reply = Response<Pin<Box<dyn Body<Data = Bytes, Error = Infallible>>>>;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const EVENT_STREAM: &str = "text/event-stream";
pub(super) const JSON: &str = "application/json";

/// JSON-RPC codes that the bridge itself uses.
pub(super) mod code {
    pub(in crate::bridge) const PARSE_ERROR: i64 = -32700;
    pub(in crate::bridge) const INVALID_REQUEST: i64 = -32600;
    pub(in crate::bridge) const METHOD_NOT_FOUND: i64 = -32601;
    pub(in crate::bridge) const INVALID_PARAMS: i64 = -32602;
    /// What SDK servers use for errors of the transport.
    pub(in crate::bridge) const SERVER: i64 = -32000;
    pub(in crate::bridge) const UNKNOWN_SESSION: i64 = -32001;
    pub(in crate::bridge) const HEADER_MISMATCH: i64 = -32020;
    pub(in crate::bridge) const MISSING_CAPABILITY: i64 = -32021;
    pub(in crate::bridge) const UNSUPPORTED_VERSION: i64 = -32022;
}

/// A JSON-RPC error. `id` is JSON text.
pub(super) fn error_text(id: &str, code: i64, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, json!(message))
}

/// A response with a JSON-RPC error.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: i64,
    reason: String,
    /// JSON text.
    id: String,
}

// === impl Refusal ===

impl Refusal {
    /// A refusal of a body, or of a request whose id is not known.
    pub(super) fn new(status: StatusCode, code: i64, reason: impl Into<String>) -> Self {
        Self { status, code, reason: reason.into(), id: "null".to_owned() }
    }

    /// Of a request that is not valid.
    pub(super) fn invalid(reason: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, format!("Invalid Request: {reason}"))
    }

    /// The session is not known, or is over.
    pub(super) fn unknown_session() -> Self {
        let reason = "Session not found: it has ended; send initialize again";
        Self::new(StatusCode::NOT_FOUND, code::UNKNOWN_SESSION, reason)
    }

    /// The same, as the answer to the request with this id.
    pub(super) fn of(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut reply = json(refusal.status, error_text(&refusal.id, refusal.code, &refusal.reason).into());
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        reply
    }
}

/// A response with one JSON-RPC message.
pub(super) fn json(status: StatusCode, text: Bytes) -> Reply {
    with_body(status, JSON, Full::new(text))
}

/// Events that come one after the other.
pub(super) trait Events: Unpin + 'static {
    /// The text of the next event. `None`: no more will come.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

struct EventBody<E>(E);

// === impl EventBody ===

impl<E: Events> Body for EventBody<E> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_event(context).map(|event| event.map(|text| Ok(Frame::data(text))))
    }
}

/// A response with events.
pub(super) fn events(events: impl Events) -> Reply {
    let mut reply = with_body(StatusCode::OK, EVENT_STREAM, EventBody(events));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    reply
}

/// A response with one event, when it comes.
pub(super) fn one_event(message: Pin<Box<dyn Future<Output = Bytes>>>) -> Reply {
    events(OneEvent(Some(message)))
}

struct OneEvent(Option<Pin<Box<dyn Future<Output = Bytes>>>>);

// === impl OneEvent ===

impl Events for OneEvent {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(message) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(message) = message.as_mut().poll(context) else { return Poll::Pending };
        self.0 = None;
        Poll::Ready(Some(text_without_id(&message)))
    }
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::new(Box::pin(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// A response with plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    with_body(status, "text/plain; charset=utf-8", Full::new(text.into()))
}

/// The path has other methods.
pub(super) fn method_not_allowed(allowed: &'static str) -> Reply {
    let mut reply = Reply::from(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::SERVER, "Method not allowed"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

fn with_body(
    status: StatusCode,
    kind: &'static str,
    body: impl Body<Data = Bytes, Error = Infallible> + 'static,
) -> Reply {
    let mut reply = Reply::new(Box::pin(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
