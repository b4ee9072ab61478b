//! Requests of the server, answered by another exchange, and cancellations from either side.

use super::session::server_name;
use super::{Context, Exchange, Kind, MAX_OPERATIONS};
use crate::correlation::SessionKey;
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{Lookup, ServerRequest};
use crate::host::Time;
use crate::id::Id;
use crate::label::Method;
use crate::label::{Direction, ServerRequestStatus, SkipReason, Transport, UnmatchedReason};
use crate::observation::Observation;
use crate::read::message::Message;

impl Exchange {
    /// For how long the server had waited until `end` for answers to what it asked on this stream; `None` if one is still
    /// missing.
    pub(super) fn client_wait(&self, session: SessionKey, end: Time, context: &Context<'_>) -> Option<u64> {
        let Some(stream) = self.stream.filter(|_| self.has_asked) else { return Some(0) };
        context.correlation.client_wait(session, stream, end)
    }

    /// The stream is over: what the server asked on it and got no answer to is lost, unless the stream goes on elsewhere.
    pub(super) fn end_asked(&mut self, context: &mut Context<'_>) {
        let Some(session) = self.session.filter(|_| std::mem::take(&mut self.has_asked)) else { return };
        // A GET that may be resumed: nobody can tell, so time does.
        if self.kind == Kind::Get && self.had_event_ids {
            return;
        }
        let Some(stream) = self.stream else { return };
        let ended = context.correlation.end_stream_links(session, stream);
        context.end_without_answer(&ended);
    }

    /// The server asks the client; the answer comes with another exchange.
    #[inline(never)]
    pub(super) fn server_request(&mut self, message: &Message, context: &mut Context<'_>) {
        let (Id::Some(id), Some(text)) = (&message.id, &message.method) else { return };
        let Some(session) = self.session(context) else { return };
        // All of HTTP+SSE ends with the session.
        let is_own = self.kind == Kind::Get && self.transport == Transport::StreamableHttp;
        if is_own {
            self.stream.get_or_insert_with(|| context.correlation.new_stream_id());
        }
        let stream = self.stream.filter(|_| self.registered || is_own);
        self.has_asked |= stream.is_some();
        if stream.is_none() && self.transport == Transport::StreamableHttp {
            // Operations that are followed here only: nobody will know how long they waited for the client.
            self.started = None;
        }
        let method = Method::of(text.start(), &context.config.extra_methods);
        let id = id.key();
        let sent_at = context.now();
        let asked = ServerRequest { id, method, server: server_name(context), sent_at, stream, answered_at: None };
        let evicted = context.correlation.add_server_request(session, &asked, self.transport);
        context.end_evicted(&evicted);
    }

    /// The client answers what the server asked.
    #[inline(never)]
    pub(super) fn client_response(&mut self, message: &Message, context: &mut Context<'_>) {
        let (Id::Some(id), Some(session)) = (&message.id, self.session(context)) else { return };
        if !self.may_look_up(context) {
            return;
        }
        let now = context.now();
        let reason = match context.correlation.end_server_request(session, id.key(), now) {
            Lookup::Found(asked) => {
                let is_error = message.result.is_none();
                let status = if is_error { ServerRequestStatus::Error } else { ServerRequestStatus::Ok };
                let duration = Some(now.microseconds_since(asked.sent_at));
                return context.observe(Observation::ServerRequestEnded { method: asked.method, status, duration });
            }
            Lookup::Answered => UnmatchedReason::Duplicate,
            // Asked through another process, where only the requests of the session pass here.
            Lookup::Unknown if !context.correlation.saw_traffic(session, Traffic::Streams) => return,
            Lookup::Unknown => UnmatchedReason::UnknownId,
        };
        context.observe(Observation::Unmatched(reason));
    }

    /// A look-up takes many times as long as the message itself, and whoever sends thousands would hold up the worker.
    fn may_look_up(&mut self, context: &mut Context<'_>) -> bool {
        self.looked_up += 1;
        let may = self.looked_up <= MAX_OPERATIONS;
        if !may {
            context.skipped(Direction::In, SkipReason::TooLong);
        }
        may
    }

    /// `notifications/cancelled`: the client gives up an operation, or the server what it asked.
    #[inline(never)]
    pub(super) fn cancelled(&mut self, message: &Message, direction: Direction, context: &mut Context<'_>) {
        let Some(id) = message.params.as_ref().and_then(|params| params.request_id.as_ref()) else { return };
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        match direction {
            Direction::In if !self.may_look_up(context) => {}
            Direction::In => {
                let evicted = context.correlation.cancel_operation(session, id.key(), now);
                context.end_evicted(&evicted);
            }
            Direction::Out => {
                if let Lookup::Found(asked) = context.correlation.end_server_request(session, id.key(), now) {
                    let (method, status) = (asked.method, ServerRequestStatus::Cancelled);
                    context.observe(Observation::ServerRequestEnded { method, status, duration: None });
                }
            }
        }
    }
}
