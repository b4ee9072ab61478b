//! What waits for another exchange of its session: operations, requests of the server, cancellations.
//!
//! All links of a session are in one slot, so that its end finds them. Who takes a link out counts it, so each is counted once
//! whichever worker is first.
//!
//! A link ends [`EXPIRY`] after it was entered, unless an open stream holds it: then the VM of that stream begins its time anew
//! now and then (`expiry`). So what a trapped VM held ends as well.

mod expiry;
mod operations;
mod server_requests;
mod slot;

use super::{Correlation, SessionKey, StreamId, stream_id};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::Method;
use crate::label::{ErrorType, Status, Transport};
use crate::observation::Operation;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a link waits once no open stream holds it.
pub(crate) const EXPIRY: Duration = Duration::from_secs(300);
const SLOTS: u64 = 256;
/// Bytes of a slot as written.
const MAX_BYTES: usize = 8192;
/// What operations may take of it that are answered on an open stream of their own, as a rule. Those that find no room are
/// followed by their exchange alone, so nothing is lost but an answer that comes elsewhere.
const MAX_OPEN_BYTES: usize = MAX_BYTES / 4 * 3;
/// Bytes of a link beside its texts and what is rare in it, at most.
const OPERATION_BYTES: usize = 104;
const SERVER_REQUEST_BYTES: usize = 80;
const MARK_BYTES: usize = 48;
/// Of a cursor and of the task that is asked for.
const CURSOR_BYTES: usize = 10;
const TASK_BYTES: usize = 18;

/// An operation that may be answered on another stream than its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingOperation {
    pub(crate) operation: Operation,
    /// The server's name, where it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
    pub(crate) started: Time,
    /// The open exchange that may bring the answer, or on HTTP+SSE a refusal.
    #[serde(with = "stream_id")]
    pub(crate) stream: Option<StreamId>,
    /// How it ends if no answer comes: as this, at this time.
    pub(crate) fallback: Fallback,
    /// Its session ended: no other stream will bring the answer.
    pub(crate) has_session_ended: bool,
    pub(crate) cancelled_at: Option<Time>,
    /// For so many microseconds the server waited for the client; `None` where that cannot be known.
    pub(crate) client_wait: Option<u64>,
}

/// What becomes of an operation that no message answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fallback {
    NoResponse,
    /// The client's side ended.
    ClientLeft(Time),
    /// The stream that it waited for broke.
    Reset(Time),
    /// The answer may have passed where it was not seen or could not be read.
    Unknown,
}

/// A request from server to client that was not answered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerRequest {
    pub(crate) id: IdKey,
    pub(crate) method: Method,
    pub(crate) server: Option<Box<str>>,
    pub(crate) sent_at: Time,
    /// The open stream that it was sent on, where the end of that stream ends it.
    #[serde(with = "stream_id")]
    pub(crate) stream: Option<StreamId>,
    /// Kept while that stream needs to know how long its operations waited.
    pub(crate) answered_at: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum LinkKind {
    Operation(Box<PendingOperation>),
    ServerRequest(ServerRequest),
    Cancelled(IdKey, Time),
    Answered(IdKey),
}

/// One link of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    session: u64,
    /// When it was entered, left by its stream, or last seen to be held; 0 for what does not wait.
    since: u64,
    what: LinkKind,
}

type Slot = Vec<Link>;

/// What a message with an id belongs to.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    Found(T),
    /// It was answered before.
    Answered,
    Unknown,
}

/// Links that ended without their other half.
#[derive(Debug, Default)]
pub(crate) struct EndedLinks {
    pub(crate) operations: Vec<PendingOperation>,
    pub(crate) server_requests: Vec<ServerRequest>,
}

// === impl Pending ===

impl PendingOperation {
    /// Nobody is left to answer it.
    fn is_over(&self) -> bool {
        self.has_session_ended && self.stream.is_none()
    }

    /// Its answer is still to come on the stream of its session.
    fn is_on_session_stream(&self) -> bool {
        self.operation.transport == Transport::HttpSse && self.cancelled_at.is_none()
    }

