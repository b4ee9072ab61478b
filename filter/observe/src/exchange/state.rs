//! The states of an exchange: what can be true together, one type for each side.
//!
//! ```text
//!  request    headers            a part of the body              last byte, trailers, or the exchange is over
//!  Unseen ───────────▶ Nothing ─────────────────────▶ Parts ───────────────────────────────────────▶ ended
//!                         │ the response came first                                                    ▲
//!                         └───────────────────────────▶ HeadersOnly ───────────────────────────────────┘
//!
//!  response   headers            body                            last byte or trailers
//!  NotRead ──────────▶ Reading ─────────────────────▶ Reading ───────────────────────▶ Complete
//!                         │ the first event is not MCP                the exchange is over first
//!                         └───────────────────────────▶ Dropped       └──────────────▶ Cut
//!
//!  recognition
//!  NotYet ──── headers, body or first event show MCP ────▶ Mcp ──── an event stream opens ────▶ McpStream
//!
//!  registration in the correlation store: decided once
//!  None ──── the response is an event stream, or the transport is HTTP+SSE ───────▶ Here
//!    └────── the exchange ended, and another stream may bring the response ───────▶ Elsewhere
//! ```

use crate::correlation::{SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::Transport;
use crate::observation::Operation;
use crate::read::body::Body;
use crate::text::Text;

/// What the request's headers say.
#[derive(Debug)]
pub(super) enum RequestKind {
    /// They did not reach the filter.
    Unseen,
    /// POST with a JSON content type.
    Post(PostHeaders),
    /// GET; `resumes` with `Last-Event-ID`.
    Get { resumes: bool },
    /// DELETE.
    Delete,
    /// Cannot carry MCP.
    Other,
}

/// What the headers of a POST say about its body.
#[derive(Debug, Default)]
pub(super) struct PostHeaders {
    /// Headers or path say that any JSON-RPC in the body is MCP.
    pub(super) is_mcp: bool,
    /// The body is compressed, so it is not read.
    pub(super) is_encoded: bool,
    /// Boxed and optional because most requests of a session have none that has to be read.
    pub(super) mirrored: Option<Box<MirroredHeaders>>,
}

/// Headers that repeat what the body says.
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
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    /// Without its query. Kept of a GET, and of a POST that may be outside of any session.
    pub(super) path: Option<Vec<u8>>,
    /// Reads the body; `None` if it is not read or no longer read.
    pub(super) body: Option<Box<Body>>,
    pub(super) evidence: Evidence,
    pub(super) has_ended: bool,
    /// Bytes of the body that passed and are not reported yet.
    pub(super) bytes: u64,
}

/// What shows the operations of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing was found so far.
    Nothing,
    /// The body had messages, or parts that were not read.
    Parts,
    /// The response came before the body, so the operation is known by its headers and its id is not.
    HeadersOnly,
}

/// The server's side.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) body: ResponseBody,
    pub(super) content: Content,
    pub(super) end: End,
    /// Only where it had to be read before the response ended.
    pub(super) status: Option<u16>,
    /// A part of it was not read.
    pub(super) is_unread: bool,
    /// It had event ids, so the client can resume it elsewhere.
    pub(super) has_event_ids: bool,
    /// The event at hand passed before.
    pub(super) is_replay: bool,
    /// The server responded with an error, which may mean that the session is gone.
    pub(super) is_refused: bool,
    /// Bytes of the body that passed and are not reported yet.
    pub(super) bytes: u64,
}

/// How the response's body is read.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// It is not read, or not yet.
    NotRead,
    /// It is read.
    Reading(Box<Body>),
    /// Its first part showed that it is not MCP.
    Dropped,
}

/// What the response's content type says, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Other,
    /// `text/html`
    Page,
    /// `text/event-stream`
    EventStream,
}

/// Whether the response has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// Its last byte passed.
    Complete,
    /// The exchange was over before that.
    Cut,
}

/// What was observed of the exchange so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recognition {
    /// It may not be MCP.
    NotYet,
    /// It counts as an MCP exchange.
    Mcp,
    /// It counts as an MCP exchange and as an open event stream.
    McpStream,
}

