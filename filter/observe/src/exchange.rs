//! One HTTP exchange: the proxy's callbacks in (`handle_*`), observations out.
//!
//! A POST is MCP if its body shows it. A GET or DELETE is MCP if its headers show it, a GET also if the first event of its
//! stream shows it. Each request in a body becomes an operation, which ends with the JSON-RPC response to it. Without a
//! response, it ends with the exchange; the HTTP status and what the proxy reports then decide its status (`verdict`). The
//! last byte, trailers, a reset and a local reply all end an exchange; the first of them counts.
//!
//! | module | what it does |
//! |---|---|
//! | `state` | the types of an exchange's state, with a diagram |
//! | `request_headers`, `request` | find operations in the client's side |
//! | `response_headers`, `response` | find the responses in the server's side |
//! | `verdict` | how an operation ended |
//! | `session` | start, end and repeated events of the exchange's session, in the [correlation store](crate::correlation) |
//! | `links` | operations of this exchange that another stream of the session may answer |
//! | `early_answers` | answers on this exchange to operations of other exchanges |
//! | `server_requests`, `tasks` | requests from the server, cancellations, tasks |
//! | `limit` | the rate limit: which requests are held, what is charged, how refused operations end |
//! | `unanswered` | reports what the correlation store ended without a response |
//! | `headers` | the values of HTTP headers |
//! | `facts` | what access logs and spans show beside the observations |
//!
//! MCP 2024-11-05 to 2026-07-28.
//!
//! **What it does not do:** follow a response to another exchange without a session id. Such an operation (answered 202, or on
//! a stream with event ids that ended without the response) ends as `unknown` and has no duration.
//!
//! **Memory:** under 2 KiB for one request and its response; under 64 KiB in all:
//!
//! | part | at most |
//! |---|---|
//! | operations with their names | [`MAX_OPERATIONS`]; up to 16 of them twice, while the VM keeps them for the correlation store |
//! | an event and a list result that are being read | 32 KiB |
//! | decoder of a compressed response | 43 KiB; then fewer operations ([`MAX_INFLATED_OPERATIONS`]) and a smaller event ([`crate::read::body`]) |

mod early_answers;
mod facts;
mod headers;
pub(crate) mod limit;
mod links;
mod request;
mod request_headers;
mod response;
mod response_headers;
mod server_requests;
mod session;
mod state;
mod tasks;
mod unanswered;
mod verdict;

use crate::config::Config;
use crate::correlation::Correlation;
use crate::host::{Host, Time};
use crate::label::{Direction, ProtocolVersion, SkipReason, Transport};
use crate::observation::{Observation, Observer};
use crate::read::body::pool::BodyPool;
use state::{Content, End, Membership, Operations, Recognition, Request, RequestKind, Response};

/// Operations of one exchange that are followed, and the client's responses and cancellations in it that are looked up. SDKs
/// refuse larger batches.
const MAX_OPERATIONS: usize = 100;
/// Operations of one exchange whose compressed response is read. The limit is lower because the decoder needs memory.
const MAX_INFLATED_OPERATIONS: usize = 16;

/// Bytes of a session id that are kept. Its digest covers the whole id.
const SESSION_ID_BYTES: usize = 128;
/// Longer paths are not kept.
const PATH_BYTES: usize = 256;

/// What an exchange needs during one callback.
pub struct Context<'a> {
    config: &'a Config,
    host: &'a dyn Host,
    correlation: &'a Correlation,
    bodies: &'a BodyPool,
    observer: &'a mut dyn Observer,
    now: Option<Time>,
}

