//! One HTTP exchange: the proxy's callbacks in (`handle_*`), observations out.
//!
//! A POST is MCP once its body shows it, a GET or DELETE by its headers or by the first event of its stream. Requests in a
//! body become operations; each ends with the JSON-RPC message that answers it, or else by what the proxy knows
//! (`verdict`). Trailers, resets and local replies end an exchange as well as its last byte does: whatever comes first
//! counts, the rest finds nothing left to do.
//!
//! What goes over to other exchanges of a session is in [`session`] and the store behind it, [`crate::correlation`].
//!
//! **What it does not do:** follow an answer to another exchange without a session id. Such an operation (answered 202, or on
//! a stream with event ids that ended without the answer) ends as `unknown` and stays out of the histograms.
//!
//! **Memory:** under 2 KiB for one request and its answer; a batch at most [`MAX_OPERATIONS`] operations with their names,
//! an event and a list result that are being read at most 32 KiB: under 64 KiB in all. A compressed answer's decoder takes
//! up to 43 KiB; what is kept beside it (`body`) and operations ([`MAX_INFLATED_OPERATIONS`]) are fewer, for the same sum.

mod headers;
mod request;
mod request_headers;
mod response;
mod response_headers;
mod server_requests;
mod session;
mod tasks;
mod unanswered;
mod verdict;

use crate::config::Config;
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::{Host, Time};
use crate::id::IdKey;
use crate::label::{Direction, ProtocolVersion, SkipReason, Transport};
use crate::observation::{Observation, Observer, Operation, PublishedLabels};
use crate::read::body::Body;
use crate::text::Text;

/// Most operations of one exchange that are followed, and most of the client's answers and cancellations in it; SDKs refuse
/// batches of more.
const MAX_OPERATIONS: usize = 100;
/// Most operations whose compressed answer is read: its decoder takes the place of the others.
const MAX_INFLATED_OPERATIONS: usize = 16;

/// Of longer session ids the digest covers the rest.
const SESSION_ID_BYTES: usize = 128;
/// Longer paths are not remembered.
const PATH_BYTES: usize = 256;

/// What an exchange works with during one callback.
pub struct Context<'a> {
    config: &'a Config,
    host: &'a dyn Host,
    correlation: &'a Correlation,
    published_labels: Option<&'a dyn PublishedLabels>,
    observer: &'a mut dyn Observer,
    now: Option<Time>,
}

/// What the request's headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// They did not reach the filter.
    Unseen,
    /// POST with a JSON content type.
    Post,
    Get,
    Delete,
    /// Nothing that carries MCP.
    Other,
}

/// What the headers of a POST say about its body.
#[derive(Debug, Default)]
struct PostHeaders {
    /// Headers or path say that any JSON-RPC here is MCP.
    is_mcp: bool,
    is_encoded: bool,
    /// Where there are any: most sessions send none that has to be read.
    mirrored: Option<Box<Mirrored>>,
}

/// Headers that repeat what the body says.
#[derive(Debug, Default)]
struct Mirrored {
    /// `MCP-Protocol-Version`
    version: Option<Text>,
    /// `Mcp-Method`
    method: Option<Text>,
    /// `Mcp-Name`, decoded.
    name: Option<Text>,
}

/// The state of one HTTP exchange.
#[derive(Debug)]
pub struct Exchange {
    kind: Kind,
    recognised: bool,
    headers: PostHeaders,
    request: Option<Box<Body>>,
    request_ended: bool,
    /// Anything at all was found in the request's body.
    request_had_parts: bool,
    /// The operation is known by its headers only, so its id is not.
    is_unseen: bool,
    /// Without its query; of a GET, and of a POST that may be outside of any session.
    path: Option<Vec<u8>>,
    operations: Vec<Operation>,
    /// Requests in the body, also those that ended.
    requests: usize,
    /// Messages of the client that were looked up in the store.
    looked_up: usize,
    /// When the request's last byte passed.
    started: Option<Time>,
    response: Option<Box<Body>>,
    response_ended: bool,
    /// The exchange was over before its response was.
    was_cut: bool,
    /// Where it had to be read before the response ended.
    status: Option<u16>,
    is_event_stream: bool,
    /// The response is a web page.
    is_page: bool,
    event_stream_open: bool,
    /// Something in the answer was not read.
    unread: bool,
    /// The stream could be resumed.
    had_event_ids: bool,
    transport: Transport,
    /// As it was sent, at most [`SESSION_ID_BYTES`] of it; it never leaves.
    session_id: Option<Text>,
    session: Option<SessionKey>,
    /// This stream in the store, once its operations are there, or what the server asks on it.
    stream: Option<StreamId>,
    /// The operations are in the store.
    registered: bool,
    /// The server asked the client on this stream.
    has_asked: bool,
    /// The stream of HTTP+SSE: the session ends with it.
    is_session_stream: bool,
    /// What waits for this stream does not expire.
    holds: bool,
    /// Digest of the session's id, while the session counts as in use.
    uses: Option<u64>,
    /// A GET with `Last-Event-ID`.
    resumes: bool,
    /// The event at hand passed before.
    is_replay: bool,
    /// The server answered with an error, which may mean that it does not know the session.
    is_refused: bool,
    /// Ids that were answered here.
    answered: Vec<IdKey>,
    bytes_in: u64,
    bytes_out: u64,
    closed: bool,
}

