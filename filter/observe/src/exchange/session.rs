//! What an exchange has in common with others of its session: operations that another stream answers, replayed events, and the
//! session's beginning and end. Most functions are not inlined, to keep the code of plain exchanges small.

use super::state::{Clock, Content, Evidence, Registration, RequestKind};
use super::{Context, Exchange, SESSION_ID_BYTES};
use crate::config::ServerNameFrom;
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{Fallback, Lookup, PendingOperation};
use crate::correlation::sessions::NewSession;
use crate::correlation::{SessionKey, StreamId};
use crate::exchange::verdict::Verdict;
use crate::host::Time;
use crate::id::RequestId;
use crate::label::{ProtocolVersion, Status, Transport, UnmatchedReason};
use crate::observation::{Observation, Operation, OperationEnd};
use crate::text::Text;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher as _;

/// An operation that a message answers, wherever it began.
pub(super) struct Answered {
    pub(super) operation: Operation,
    /// Microseconds, where that is known.
    pub(super) duration: Option<u64>,
}

impl Exchange {
    /// The session that the exchange belongs to. Its id is hashed when it is first needed.
    pub(super) fn session(&mut self, context: &Context<'_>) -> Option<SessionKey> {
        if self.session.key.is_none()
            && let Some(id) = &self.session.id
        {
            let server = server_name(context);
            self.session.key = Some(context.correlation.session(server.as_deref().unwrap_or_default().as_bytes(), id));
        }
        self.session.key
    }

    /// Enters the operations into the correlation store, because another stream may answer them. `stream` is this one if it may
    /// answer them too, or refuse them. Returns whether they are in.
    #[inline(never)]
    pub(super) fn register(&mut self, stream: Option<StreamId>, fallback: Fallback, context: &mut Context<'_>) -> bool {
        let (Some(session), Clock::Started(started)) = (self.session(context), self.operations.clock) else {
            return false;
        };
        let server = server_name(context);
        let pending: Vec<PendingOperation> = self
            .operations
            .open
            .iter()
            .filter(|operation| !operation.is_tied_to_exchange())
            .map(|operation| PendingOperation {
                operation: operation.clone(),
                server: server.clone(),
                started,
                stream,
                fallback,
                has_session_ended: false,
                cancelled_at: None,
                client_wait: Some(0),
            })
            .collect();
        if pending.is_empty() {
            return false;
        }
        context.observe(Observation::OperationsShared);
        let now = context.now();
        // If they find no room, only this exchange follows them.
        let Some(evicted) = context.correlation.add_operations(session, &pending, now) else { return false };
        context.end_evicted(&evicted);
        if let Some(digest) = self.session.activity {
            context.correlation.note_traffic_once(digest, session, Traffic::Requests);
        }
        self.session.registration = stream.map_or(Registration::Elsewhere, Registration::Here);
        if let Some(stream) = stream {
            self.hold(stream, context);
        }
        true
    }

    /// What waits for this stream does not expire while it is open.
    fn hold(&mut self, stream: StreamId, context: &Context<'_>) {
        self.session.held = Some(stream);
        context.correlation.stream_opened(stream);
    }

    #[inline]
    pub(super) fn release(&mut self, context: &Context<'_>) {
        if let Some(stream) = self.session.held.take() {
            context.correlation.stream_closed(stream);
        }
    }

    /// Takes an operation of this exchange, if no other stream answered it first.
    pub(super) fn claim(
        &mut self,
        operation: Operation,
        context: &mut Context<'_>,
    ) -> Result<Answered, UnmatchedReason> {
        let is_shared = self.is_registered() && !operation.is_tied_to_exchange();
        let Some(session) = self.session.key.filter(|_| is_shared) else {
            let duration = self.duration(context);
            return Ok(Answered { operation, duration });
        };
        match context.correlation.take_own_operation(session, operation.id.key(), self.session.registration.stream()) {
            Lookup::Found(pending) => {
                let now = context.now();
                let duration = self.duration_until(now, &pending, context);
                Ok(Answered { operation, duration })
            }
            Lookup::Answered => Err(UnmatchedReason::Duplicate),
            Lookup::Unknown => Err(UnmatchedReason::UnknownId),
        }
    }

    fn is_registered(&self) -> bool {
        self.session.registration != Registration::None
    }

    /// How long an operation of this exchange took, without the time for which the server waited for the client.
    fn duration_until(&self, end: Time, pending: &PendingOperation, context: &Context<'_>) -> Option<u64> {
        let client_wait = self.client_wait(self.session.key?, end, context)?;
        Some(pending.duration(end)?.saturating_sub(client_wait))
    }

