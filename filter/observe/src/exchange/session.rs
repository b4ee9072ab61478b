//! What an exchange has to do with others of its session: operations answered on another stream, replayed events, and the
//! session's beginning and end. Most is kept out of line, to stay out of the plain path's code.

use super::{Context, Exchange, Kind, SESSION_ID_BYTES};
use crate::config::ServerNameFrom;
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{Fallback, Lookup, PendingOperation};
use crate::correlation::sessions::NewSession;
use crate::correlation::{SessionKey, StreamId};
use crate::exchange::verdict::Verdict;
use crate::host::Time;
use crate::id::RequestId;
use crate::label::{ProtocolVersion, Status, Transport, UnmatchedReason};
use crate::observation::{Ended, Observation, Operation};
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
    /// The session that the exchange belongs to; its id is hashed when it is first needed.
    pub(super) fn session(&mut self, context: &Context<'_>) -> Option<SessionKey> {
        if self.session.is_none()
            && let Some(id) = &self.session_id
        {
            let server = server_name(context);
            self.session = Some(context.correlation.session(server.as_deref().unwrap_or_default().as_bytes(), id));
        }
        self.session
    }

    /// The operations may be answered on another stream than this one. `stream` names this one if it may bring answers too, or
    /// a refusal.
    #[inline(never)]
    pub(super) fn register(&mut self, stream: Option<StreamId>, fallback: Fallback, context: &mut Context<'_>) -> bool {
        let (Some(session), Some(started)) = (self.session(context), self.started) else { return false };
        let server = server_name(context);
        let pending: Vec<PendingOperation> = self
            .operations
            .iter()
            .filter(|operation| !operation.is_bound())
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
        // Where there is no way in, they are followed here only.
        let Some(evicted) = context.correlation.add_operations(session, &pending, now) else { return false };
        context.end_evicted(&evicted);
        if let Some(digest) = self.uses {
            context.correlation.note_traffic_once(digest, session, Traffic::Requests);
        }
        self.stream = stream;
        self.registered = true;
        if stream.is_some() {
            self.hold(context);
        }
        true
    }

    /// What waits for this stream does not expire while it is open.
    fn hold(&mut self, context: &Context<'_>) {
        self.holds = true;
        if let Some(stream) = self.held_stream() {
            context.correlation.stream_opened(stream);
        }
    }

    #[inline]
    pub(super) fn release(&mut self, context: &Context<'_>) {
        if std::mem::take(&mut self.holds)
            && let Some(stream) = self.held_stream()
        {
            context.correlation.stream_closed(stream);
        }
    }

    /// How links know this stream.
    fn held_stream(&self) -> Option<StreamId> {
        let session = self.session.filter(|_| self.is_session_stream);
        session.map(SessionKey::stream_id).or(self.stream)
    }

    /// The operation that began here, if no other stream brought its answer first.
    pub(super) fn claim(
        &mut self,
        operation: Operation,
        context: &mut Context<'_>,
    ) -> Result<Answered, UnmatchedReason> {
        let is_shared = self.registered && !operation.is_bound();
        let Some(session) = self.session.filter(|_| is_shared) else {
            let duration = self.duration(context);
            return Ok(Answered { operation, duration });
        };
        match context.correlation.take_own_operation(session, operation.id.key(), self.stream) {
            Lookup::Found(pending) => {
                let now = context.now();
                let duration = self.duration_until(now, &pending, context);
                Ok(Answered { operation, duration })
            }
            Lookup::Answered => Err(UnmatchedReason::Duplicate),
            Lookup::Unknown => Err(UnmatchedReason::UnknownId),
        }
    }

    /// How long an operation of this exchange took, without the time for which the server waited for the client.
    fn duration_until(&self, end: Time, pending: &PendingOperation, context: &Context<'_>) -> Option<u64> {
        let client_wait = self.client_wait(self.session?, end, context)?;
        Some(pending.duration(end)?.saturating_sub(client_wait))
    }

    /// An answer that belongs to no operation of this exchange may belong to one of its session.
    #[inline(never)]
    pub(super) fn answered_elsewhere(
        &mut self,
        id: &RequestId,
        context: &mut Context<'_>,
    ) -> Result<Answered, Option<UnmatchedReason>> {
        if id.key().forms().any(|key| self.answered.contains(&key)) {
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
            // Asked through another process, where only the streams of the session pass here.
            Lookup::Unknown
                if self.kind == Kind::Get && !context.correlation.saw_traffic(session, Traffic::Requests) =>
            {
                Err(None)
            }
            Lookup::Unknown => Err(Some(UnmatchedReason::UnknownId)),
        }
    }

    /// The place of the operation that a message with this id answers, of those that began here.
    pub(super) fn own_operation(&self, id: &RequestId) -> Option<usize> {
        let place = |key| self.operations.iter().position(|operation| self.is_unseen || operation.id.key() == key);
        let other = || id.key().other_form().filter(|_| !self.answered.contains(&id.key()));
        place(id.key()).or_else(|| place(other()?))
    }

    /// The exchange ended without answers to these operations.
    #[inline(never)]
    pub(super) fn end_unanswered(&mut self, verdict: Verdict, context: &mut Context<'_>) {
        if let Verdict::Elsewhere(fallback) = verdict {
            let fallback = fallback.unwrap_or(Fallback::NoResponse);
            if self.registered {
                let Some(session) = self.session else { return };
                // Where there was no room for open ones, they waited elsewhere from the beginning.
                if let Some(stream) = self.stream {
                    let now = context.now();
                    let client_wait = self.client_wait(session, now, context);
                    let abandoned = context.correlation.detach_stream(session, stream, fallback, client_wait, now);
                    context.end_without_answer(&abandoned);
                }
            }
            if self.registered || self.register(None, fallback, context) {
                self.operations.retain(Operation::is_bound);
            }
        }
        for operation in std::mem::take(&mut self.operations) {
            self.end_one_unanswered(operation, verdict, context);
        }
    }

    #[inline(never)]
    fn end_one_unanswered(&mut self, operation: Operation, verdict: Verdict, context: &mut Context<'_>) {
        let id = operation.id.key();
        let mut cancelled_at = None;
        let mut pending = None;
        if self.registered && !operation.is_bound() {
            let Some(session) = self.session else { return };
            // Found on another stream meanwhile, and counted there.
            let Lookup::Found(found) = context.correlation.take_own_operation(session, id, self.stream) else { return };
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
            None => self.started.map(|started| end.microseconds_since(started)),
        };
        let ended = Ended { operation: &operation, status, error_type, error_code: None, duration, answer_bytes: None };
        context.observe(Observation::OperationEnded(ended));
    }

    /// An event begins on a stream of a session. On a resumed one it may have passed before.
    pub(super) fn event(&mut self, id: Option<u64>, context: &mut Context<'_>) {
        self.is_replay = false;
        let Some(digest) = id else { return };
        let Some(session) = self.session(context) else { return };
        let event = context.correlation.event_key(session, digest);
        self.is_replay = self.resumes && context.correlation.has_event(event);
        if !self.is_replay {
            context.correlation.note_event(event);
        }
    }

    /// The first event of HTTP+SSE says where to post.
    #[inline(never)]
    pub(super) fn endpoint(&mut self, address: &Text, context: &mut Context<'_>) {
        if let Some(path) = &self.path {
            let server = server_name(context);
            context.correlation.note_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path);
        }
        let Some(address) = address.whole().and_then(crate::exchange::headers::endpoint) else { return };
        if !address.is_query {
            context.correlation.note_endpoint(&address.session_id);
        }
        self.release(context);
        (self.session_id, self.session) = (Some(Text::start_of(address.session_id, SESSION_ID_BYTES)), None);
        self.transport = Transport::HttpSse;
        self.is_session_stream = true;
        if let Some(session) = self.session(context) {
            self.hold(context);
            context.correlation.note_traffic(session, Traffic::Streams);
            self.end_use(context);
            self.use_session(context);
        }
    }

    /// The stream of a session begins.
    #[inline(never)]
    pub(super) fn note_stream(&mut self, context: &Context<'_>) {
        if let (Some(digest), Some(session)) = (self.uses, self.session(context)) {
            context.correlation.note_traffic_once(digest, session, Traffic::Streams);
        }
    }

    /// The session is in use until the exchange is over.
    pub(super) fn use_session(&mut self, context: &Context<'_>) {
        let Some(digest) = self.use_digest(context) else { return };
        let is_request = self.kind == Kind::Post;
        if !context.correlation.exchange_started(digest, is_request) {
            let Some(session) = self.session(context) else { return };
            context.correlation.first_exchange_started(digest, session, is_request);
        }
        self.uses = Some(digest);
    }

    /// Names the session in the VM. Servers behind one filter may each have a session with this id.
    fn use_digest(&mut self, context: &Context<'_>) -> Option<u64> {
        if context.config.server_name_from() == ServerNameFrom::Cluster {
            return self.session(context).map(SessionKey::digest);
        }
        self.session_id.as_ref().map(quick_digest)
    }

    pub(super) fn end_use(&mut self, context: &Context<'_>) {
        if let Some(digest) = self.uses.take() {
            context.correlation.exchange_ended(digest);
        }
    }

    /// Ends the session where the exchange shows that it ended: the stream of HTTP+SSE closed, a DELETE was accepted, or the
    /// server knows it no longer.
    pub(super) fn end_session(&mut self, context: &mut Context<'_>) {
        let ends = match self.kind {
            _ if self.is_session_stream => true,
            Kind::Delete if self.session_id.is_some() => {
                context.host.response_status().is_some_and(|status| (200..300).contains(&status) || status == 404)
            }
            // A page says that there is no such route, not that there is no such session.
            Kind::Get if self.session_id.is_some() => !self.is_page && context.host.response_status() == Some(404),
            Kind::Post if self.session_id.is_some() => self.is_refused && context.host.response_status() == Some(404),
            _ => false,
        };
        if ends {
            self.session_ended(context);
        }
    }

    #[inline(never)]
    fn session_ended(&mut self, context: &mut Context<'_>) {
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        let fallback = if self.is_session_stream {
            Verdict::of_stream(context.host, self.was_cut, self.unread, now)
        } else {
            Fallback::NoResponse
        };
        let ended = context.correlation.end_session_links(session, fallback);
        context.end_without_answer(&ended);
        let deleted = (self.kind == Kind::Delete && context.host.response_status() != Some(404)).then_some(now);
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
        let requested_at = self.started.unwrap_or(now);
        context.observe(Observation::SessionActive(transport));
        let beginning = NewSession { protocol_version, transport, server: server_name(context), requested_at };
        let change = context.correlation.start_session(session, &beginning, now);
        if let Some(ended) = change.other_end {
            context.observe(Observation::SessionEnded { microseconds: ended.microseconds_since(requested_at) });
        }
        context.deactivate_sessions(&change.inactive);
    }
}

/// Cheaper than the text's own digest, for what stays in the VM.
fn quick_digest(id: &Text) -> u64 {
    id.whole().map_or_else(|| id.digest(), |whole| FxBuildHasher.hash_one(whole))
}

/// The server's name, where each exchange has that of its cluster.
pub(super) fn server_name(context: &Context<'_>) -> Option<Box<str>> {
    let by_cluster = context.config.server_name_from() == ServerNameFrom::Cluster;
    by_cluster.then(|| crate::config::clean_server_name(&context.host.cluster_name().unwrap_or_default()).into())
}