// === impl Context ===

impl<'a> Context<'a> {
    /// For one callback.
    pub fn new(
        config: &'a Config,
        host: &'a dyn Host,
        correlation: &'a Correlation,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self { config, host, correlation, published_labels: None, observer, now: None }
    }

    /// Resources get the labels under which the server listed them.
    #[must_use]
    pub fn with_published_labels(mut self, labels: &'a dyn PublishedLabels) -> Self {
        self.published_labels = Some(labels);
        self
    }

    fn published_label(&self, uri: &[u8]) -> Option<Box<str>> {
        self.published_labels?.label(uri)
    }

    /// The clock is read at most once per callback.
    fn now(&mut self) -> Time {
        *self.now.get_or_insert_with(|| self.host.now())
    }

    fn observe(&mut self, observation: Observation<'_>) {
        self.observer.observe(observation);
    }

    fn skipped(&mut self, direction: Direction, reason: SkipReason) {
        self.observe(Observation::Skipped { direction, reason });
    }
}

// === impl Exchange ===

impl Default for Exchange {
    fn default() -> Self {
        Self {
            kind: Kind::Unseen,
            recognised: false,
            headers: PostHeaders::default(),
            request: None,
            request_ended: false,
            request_had_parts: false,
            is_unseen: false,
            path: None,
            operations: Vec::new(),
            requests: 0,
            looked_up: 0,
            started: None,
            response: None,
            response_ended: false,
            was_cut: false,
            status: None,
            is_event_stream: false,
            is_page: false,
            event_stream_open: false,
            unread: false,
            had_event_ids: false,
            transport: Transport::StreamableHttp,
            session_id: None,
            session: None,
            stream: None,
            registered: false,
            has_asked: false,
            is_session_stream: false,
            holds: false,
            uses: None,
            resumes: false,
            is_replay: false,
            is_refused: false,
            answered: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            closed: false,
        }
    }
}

impl Exchange {
    /// The last callback of every exchange. Whatever is still open ends here.
    pub fn handle_log(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        if self.kind == Kind::Unseen {
            self.handle_request_headers(context, false);
            self.note_open_at_end(context);
        }
        self.break_off_request(context);
        // A request that came after its response began operations that nothing has ended.
        self.was_cut = !std::mem::take(&mut self.response_ended);
        self.end_response(context);
        self.end_asked(context);
        self.end_session(context);
        self.release(context);
        self.end_use(context);
        if std::mem::take(&mut self.event_stream_open) {
            context.observe(Observation::EventStreamClosed);
        }
        if self.recognised {
            context.observe(Observation::ExchangeClosed);
        }
    }

    fn recognise(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.recognised, true) {
            context.observe(Observation::ExchangeOpened);
            self.use_session(context);
            if self.is_event_stream {
                self.open_event_stream(context);
            }
        }
    }

    fn open_event_stream(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.event_stream_open, true) {
            context.observe(Observation::EventStreamOpened);
            if self.kind == Kind::Get {
                self.note_stream(context);
            }
        }
    }

    /// Adds the bytes that passed since the last time, once the exchange is recognised.
    fn report_bytes(&mut self, context: &mut Context<'_>) {
        if !self.recognised {
            return;
        }
        for (direction, count) in [(Direction::In, &mut self.bytes_in), (Direction::Out, &mut self.bytes_out)] {
            let bytes = std::mem::take(count);
            if bytes > 0 {
                context.observe(Observation::Bytes { direction, bytes });
            }
        }
    }

    fn is_modern(&self) -> bool {
        self.operations.iter().any(|operation| operation.protocol_version == Some(ProtocolVersion::V2026_07_28))
    }
}

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