/// The operations that began on the exchange.
#[derive(Debug)]
pub(super) struct Operations {
    /// Those that did not end.
    pub(super) open: Vec<Operation>,
    /// How many began.
    pub(super) begun: usize,
    /// Ids that an event stream answered.
    pub(super) answered: Vec<IdKey>,
    pub(super) clock: Clock,
}

/// When the operations of the exchange began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The request's last byte did not pass.
    NotStarted,
    /// Since the request's last byte.
    Started(Time),
    /// The server waited for the client in between, for an unknown time.
    Unknown,
}

/// The session that the exchange belongs to.
#[derive(Debug)]
pub(super) struct Membership {
    /// `StreamableHttp` until the request's path or an `endpoint` event shows HTTP+SSE; that event opens its stream first.
    pub(super) transport: Transport,
    /// As it was sent, at most [`super::SESSION_ID_BYTES`] of it; it never leaves.
    pub(super) id: Option<Text>,
    /// Its keyed hash, once needed.
    pub(super) key: Option<SessionKey>,
    pub(super) registration: Registration,
    /// This stream, once the server sent a request on it.
    pub(super) server_requests: Option<StreamId>,
    /// Under this name the VM keeps what waits for this stream from expiring.
    pub(super) held: Option<StreamId>,
    /// Names the session in the VM while the exchange keeps it active.
    pub(super) activity: Option<u64>,
    /// The client's responses and cancellations that were looked up in the correlation store.
    pub(super) looked_up: usize,
}

/// Where the operations can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registration {
    /// Only here.
    None,
    /// On this stream, or on another one of the session: the correlation store has them.
    Here(StreamId),
    /// On another stream of the session only.
    Elsewhere,
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

impl Default for Request {
    #[inline]
    fn default() -> Self {
        Self {
            kind: RequestKind::Unseen,
            path: None,
            body: None,
            evidence: Evidence::Nothing,
            has_ended: false,
            bytes: 0,
        }
    }
}

impl Request {
    pub(super) fn mirrored(&self) -> Option<&MirroredHeaders> {
        self.kind.post()?.mirrored.as_deref()
    }
}

// === impl Response ===

impl Default for Response {
    #[inline]
    fn default() -> Self {
        Self {
            body: ResponseBody::NotRead,
            content: Content::Other,
            end: End::Open,
            status: None,
            is_unread: false,
            has_event_ids: false,
            is_replay: false,
            is_refused: false,
            bytes: 0,
        }
    }
}

impl Response {
    /// Takes the reader of the body, if it is read.
    pub(super) fn take_body(&mut self) -> Option<Box<Body>> {
        match std::mem::replace(&mut self.body, ResponseBody::NotRead) {
            ResponseBody::Reading(body) => Some(body),
            other => {
                self.body = other;
                None
            }
        }
    }

    /// Puts the reader back, unless what it read showed that the rest is not wanted.
    pub(super) fn put_back(&mut self, body: Box<Body>) {
        if !matches!(self.body, ResponseBody::Dropped) {
            self.body = ResponseBody::Reading(body);
        }
    }
}

// === impl Operations ===

impl Default for Operations {
    #[inline]
    fn default() -> Self {
        Self { open: Vec::new(), begun: 0, answered: Vec::new(), clock: Clock::NotStarted }
    }
}

// === impl Clock ===

impl Clock {
    pub(super) fn started(self) -> Option<Time> {
        if let Self::Started(at) = self { Some(at) } else { None }
    }
}

// === impl Membership ===

impl Default for Membership {
    #[inline]
    fn default() -> Self {
        Self {
            transport: Transport::StreamableHttp,
            id: None,
            key: None,
            registration: Registration::None,
            server_requests: None,
            held: None,
            activity: None,
            looked_up: 0,
        }
    }
}

impl Membership {
    /// Another session, or the first one that is known.
    pub(super) fn set_id(&mut self, id: Text) {
        (self.id, self.key) = (Some(id), None);
    }
}

// === impl Registration ===

impl Registration {
    /// The stream that may bring responses.
    pub(super) fn stream(self) -> Option<StreamId> {
        if let Self::Here(stream) = self { Some(stream) } else { None }
    }
}
