//! Requests from server to client, whose responses come with another exchange, and cancellations from both sides.

use super::session::server_name;
use super::state::{AnswerFrom, Clock};
use super::{Context, Exchange, MAX_OPERATIONS};
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{Lookup, ServerRequest};
use crate::correlation::{SessionKey, StreamId};
use crate::host::Time;
use crate::id::Id;
use crate::label::{Direction, Method, ServerRequestStatus, SkipReason, Transport, UnmatchedReason};
use crate::observation::Observation;
use crate::read::message::Message;

impl Exchange {
    /// For how many microseconds the server had waited until `end` for responses to its requests on this stream; `None` if one
    /// is still missing.
    pub(super) fn client_wait(&self, session: SessionKey, end: Time, context: &Context<'_>) -> Option<u64> {
        let Some(stream) = self.server_request_stream() else { return Some(0) };
        context.correlation.client_wait(session, stream, end)
    }

    /// The stream is over. Requests that the server sent on it and that have no response are lost, unless the client can
    /// resume the stream.
    pub(super) fn end_server_requests(&mut self, context: &mut Context<'_>) {
        let (Some(session), Some(stream)) = (self.session.key, self.server_request_stream()) else { return };
        self.session.has_server_requests = false;
        // The client can resume this GET stream, so the requests stay in the store until they expire.
        if self.request.kind.is_get() && self.response.has_event_ids {
            return;
        }
        let ended = context.correlation.end_stream_links(session, stream);
        context.end_without_answer(&ended);
    }

    /// This stream, if the server sent a request on it.
    fn server_request_stream(&self) -> Option<StreamId> {
        self.session.answer_from.stream().filter(|_| self.session.has_server_requests)
    }

    /// The server sends a request to the client. The response comes with another exchange.
    #[inline(never)]
    pub(super) fn server_request(&mut self, message: &Message, context: &mut Context<'_>) {
        let (Id::Some(id), Some(text)) = (&message.id, &message.method) else { return };
        let Some(session) = self.session(context) else { return };
        let is_streamable = self.session.transport == Transport::StreamableHttp;
        // The requests on the GET stream of HTTP+SSE end with the session.
        let is_own_get = self.request.kind.is_get() && is_streamable;
        if is_own_get && self.session.answer_from == AnswerFrom::OwnExchange {
            self.session.answer_from = AnswerFrom::AnyStream(context.correlation.new_stream_id());
        }
        self.save_own_operations(context);
        let stream = self.session.answer_from.stream();
        self.session.has_server_requests |= stream.is_some();
        if stream.is_none() && is_streamable {
            // The operations are not in the store, so it cannot be known how long the server waits for the client.
            self.operations.clock = Clock::Unknown;
        }
        let method = Method::of(text.start(), &context.config.extra_methods);
        let id = id.key();
        let sent_at = context.now();
        let request = ServerRequest { id, method, server: server_name(context), sent_at, stream, answered_at: None };
        let evicted = context.correlation.add_server_request(session, &request, self.session.transport);
        context.end_evicted(&evicted);
    }

    /// The client responds to a request of the server.
    #[inline(never)]
    pub(super) fn client_response(&mut self, message: &Message, context: &mut Context<'_>) {
        let (Id::Some(id), Some(session)) = (&message.id, self.session(context)) else { return };
        if !self.may_look_up(context) {
            return;
        }
        let now = context.now();
        let reason = match context.correlation.end_server_request(session, id.key(), now) {
            Lookup::Found(request) => {
                let is_error = message.result.is_none();
                let status = if is_error { ServerRequestStatus::Error } else { ServerRequestStatus::Ok };
                let duration = Some(now.microseconds_since(request.sent_at));
                return context.observe(Observation::ServerRequestEnded { method: request.method, status, duration });
            }
            Lookup::Answered => UnmatchedReason::Duplicate,
            // This process saw no stream of the session, so the server's request passed another process.
            Lookup::Unknown if !context.correlation.saw_traffic(session, Traffic::Streams) => return,
            Lookup::Unknown => UnmatchedReason::UnknownId,
        };
        context.observe(Observation::Unmatched(reason));
    }

    /// Whether another message of the client may be looked up in the store. A look-up takes much longer than reading the
    /// message, so a client that sends thousands of them would block the worker.
    fn may_look_up(&mut self, context: &mut Context<'_>) -> bool {
        self.session.looked_up = self.session.looked_up.saturating_add(1);
        let may = usize::from(self.session.looked_up) <= MAX_OPERATIONS;
        if !may {
            context.skipped(Direction::In, SkipReason::TooLong);
        }
        may
    }

    /// `notifications/cancelled`: the client cancels an operation, or the server one of its own requests.
    #[inline(never)]
    pub(super) fn cancelled(&mut self, message: &Message, direction: Direction, context: &mut Context<'_>) {
        let Some(id) = message.params.as_ref().and_then(|params| params.request_id.as_ref()) else { return };
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        match direction {
            Direction::In if !self.may_look_up(context) => {}
            Direction::In => {
                self.save_kept_operations(session, context);
                let evicted = context.correlation.cancel_operation(session, id.key(), now);
                context.end_evicted(&evicted);
            }
            Direction::Out => {
                if let Lookup::Found(request) = context.correlation.end_server_request(session, id.key(), now) {
                    let (method, status) = (request.method, ServerRequestStatus::Cancelled);
                    context.observe(Observation::ServerRequestEnded { method, status, duration: None });
                }
            }
        }
    }
}