    /// How it ends without an answer, and after how many microseconds where that is known.
    pub(crate) fn outcome_without_answer(&self) -> (Status, Option<ErrorType>, Option<u64>) {
        if let Some(at) = self.cancelled_at {
            return (Status::Cancelled, None, self.duration(at));
        }
        match self.fallback {
            Fallback::ClientLeft(at) => (Status::Cancelled, None, self.duration(at)),
            Fallback::Reset(at) => (Status::Error, Some(ErrorType::Reset), self.duration(at)),
            Fallback::Unknown => (Status::Unknown, None, None),
            Fallback::NoResponse => (Status::Error, Some(ErrorType::NoResponse), None),
        }
    }

    /// The stream of its session ended so; what it does not explain stays as it was.
    fn stream_ended(&mut self, fallback: Fallback) {
        if fallback != Fallback::NoResponse {
            self.fallback = fallback;
        }
    }

    /// Microseconds up to `end`, without those that the server waited.
    pub(crate) fn duration(&self, end: Time) -> Option<u64> {
        self.client_wait.map(|client_wait| end.microseconds_since(self.started).saturating_sub(client_wait))
    }
}

// === impl Link ===

impl Link {
    fn is(&self, session: SessionKey) -> bool {
        self.session == session.0
    }

    fn pending(&self) -> Option<&PendingOperation> {
        match &self.what {
            LinkKind::Operation(pending) => Some(pending),
            _ => None,
        }
    }

    fn pending_mut(&mut self) -> Option<&mut PendingOperation> {
        match &mut self.what {
            LinkKind::Operation(pending) => Some(pending),
            _ => None,
        }
    }

    fn asked_mut(&mut self) -> Option<&mut ServerRequest> {
        match &mut self.what {
            LinkKind::ServerRequest(asked) => Some(asked),
            _ => None,
        }
    }

    /// What holds it while that is open: the stream that may bring its answer, on HTTP+SSE that of its session. The server
    /// owes no answer to what was cancelled.
    fn holder(&self) -> Option<StreamId> {
        match &self.what {
            LinkKind::Operation(pending) if pending.stream.is_none() && pending.is_on_session_stream() => {
                Some(SessionKey(self.session).stream_id())
            }
            LinkKind::Operation(pending) => pending.stream,
            LinkKind::ServerRequest(request) => request.stream,
            LinkKind::Cancelled(..) | LinkKind::Answered(_) => None,
        }
    }

    /// An operation whose own stream is open.
    fn is_open(&self) -> bool {
        self.pending().is_some_and(|pending| pending.stream.is_some())
    }

    fn size(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        match &self.what {
            LinkKind::Operation(pending) => {
                let operation = &pending.operation;
                let rare = [(operation.cursor.is_some(), CURSOR_BYTES), (operation.task_id.is_some(), TASK_BYTES)];
                let rare: usize = rare.into_iter().filter_map(|(is_some, bytes)| is_some.then_some(bytes)).sum();
                OPERATION_BYTES
                    + rare
                    + length(&operation.name)
                    + length(&operation.client_name)
                    + length(&pending.server)
            }
            LinkKind::ServerRequest(asked) => SERVER_REQUEST_BYTES + length(&asked.server),
            LinkKind::Cancelled(..) | LinkKind::Answered(_) => MARK_BYTES,
        }
    }
}

// === impl Correlation ===

impl Correlation {
    fn with_links<T>(&self, session: SessionKey, change: impl FnMut(&mut Slot) -> (bool, T)) -> Option<T> {
        self.edit(&self.key('l', session.0 % SLOTS), change)
    }
}

// === impl Ended ===

impl EndedLinks {
    fn of(links: Slot) -> Self {
        let mut ended = Self::default();
        for link in links {
            match link.what {
                LinkKind::Operation(pending) => ended.operations.push(*pending),
                // An answered one was counted then.
                LinkKind::ServerRequest(asked) if asked.answered_at.is_none() => ended.server_requests.push(asked),
                LinkKind::ServerRequest(_) | LinkKind::Cancelled(..) | LinkKind::Answered(_) => {}
            }
        }
        ended
    }
}
