//! Links: what waits for another exchange of its session. Operations, server requests, cancellations and early answers are
//! links. An early answer is a response that came while the store did not have its operation.
//!
//! All links of a session are in one slot, so that the session's end finds them. The VM that removes a link counts it. So each
//! link is counted once, whichever VM is first.
//!
//! A link expires [`EXPIRY`] after it was added or its stream ended. While a stream that may bring its answer is open, the VM
//! of that stream renews the link ([`expiry`]). So the links of a VM that trapped expire as well. An early answer waits for
//! three seconds ([`early_answers`]). In that time the VM that has the operation saves it ([`kept`]).
//!
//! | limit of a slot | value | what happens |
//! |---|---|---|
//! | all links | [`TABLE`]`.max_bytes` | the oldest links are evicted, except operations whose own stream is open |
//! | operations whose own stream is open | [`MAX_OPEN_BYTES`] | a further one is not added, and only its exchange follows it |
//! | cancellations without an operation | 32 | the oldest is evicted |
//! | early answers | 16 | the oldest is evicted, and counted as unmatched |
//! | marks of answered ids | 8 | the oldest is evicted |
//! | marks of sessions that ended | 8 | the oldest is evicted |

mod early_answers;
mod expiry;
mod kept;
mod operations;
mod server_requests;
mod slot;

use super::{SessionKey, StreamId, Table, stream_id};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::{ErrorType, Method, Status, Transport};
use crate::observation::Operation;
pub(crate) use early_answers::EarlyAnswer;
pub(super) use early_answers::LISTED_SLOTS;
pub(super) use kept::KeptOperations;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a link waits while no open stream holds it.
pub(crate) const EXPIRY: Duration = Duration::from_secs(300);
pub(super) const TABLE: Table = Table { letter: 'l', slots: 256, max_bytes: 8192 };
/// Bytes of a slot for operations whose own stream is open. If there is no room for an operation, it is not added, and only an
/// answer on its own stream finds it.
const MAX_OPEN_BYTES: usize = TABLE.max_bytes / 4 * 3;
/// Upper bounds of the bytes of each kind of link, without its texts and rare members.
const OPERATION_BYTES: usize = 114;
const SERVER_REQUEST_BYTES: usize = 80;
const EARLY_ANSWER_BYTES: usize = 144;
const MARK_BYTES: usize = 48;
/// Upper bounds of the bytes of an operation's rare members: its cursor, and the id of the task that it asks about.
const CURSOR_BYTES: usize = 10;
const TASK_BYTES: usize = 18;

/// An operation that may be answered on another stream than its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingOperation {
    pub(crate) started: Time,
    /// The operation's own stream, while it is open: it may bring the answer, or on HTTP+SSE a refusal.
    #[serde(with = "stream_id")]
    pub(crate) stream: Option<StreamId>,
    /// How the operation ends if no answer comes.
    pub(crate) fallback: Fallback,
    /// The session ended, so only the operation's own stream can still bring the answer.
    pub(crate) has_session_ended: bool,
    pub(crate) cancelled_at: Option<Time>,
    /// Microseconds for which the server waited for the client; `None` if that is not known.
    pub(crate) client_wait: Option<u64>,
    /// The server's name, if it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
    pub(crate) operation: Operation,
}

/// How an operation ends if no message answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fallback {
    /// As an error: all its streams ended properly.
    NoResponse,
    /// As cancelled: the client closed the stream at this time.
    ClientLeft(Time),
    /// As an error: the stream was reset at this time.
    Reset(Time),
    /// As unknown: the answer may have passed another process, or could not be read.
    Unknown,
}

/// A request from server to client that was not answered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerRequest {
    pub(crate) id: IdKey,
    pub(crate) method: Method,
    pub(crate) sent_at: Time,
    /// The open stream that it was sent on, if the request ends with that stream.
    #[serde(with = "stream_id")]
    pub(crate) stream: Option<StreamId>,
    /// The link is kept after the answer while operations of its stream need to know how long they waited.
    pub(crate) answered_at: Option<Time>,
    /// The server's name, if it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
}

/// A link of a session.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    session: SessionKey,
    kind: LinkKind,
}

/// `since` is the time when the link was added, when its stream ended, or when it was renewed, whichever is latest.
#[derive(Debug, Serialize, Deserialize)]
enum LinkKind {
    Operation {
        since: Time,
        pending: Box<PendingOperation>,
    },
    ServerRequest {
        since: Time,
        request: ServerRequest,
    },
    /// The client cancelled an operation that was not here.
    Cancelled {
        id: IdKey,
        at: Time,
    },
    /// A mark: the id was answered. A further answer counts as `duplicate` instead of `unknown_id`.
    Answered(IdKey),
    /// An answer whose operation was not here.
    EarlyAnswer(Box<EarlyAnswer>),
    /// A mark: the session ended. Operations that began before and are saved later ended with it.
    SessionEnded {
        at: Time,
    },
}

