//! What an exchange shares with the others of its session: operations that another stream answers, repeated events, and the start
//! and end of the session. Most functions are not inlined, to keep the code of exchanges small that need none of this.

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
use std::num::NonZeroU64;

/// An operation of this or another exchange that a JSON-RPC response answers.
pub(super) struct Answered {
    pub(super) operation: Operation,
    /// Microseconds, if they are known.
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

    /// Adds the operations to the correlation store, because another stream may answer them. `stream` is the stream of this
    /// exchange if it may answer or refuse them too. Returns whether they were added.
    #[inline(never)]
    pub(super) fn register_operations(
        &mut self,
        stream: Option<StreamId>,
        fallback: Fallback,
        context: &mut Context<'_>,
    ) -> bool {
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
        // Without room in the store, only this exchange follows them.
        let Some(evicted) = context.correlation.add_operations(session, &pending, now) else { return false };
        context.end_evicted(&evicted);
        if let Some(digest) = self.session.activity_digest {
            context.correlation.note_traffic_once(digest.get(), session, Traffic::Requests);
        }
        self.session.registration = stream.map_or(Registration::Elsewhere, Registration::Here);
        if let Some(stream) = stream {
            self.register_open_stream(stream, context);
        }
        true
    }

    /// Registers this stream as open in the VM: links that wait for it do not expire.
    fn register_open_stream(&mut self, stream: StreamId, context: &Context<'_>) {
        self.session.open_stream = Some(stream);
        context.correlation.stream_opened(stream);
    }

    /// Removes the registration of [`register_open_stream`](Self::register_open_stream).
    #[inline]
    pub(super) fn unregister_open_stream(&mut self, context: &Context<'_>) {
        if let Some(stream) = self.session.open_stream.take() {
            context.correlation.stream_closed(stream);
        }
    }

    /// Takes an operation of this exchange out of the store, if it is there. Fails if another stream answered it first.
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

    /// Takes the operation of the session that a response answers, if it is not one of this exchange. An error is the reason to
    /// report, or `None` if the response is not reported.
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
            // This process saw only streams of the session, so the request passed another process.
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

    /// Leaves operations to the correlation store that another stream may answer.
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
            (Registration::None, _) => self.register_operations(None, fallback, context),
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
            // If it is not found, another stream answered it and reported it.
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

    /// An event starts. On a resumed stream it may have passed before.
    pub(super) fn event_started(&mut self, id: Option<u64>, context: &mut Context<'_>) {
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

    /// The first event of an HTTP+SSE stream has the address for POSTs.
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
        self.unregister_open_stream(context);
        self.session.set_id(Text::start_of(address.session_id, SESSION_ID_BYTES));
        self.session.transport = Transport::HttpSse;
        if let Some(session) = self.session(context) {
            self.register_open_stream(session.stream_id(), context);
            context.correlation.note_traffic(session, Traffic::Streams);
            self.end_activity(context);
            self.start_activity(context);
        }
    }

    /// The GET stream of a session opens.
    #[inline(never)]
    pub(super) fn note_stream(&mut self, context: &Context<'_>) {
        if let (Some(digest), Some(session)) = (self.session.activity_digest, self.session(context)) {
            context.correlation.note_traffic_once(digest.get(), session, Traffic::Streams);
        }
    }

    /// Counts this exchange as an open one of its session, until [`end_activity`](Self::end_activity).
    pub(super) fn start_activity(&mut self, context: &Context<'_>) {
        let Some(digest) = self.activity_digest(context) else { return };
        let is_request = self.request.kind.post().is_some();
        if !context.correlation.exchange_started(digest.get(), is_request) {
            let Some(session) = self.session(context) else { return };
            context.correlation.first_exchange_started(digest.get(), session, is_request);
        }
        self.session.activity_digest = Some(digest);
    }

    /// Identifies the session in this VM; `None` for the one id in 2^64 whose digest is 0. With a server per cluster it covers
    /// the server too, because two servers may use one session id.
    fn activity_digest(&mut self, context: &Context<'_>) -> Option<NonZeroU64> {
        if context.config.server_name_from() == ServerNameFrom::Cluster {
            return self.session(context).and_then(|session| NonZeroU64::new(session.digest()));
        }
        self.session.id.as_ref().and_then(|id| NonZeroU64::new(quick_digest(id)))
    }

    /// This exchange is no longer an open one of its session.
    pub(super) fn end_activity(&mut self, context: &Context<'_>) {
        if let Some(digest) = self.session.activity_digest.take() {
            context.correlation.exchange_ended(digest.get());
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
            // An HTML page with 404 shows that the route is missing, not the session.
            RequestKind::Get { .. } => self.response.content != Content::Html && status() == Some(404),
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
        context.report_inactive_sessions(&change.inactive);
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
        context.report_inactive_sessions(&change.inactive);
    }
}

/// A digest for use inside this VM only. It is cheaper than [`Text::digest`].
fn quick_digest(id: &Text) -> u64 {
    id.whole().map_or_else(|| id.digest(), |whole| FxBuildHasher.hash_one(whole))
}

/// The name of the server, if it is the name of the exchange's cluster.
pub(super) fn server_name(context: &Context<'_>) -> Option<Box<str>> {
    let by_cluster = context.config.server_name_from() == ServerNameFrom::Cluster;
    by_cluster.then(|| crate::config::clean_server_name(&context.host.cluster_name().unwrap_or_default()).into())
}