    /// A response to no operation of this exchange may answer one of its session.
    #[inline(never)]
    pub(super) fn answered_elsewhere(
        &mut self,
        id: &RequestId,
        context: &mut Context<'_>,
    ) -> Result<Answered, Option<UnmatchedReason>> {
        if id.key().forms().any(|key| self.operations.answered.contains(&key)) {
            return Err(Some(UnmatchedReason::Duplicate));
        }
        let Some(session) = self.session(context) else { return Err(Some(UnmatchedReason::UnknownId)) };
        match context.correlation.take_operation(session, id.key()) {
            Lookup::Found(pending) => {
                let now = context.now();
                let duration = pending.duration(now);
                Ok(Answered { operation: pending.operation, duration })
            }
            Lookup::Answered => Err(Some(UnmatchedReason::Duplicate)),
            // The request passed another process. Only the streams of the session pass here.
            Lookup::Unknown
                if self.request.kind.is_get() && !context.correlation.saw_traffic(session, Traffic::Requests) =>
            {
                Err(None)
            }
            Lookup::Unknown => Err(Some(UnmatchedReason::UnknownId)),
        }
    }

    /// The index of the operation of this exchange that a message with this id answers.
    pub(super) fn own_operation(&self, id: &RequestId) -> Option<usize> {
        let open = &self.operations.open;
        if self.request.evidence == Evidence::HeadersOnly {
            return (!open.is_empty()).then_some(0);
        }
        let index = |key| open.iter().position(|operation| operation.id.key() == key);
        let other = || id.key().other_form().filter(|_| !self.operations.answered.contains(&id.key()));
        index(id.key()).or_else(|| index(other()?))
    }

    /// The exchange ended, and its open operations have no response.
    #[inline(never)]
    pub(super) fn end_unanswered(&mut self, verdict: Verdict, context: &mut Context<'_>) {
        if let Verdict::Elsewhere(fallback) = verdict {
            self.wait_elsewhere(fallback.unwrap_or(Fallback::NoResponse), context);
        }
        for operation in std::mem::take(&mut self.operations.open) {
            self.end_one_unanswered(operation, verdict, context);
        }
    }

    /// Operations that another stream may answer stay in the correlation store, and not here.
    fn wait_elsewhere(&mut self, fallback: Fallback, context: &mut Context<'_>) {
        let is_registered = match (self.session.registration, self.session.key) {
            (Registration::Here(stream), Some(session)) => {
                let now = context.now();
                let client_wait = self.client_wait(session, now, context);
                let abandoned = context.correlation.detach_stream(session, stream, fallback, client_wait, now);
                context.end_without_answer(&abandoned);
                true
            }
            (Registration::Here(_) | Registration::Elsewhere, _) => true,
            (Registration::None, _) => self.register(None, fallback, context),
        };
        if is_registered {
            self.operations.open.retain(Operation::is_tied_to_exchange);
        }
    }

    #[inline(never)]
    fn end_one_unanswered(&mut self, operation: Operation, verdict: Verdict, context: &mut Context<'_>) {
        let id = operation.id.key();
        let mut cancelled_at = None;
        let mut pending = None;
        if self.is_registered() && !operation.is_tied_to_exchange() {
            let Some(session) = self.session.key else { return };
            let stream = self.session.registration.stream();
            // Otherwise another stream answered it and counted it.
            let Lookup::Found(found) = context.correlation.take_own_operation(session, id, stream) else { return };
            cancelled_at = found.cancelled_at;
            pending = Some(found);
        } else if verdict.may_be_cancelled()
            && let Some(session) = self.session(context)
        {
            cancelled_at = context.correlation.take_cancellation(session, id);
        }
        let (status, error_type) = match cancelled_at {
            Some(_) => (Status::Cancelled, None),
            None => verdict.of_operation(&operation),
        };
        let end = cancelled_at.unwrap_or_else(|| context.now());
        let duration = match pending {
            _ if cancelled_at.is_none() && verdict.is_unfollowed() => None,
            Some(pending) => self.duration_until(end, &pending, context),
            None => self.operations.clock.started().map(|started| end.microseconds_since(started)),
        };
        let ended =
            OperationEnd { operation: &operation, status, error_type, error_code: None, duration, answer_bytes: None };
        context.observe(Observation::OperationEnded(ended));
    }

    /// An event begins. On a resumed stream it may have passed before.
    pub(super) fn event(&mut self, id: Option<u64>, context: &mut Context<'_>) {
        self.response.is_replay = false;
        let Some(digest) = id else { return };
        let Some(session) = self.session(context) else { return };
        let event = context.correlation.event_key(session, digest);
        let is_resumed = matches!(self.request.kind, RequestKind::Get { resumes: true });
        self.response.is_replay = is_resumed && context.correlation.has_event(event);
        if !self.response.is_replay {
            context.correlation.note_event(event);
        }
    }

