//! The state of an exchange, with one type for the request and one for the response.
//!
//! ```text
//!  request    headers            a part of the body              last byte, trailers, or the exchange is over
//!  Unseen ───────────▶ Nothing ─────────────────────▶ Body ────────────────────────────────────────▶ ended
//!                         │ the response came first                                                    ▲
//!                         └───────────────────────────▶ Headers ───────────────────────────────────────┘
//!
//!  response   headers            body                            last byte or trailers
//!  NotRead ──────────▶ Reading ─────────────────────▶ Reading ───────────────────────▶ Complete
//!                         │ the first event is not MCP                the exchange is over first
//!                         └───────────────────────────▶ Dropped       └──────────────▶ Cut
//!
//!  recognition
//!  NotYet ──── headers, body or first event show MCP ────▶ Mcp ──── an event stream opens ────▶ McpStream
//!
//!  the answers come from
//!  OwnExchange ──── the response is an event stream, or the transport is HTTP+SSE ─────▶ AnyStream
//!    │                └── the store has no room for the operations of an event stream ─▶ OwnExchange
//!    └────── the exchange ended, and another stream may bring the answer ──────────────▶ OtherStreams
//! ```

use crate::correlation::activity::SessionClient;
use crate::correlation::{SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::{ProtocolVersion, Transport};
use crate::observation::Operation;
use crate::read::body::Body;
use crate::text::Text;
use std::num::NonZeroU64;

/// The kind of request, by its headers.
#[derive(Debug, Default)]
pub(super) enum RequestKind {
    /// The headers did not reach the filter.
    #[default]
    Unseen,
    /// POST with a JSON content type.
    Post(PostHeaders),
    /// GET; `resumes` if it has `Last-Event-ID`.
    Get { resumes: bool },
    /// DELETE.
    Delete,
    /// Not MCP.
    Other,
}

/// The headers of a POST that describe its body.
#[derive(Debug, Default)]
pub(super) struct PostHeaders {
    /// Headers or path show that any JSON-RPC in the body is MCP.
    pub(super) is_mcp: bool,
    /// The body is compressed, so it is not read.
    pub(super) is_encoded: bool,
    /// Boxed and optional, because for most requests of a session none of these headers is read.
    pub(super) mirrored: Option<Box<MirroredHeaders>>,
}

/// Headers that repeat values of the body.
#[derive(Debug, Default)]
pub(super) struct MirroredHeaders {
    /// `MCP-Protocol-Version`
    pub(super) version: Option<Text>,
    /// `Mcp-Method`
    pub(super) method: Option<Text>,
    /// `Mcp-Name`, decoded.
    pub(super) name: Option<Text>,
}

/// The client's side.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    /// The path without its query. It is kept for a GET, and for a POST that has no session header and is not of 2026-07-28.
    pub(super) path: Option<Vec<u8>>,
    /// `MCP-Protocol-Version` of a GET or DELETE, where it was read.
    pub(super) version: Option<ProtocolVersion>,
    /// Reads the body; `None` if it is not read or no longer read.
    pub(super) body: Option<Box<Body>>,
    pub(super) evidence: Evidence,
    pub(super) has_ended: bool,
    /// Bytes of the body that passed and are not reported yet.
    pub(super) bytes: u64,
}

/// How the operations or notifications of a request were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Evidence {
    /// Nothing was found so far.
    #[default]
    Nothing,
    /// In the body, which had messages or parts that were not read.
    Body,
    /// In the headers, because the response came before the body. The operation's id is not known.
    Headers,
}

/// The server's side.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) body: ResponseBody,
    pub(super) content: Content,
    pub(super) end: End,
    /// The HTTP status; `None` if it was not read yet.
    pub(super) status: Option<u16>,
    /// A part of the response could not be read.
    pub(super) is_unread: bool,
    /// The stream had event ids, so the client can resume it with another exchange.
    pub(super) has_event_ids: bool,
    /// The current event repeats one that passed before.
    pub(super) is_replay: bool,
    /// The server responded with an error, which may mean that the session is gone.
    pub(super) has_error: bool,
    /// Bytes of the body that passed and are not reported yet.
    pub(super) bytes: u64,
}

/// How the response's body is read.
#[derive(Debug, Default)]
pub(super) enum ResponseBody {
    /// It is not read, or not yet.
    #[default]
    NotRead,
    /// It is read.
    Reading(Box<Body>),
    /// Its first part showed that it is not MCP.
    Dropped,
}