/// The state of one HTTP exchange.
///
/// The shell calls the `handle_*` methods from the callbacks of the proxy:
///
/// | method | called | may be missing |
/// |---|---|---|
/// | [`handle_request_headers`](Self::handle_request_headers) | once, first | if the response was sent before |
/// | [`handle_request_body`](Self::handle_request_body) | for each chunk | yes |
/// | [`handle_request_trailers`](Self::handle_request_trailers) | at most once, after the body | yes |
/// | [`handle_response_headers`](Self::handle_response_headers) | at most once, even before the request has ended | yes |
/// | [`handle_response_body`](Self::handle_response_body) | for each chunk | yes |
/// | [`handle_response_trailers`](Self::handle_response_trailers) | at most once, after the body | yes |
/// | [`handle_log`](Self::handle_log) | once, last | never |
///
/// `end_of_stream` is true if nothing follows on that side. [`wants_request_body`](Self::wants_request_body) and
/// [`wants_response_body`](Self::wants_response_body) say whether the next chunk is read.
#[derive(Debug, Default)]
pub struct Exchange {
    recognition: Recognition,
    request: Request,
    response: Response,
    operations: Operations,
    session: Membership,
    /// Whether [`Exchange::handle_log`] was called.
    is_closed: bool,
}

// === impl Context ===

impl<'a> Context<'a> {
    /// For one callback.
    #[inline]
    pub fn new(
        config: &'a Config,
        host: &'a dyn Host,
        correlation: &'a Correlation,
        bodies: &'a BodyPool,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self { config, host, correlation, bodies, observer, now: None }
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

impl Exchange {
    /// The last callback of every exchange: ends what is still open.
    pub fn handle_log(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        if matches!(self.request.kind, RequestKind::Unseen) {
            self.handle_request_headers(context, false);
            self.report_stream_open_at_end(context);
        }
        if !self.can_have_operations() {
            return;
        }
        self.end_cut_request(context);
        if self.response.end == End::Open {
            self.response.end = End::Cut;
            self.end_open_operations(context);
        } else if !self.operations.open.is_empty() {
            // The request came after its response was complete.
            self.end_open_operations(context);
        }
        self.end_server_requests(context);
        self.end_session(context);
        self.unregister_open_stream(context);
        self.end_activity(context);
        if self.recognition == Recognition::McpStream {
            context.observe(Observation::EventStreamClosed);
        }
        if self.is_recognised() {
            context.observe(Observation::ExchangeClosed);
        }
    }

    /// Once the response has ended, only the rest of a POST's body can still show MCP.
    fn can_have_operations(&self) -> bool {
        self.is_recognised() || self.request.kind.post().is_some()
    }

    fn is_recognised(&self) -> bool {
        self.recognition != Recognition::NotYet
    }

    fn recognise(&mut self, context: &mut Context<'_>) {
        if self.is_recognised() {
            return;
        }
        self.recognition = Recognition::Mcp;
        context.observe(Observation::ExchangeOpened);
        self.start_activity(context);
        if self.response.content == Content::EventStream {
            self.open_event_stream(context);
        }
    }

    fn open_event_stream(&mut self, context: &mut Context<'_>) {
        if self.recognition == Recognition::McpStream {
            return;
        }
        self.recognition = Recognition::McpStream;
        context.observe(Observation::EventStreamOpened);
        if self.request.kind.is_get() {
            self.remember_stream(context);
        }
    }

    /// Reports the bytes that passed since the last time, once the exchange is recognised.
    fn report_bytes(&mut self, context: &mut Context<'_>) {
        if !self.is_recognised() {
            return;
        }
        let request = std::mem::take(&mut self.request.bytes);
        let response = std::mem::take(&mut self.response.bytes);
        for (direction, bytes) in [(Direction::In, request), (Direction::Out, response)] {
            if bytes > 0 {
                context.observe(Observation::Bytes { direction, bytes });
            }
        }
    }

    /// Whether an operation has the protocol version 2026-07-28, which has no sessions and no event ids.
    fn is_modern(&self) -> bool {
        let modern = Some(ProtocolVersion::V2026_07_28);
        self.operations.open.iter().any(|operation| operation.protocol_version == modern)
    }

    /// Whether this is the GET stream of HTTP+SSE, which lasts as long as the session.
    fn is_session_stream(&self) -> bool {
        self.request.kind.is_get() && self.session.transport == Transport::HttpSse
    }
}

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