    /// The first event of HTTP+SSE names the address for POSTs.
    #[inline(never)]
    pub(super) fn endpoint(&mut self, address: &Text, context: &mut Context<'_>) {
        if let Some(path) = &self.request.path {
            let server = server_name(context);
            context.correlation.note_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path);
        }
        let Some(address) = address.whole().and_then(super::headers::endpoint) else { return };
        if !address.is_query {
            context.correlation.note_endpoint(&address.session_id);
        }
        self.release(context);
        self.session.set_id(Text::start_of(address.session_id, SESSION_ID_BYTES));
        self.session.transport = Transport::HttpSse;
        if let Some(session) = self.session(context) {
            self.hold(session.stream_id(), context);
            context.correlation.note_traffic(session, Traffic::Streams);
            self.end_activity(context);
            self.start_activity(context);
        }
    }

    /// The GET stream of a session opens.
    #[inline(never)]
    pub(super) fn note_stream(&mut self, context: &Context<'_>) {
        if let (Some(digest), Some(session)) = (self.session.activity, self.session(context)) {
            context.correlation.note_traffic_once(digest, session, Traffic::Streams);
        }
    }

    /// The session is active until the exchange is over.
    pub(super) fn start_activity(&mut self, context: &Context<'_>) {
        let Some(digest) = self.activity_digest(context) else { return };
        let is_request = self.request.kind.post().is_some();
        if !context.correlation.exchange_started(digest, is_request) {
            let Some(session) = self.session(context) else { return };
            context.correlation.first_exchange_started(digest, session, is_request);
        }
        self.session.activity = Some(digest);
    }

    /// Identifies the session in the VM. With several servers behind one filter, each may have a session with this id.
    fn activity_digest(&mut self, context: &Context<'_>) -> Option<u64> {
        if context.config.server_name_from() == ServerNameFrom::Cluster {
            return self.session(context).map(SessionKey::digest);
        }
        self.session.id.as_ref().map(quick_digest)
    }

    pub(super) fn end_activity(&mut self, context: &Context<'_>) {
        if let Some(digest) = self.session.activity.take() {
            context.correlation.exchange_ended(digest);
        }
    }

    /// Ends the session if the exchange shows that it ended: the stream of HTTP+SSE closed, a DELETE was accepted, or the
    /// server no longer knows the session.
    pub(super) fn end_session(&mut self, context: &mut Context<'_>) {
        if self.is_session_stream() || self.session.id.is_some() && self.is_session_gone(context) {
            self.session_ended(context);
        }
    }

    fn is_session_gone(&self, context: &Context<'_>) -> bool {
        let status = || context.host.response_status();
        match self.request.kind {
            RequestKind::Delete => status().is_some_and(|status| (200..300).contains(&status) || status == 404),
            // A page says that there is no such route, not that there is no such session.
            RequestKind::Get { .. } => self.response.content != Content::Page && status() == Some(404),
            RequestKind::Post(_) => self.response.is_refused && status() == Some(404),
            RequestKind::Unseen | RequestKind::Other => false,
        }
    }

    #[inline(never)]
    fn session_ended(&mut self, context: &mut Context<'_>) {
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        let fallback = if self.is_session_stream() {
            Verdict::of_stream(&self.response, now, context.host)
        } else {
            Fallback::NoResponse
        };
        let ended = context.correlation.end_session_links(session, fallback);
        context.end_without_answer(&ended);
        let is_delete = matches!(self.request.kind, RequestKind::Delete);
        let deleted = (is_delete && context.host.response_status() != Some(404)).then_some(now);
        let change = context.correlation.end_session(session, deleted);
        if let Some(begun) = change.other_end {
            context.observe(Observation::SessionEnded { microseconds: now.microseconds_since(begun) });
        }
        context.deactivate_sessions(&change.inactive);
    }

    /// `initialize` was answered.
    #[inline(never)]
    pub(super) fn begin_session(
        &mut self,
        protocol_version: ProtocolVersion,
        transport: Transport,
        context: &mut Context<'_>,
    ) {
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        let requested_at = self.operations.clock.started().unwrap_or(now);
        context.observe(Observation::SessionActive(transport));
        let beginning = NewSession { protocol_version, transport, server: server_name(context), requested_at };
        let change = context.correlation.start_session(session, &beginning, now);
        if let Some(ended) = change.other_end {
            context.observe(Observation::SessionEnded { microseconds: ended.microseconds_since(requested_at) });
        }
        context.deactivate_sessions(&change.inactive);
    }
}

/// Cheaper than the text's own digest. For use inside the VM only.
fn quick_digest(id: &Text) -> u64 {
    id.whole().map_or_else(|| id.digest(), |whole| FxBuildHasher.hash_one(whole))
}

/// The server's name, if each exchange has that of its cluster.
pub(super) fn server_name(context: &Context<'_>) -> Option<Box<str>> {
    let by_cluster = context.config.server_name_from() == ServerNameFrom::Cluster;
    by_cluster.then(|| crate::config::clean_server_name(&context.host.cluster_name().unwrap_or_default()).into())
}