type LinkSlot = Vec<Link>;

/// The result of a look-up by id.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    Found(T),
    /// The id was answered before.
    Answered,
    /// The store does not have the id.
    Unknown,
}

/// Links that ended without an answer.
#[derive(Debug, Default)]
pub(crate) struct RemovedLinks(LinkSlot);

// === impl PendingOperation ===

impl PendingOperation {
    /// Whether no stream can bring the answer.
    fn is_over(&self) -> bool {
        self.has_session_ended && self.stream.is_none()
    }

    /// Whether the answer is expected on the stream of the session. A cancelled operation gets no answer.
    fn is_on_session_stream(&self) -> bool {
        self.operation.transport == Transport::HttpSse && self.cancelled_at.is_none()
    }

    /// How the operation ends without an answer, and after how many microseconds, if that is known.
    pub(crate) fn outcome_without_answer(&self) -> (Status, Option<ErrorType>, Option<u64>) {
        match (self.cancelled_at, self.fallback) {
            (Some(at), _) | (None, Fallback::ClientLeft(at)) => (Status::Cancelled, None, self.duration(at)),
            (None, Fallback::Reset(at)) => (Status::Error, Some(ErrorType::Reset), self.duration(at)),
            (None, Fallback::Unknown) => (Status::Unknown, None, None),
            (None, Fallback::NoResponse) => (Status::Error, Some(ErrorType::NoResponse), None),
        }
    }

    /// Microseconds up to `end`, without those for which the server waited for the client.
    pub(crate) fn duration(&self, end: Time) -> Option<u64> {
        self.client_wait.map(|wait| end.microseconds_since(self.started).saturating_sub(wait))
    }
}

// === impl Link ===

impl Link {
    fn operation(session: SessionKey, pending: PendingOperation, since: Time) -> Self {
        Self { session, kind: LinkKind::Operation { pending: Box::new(pending), since } }
    }

    fn pending(&self) -> Option<&PendingOperation> {
        if let LinkKind::Operation { pending, .. } = &self.kind { Some(pending) } else { None }
    }

    fn pending_mut(&mut self) -> Option<&mut PendingOperation> {
        if let LinkKind::Operation { pending, .. } = &mut self.kind { Some(pending) } else { None }
    }

    fn server_request(&self) -> Option<&ServerRequest> {
        if let LinkKind::ServerRequest { request, .. } = &self.kind { Some(request) } else { None }
    }

    /// The open stream of an operation or a server request.
    fn stream(&self) -> Option<StreamId> {
        match &self.kind {
            LinkKind::Operation { pending, .. } => pending.stream,
            LinkKind::ServerRequest { request, .. } => request.stream,
            _ => None,
        }
    }

    /// The link does not expire while this stream is open: its own stream, or on HTTP+SSE that of its session.
    fn holder(&self) -> Option<StreamId> {
        let on_session_stream = self.pending().filter(|pending| pending.is_on_session_stream());
        self.stream().or_else(|| on_session_stream.map(|_| self.session.stream_id()))
    }

    /// Whether it is an operation whose own stream is open.
    fn is_open(&self) -> bool {
        self.pending().is_some_and(|pending| pending.stream.is_some())
    }

    /// An upper bound of the bytes of the link as written.
    fn size(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        match &self.kind {
            LinkKind::Operation { pending, .. } => {
                let operation = &pending.operation;
                let cursor = if operation.cursor.is_some() { CURSOR_BYTES } else { 0 };
                let task = if operation.task_id.is_some() { TASK_BYTES } else { 0 };
                let texts = length(&operation.name) + length(&operation.client_name) + length(&pending.server);
                OPERATION_BYTES + cursor + task + texts
            }
            LinkKind::ServerRequest { request, .. } => SERVER_REQUEST_BYTES + length(&request.server),
            LinkKind::EarlyAnswer(answer) => EARLY_ANSWER_BYTES + length(&answer.server),
            LinkKind::Cancelled { .. } | LinkKind::Answered(_) | LinkKind::SessionEnded { .. } => MARK_BYTES,
        }
    }
}

// === impl RemovedLinks ===

impl RemovedLinks {
    fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The early answers among them.
    pub(crate) fn early_answers(&self) -> impl Iterator<Item = &EarlyAnswer> {
        self.0
            .iter()
            .filter_map(|link| if let LinkKind::EarlyAnswer(answer) = &link.kind { Some(&**answer) } else { None })
    }

    /// The operations among them.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &PendingOperation> {
        self.0.iter().filter_map(Link::pending)
    }

    /// The server requests among them that have no response. The others were counted when the client answered them.
    pub(crate) fn server_requests(&self) -> impl Iterator<Item = &ServerRequest> {
        self.0.iter().filter_map(Link::server_request).filter(|request| request.answered_at.is_none())
    }
}