/// The content types of responses that are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Content {
    #[default]
    Other,
    /// `text/html`
    Html,
    /// `text/event-stream`
    EventStream,
}

/// Whether the response has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    Open,
    /// Its last byte passed.
    Complete,
    /// The exchange was over before that.
    Cut,
}

/// What was observed of the exchange so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Recognition {
    /// It may not be MCP.
    #[default]
    NotYet,
    /// It counts as an MCP exchange.
    Mcp,
    /// It counts as an MCP exchange and as an open event stream.
    McpStream,
}

/// The operations that began on the exchange.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// Those that have not ended.
    pub(super) open: Vec<Operation>,
    /// How many began; at most 255.
    pub(super) begun: u8,
    /// Ids that were answered on the event stream of this exchange.
    pub(super) answered: Vec<IdKey>,
    pub(super) clock: Clock,
}

/// When the operations of the exchange began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Clock {
    /// The request's last byte has not passed.
    #[default]
    NotStarted,
    /// Since the request's last byte.
    Started(Time),
    /// The server waited for the client for an unknown time, so durations are unknown.
    Unknown,
}

/// The session that the exchange belongs to.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// `StreamableHttp` until the request's path or an `endpoint` event shows HTTP+SSE. That event is the first of its stream.
    pub(super) transport: Transport,
    /// As it was sent, at most [`super::SESSION_ID_BYTES`] of it. It is never exported.
    pub(super) id: Option<Text>,
    /// Its keyed hash, once needed.
    pub(super) key: Option<SessionKey>,
    pub(super) answer_from: AnswerFrom,
    /// The server sent a request on this stream.
    pub(super) has_server_requests: bool,
    /// The stream that is registered as open in this VM. Links that wait for an open stream do not expire.
    pub(super) open_stream: Option<StreamId>,
    /// Digest of the session in this VM, while the exchange is counted as one of its open exchanges.
    pub(super) activity_digest: Option<NonZeroU64>,
    /// What is known about the name of the session's client.
    pub(super) client: SessionClient,
    /// Number of the client's responses and cancellations that were looked up in the correlation store; at most 255.
    pub(super) looked_up: u8,
}

/// Where the answers to the operations can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum AnswerFrom {
    /// Only from this exchange: the correlation store does not have the operations.
    #[default]
    OwnExchange,
    /// From this stream, which the links in the store name by this id, or from another one of the session: the store has the
    /// operations, or this VM keeps them and will save them. A GET stream gets an id too when the server sends a request on it.
    AnyStream(StreamId),
    /// Only from another stream of the session: the correlation store has the operations.
    OtherStreams,
}

// === impl RequestKind ===

impl RequestKind {
    pub(super) fn is_get(&self) -> bool {
        matches!(self, Self::Get { .. })
    }

    /// The headers of a POST.
    pub(super) fn post(&self) -> Option<&PostHeaders> {
        if let Self::Post(headers) = self { Some(headers) } else { None }
    }
}

// === impl Request ===

impl Request {
    pub(super) fn mirrored(&self) -> Option<&MirroredHeaders> {
        self.kind.post()?.mirrored.as_deref()
    }
}

// === impl Response ===

impl Response {
    /// Takes the reader of the body, if it is read.
    #[inline]
    pub(super) fn take_body(&mut self) -> Option<Box<Body>> {
        if !matches!(self.body, ResponseBody::Reading(_)) {
            return None;
        }
        let ResponseBody::Reading(body) = std::mem::take(&mut self.body) else { return None };
        Some(body)
    }

    /// Puts the reader back, unless what it read showed that the rest is not wanted.
    pub(super) fn put_back(&mut self, body: Box<Body>) {
        if !matches!(self.body, ResponseBody::Dropped) {
            self.body = ResponseBody::Reading(body);
        }
    }
}

// === impl Clock ===

impl Clock {
    pub(super) fn started(self) -> Option<Time> {
        if let Self::Started(at) = self { Some(at) } else { None }
    }
}

// === impl Membership ===

impl Membership {
    /// Sets the id of the session. Its key is computed when it is needed.
    pub(super) fn set_id(&mut self, id: Text) {
        (self.id, self.key) = (Some(id), None);
    }
}

// === impl AnswerFrom ===

impl AnswerFrom {
    /// The id of this stream, if links name it.
    pub(super) fn stream(self) -> Option<StreamId> {
        if let Self::AnyStream(stream) = self { Some(stream) } else { None }
    }
}
