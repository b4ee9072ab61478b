//! The operations of an exchange that another stream of the session may answer. They are added to the [correlation
//! store](crate::correlation::links) or kept in the VM for it. An answer takes them out. When the exchange ends, they are left
//! in the store or taken out. Most functions are not inlined, so that exchanges which do not need them run less code.

use super::session::server_name;
use super::state::{AnswerFrom, Clock, Evidence};
use super::verdict::Verdict;
use super::{Context, Exchange};
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{Fallback, Lookup, PendingOperation};
use crate::correlation::{SessionKey, StreamId};
use crate::host::Time;
use crate::id::RequestId;
use crate::label::{KnownMethod, Method, Status, UnmatchedReason};
use crate::observation::{Observation, Operation, OperationEnd};

/// Operations of one exchange that its VM keeps in memory for the store. More are added to the store at once.
const MAX_KEPT_OPERATIONS: usize = 16;

/// An operation of this or another exchange that a JSON-RPC response answers.
pub(super) struct Answered {
    pub(super) operation: Operation,
    /// Microseconds, if they are known.
    pub(super) duration: Option<u64>,
}

impl Exchange {
    /// The response is an event stream of the session, so another stream may bring the answers too. The VM keeps the
    /// operations in its memory until its next tick. Most of them are answered before.
    pub(super) fn follow_event_stream(&mut self, context: &mut Context<'_>) {
        if self.session(context).is_none() {
            return;
        }
        let stream = context.correlation.new_stream_id();
        let open = &self.operations.open;
        let is_large = open.len() > MAX_KEPT_OPERATIONS;
        if is_large || context.correlation.has_ended() || open.iter().any(needs_whole_answer) {
            self.save_operations(Some(stream), Fallback::NoResponse, context);
            return;
        }
        let Some((session, pending)) = self.pending_operations(Some(stream), Fallback::NoResponse, context) else {
            return;
        };
        context.correlation.keep_operations(session, stream, pending);
        self.set_followed(session, Some(stream), context);
    }

    /// Adds the operations to the correlation store, because another stream may answer them. `stream` is the stream of this
    /// exchange, if this exchange may answer or refuse them too. Returns whether they were added.
    #[inline(never)]
    pub(super) fn save_operations(
        &mut self,
        stream: Option<StreamId>,
        fallback: Fallback,
        context: &mut Context<'_>,
    ) -> bool {
        let Some((session, pending)) = self.pending_operations(stream, fallback, context) else { return false };
        // The store must have older operations first: an answer belongs to the oldest operation with its id.
        self.save_kept_operations(session, context);
        context.observe(Observation::SavingOperations);
        let now = context.now();
        // Without room in the store, only this exchange follows them.
        let Some((evicted, over)) = context.correlation.save_operations(session, &pending, now) else { return false };
        context.end_evicted(&evicted);
        context.end_without_answer(&over);
        self.set_followed(session, stream, context);
        true
    }

    /// The operations of this exchange that another stream may answer, in the form of the store; `None` if there are none.
    fn pending_operations(
        &mut self,
        stream: Option<StreamId>,
        fallback: Fallback,
        context: &Context<'_>,
    ) -> Option<(SessionKey, Vec<PendingOperation>)> {
        let (Some(session), Clock::Started(started)) = (self.session(context), self.operations.clock) else {
            return None;
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
        (!pending.is_empty()).then_some((session, pending))
    }

    fn set_followed(&mut self, session: SessionKey, stream: Option<StreamId>, context: &Context<'_>) {
        if let Some(digest) = self.session.activity_digest {
            context.correlation.remember_traffic_once(digest.get(), session, Traffic::Requests);
        }
        self.session.answer_from = stream.map_or(AnswerFrom::OtherStreams, AnswerFrom::AnyStream);
        if let Some(stream) = stream {
            self.register_open_stream(stream, context);
        }
    }

    /// Registers this stream as open in the VM: links that wait for it do not expire.
    pub(super) fn register_open_stream(&mut self, stream: StreamId, context: &Context<'_>) {
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

    /// Saves the operations of the session that only this VM knows, before it looks for one of them in the store.
    pub(super) fn save_kept_operations(&self, session: SessionKey, context: &mut Context<'_>) {
        if !context.correlation.has_kept_operations(session) {
            return;
        }
        context.observe(Observation::SavingOperations);
        let now = context.now();
        let evicted = context.correlation.save_kept_operations(session, now);
        context.end_evicted(&evicted);
    }

    /// Saves the operations of this stream, because the store has to relate them to other exchanges from now on. Those that
    /// another stream answered end. If the store has no room, only this exchange follows them.
    #[inline(never)]
    pub(super) fn save_own_operations(&mut self, context: &mut Context<'_>) {
        let (Some(session), AnswerFrom::AnyStream(stream)) = (self.session.key, self.session.answer_from) else {
            return;
        };
        self.save_kept_operations(session, context);
        for kept in context.correlation.take_all_kept(stream) {
            let Some(answer) = kept.answer else {
                self.session.answer_from = AnswerFrom::OwnExchange;
                self.unregister_open_stream(context);
                continue;
            };
            let id = kept.pending.operation.id.key();
            let is_answered = |operation: &Operation| operation.id.key() == id && !operation.is_tied_to_exchange();
            if let Some(index) = self.operations.open.iter().position(is_answered) {
                let operation = self.operations.open.swap_remove(index);
                self.end_early_answered(operation, &kept.pending, &answer, context);
            }
        }
    }

    /// Takes an operation of this exchange out of the store or of the VM's memory, if it was put there. Fails if another
    /// stream answered it first.
    pub(super) fn take_unless_answered(
        &mut self,
        operation: Operation,
        context: &mut Context<'_>,
    ) -> Result<Answered, UnmatchedReason> {
        let is_followed = self.is_followed();
        let Some(session) = self.session.key.filter(|_| is_followed) else {
            let duration = self.duration(context);
            return Ok(Answered { operation, duration });
        };
        let (stream, id) = (self.session.answer_from.stream(), operation.id.key());
        if let Some(kept) = stream.and_then(|stream| context.correlation.take_kept(stream, id)) {
            let Some(answer) = kept.answer else {
                let duration = self.duration(context);
                return Ok(Answered { operation, duration });
            };
            self.end_early_answered(operation, &kept.pending, &answer, context);
            return Err(UnmatchedReason::Duplicate);
        }
        match context.correlation.take_own_operation(session, id, stream) {
            Lookup::Found(pending) => {
                let now = context.now();
                let duration = self.duration_until(now, &pending, context);
                Ok(Answered { operation, duration })
            }
            Lookup::Answered => Err(UnmatchedReason::Duplicate),
            Lookup::Unknown => Err(UnmatchedReason::UnknownId),
        }
    }

    /// Whether other streams may bring the answers.
    fn is_followed(&self) -> bool {
        self.session.answer_from != AnswerFrom::OwnExchange
    }

    /// How long an operation of this exchange took, without the time for which the server waited for the client.
    fn duration_until(&self, end: Time, pending: &PendingOperation, context: &Context<'_>) -> Option<u64> {
        let client_wait = self.client_wait(self.session.key?, end, context)?;
        Some(pending.duration(end)?.saturating_sub(client_wait))
    }

    /// The index of the operation of this exchange that a message with this id answers.
    pub(super) fn own_operation(&self, id: &RequestId) -> Option<usize> {
        let open = &self.operations.open;
        if self.request.evidence == Evidence::Headers {
            return (!open.is_empty()).then_some(0);
        }
        let index = |key| open.iter().position(|operation| operation.id.key() == key);
        let other = || id.key().other_form().filter(|_| !self.operations.answered.contains(&id.key()));
        index(id.key()).or_else(|| index(other()?))
    }

    /// The exchange ended, and its open operations have no response.
    #[inline(never)]
    pub(super) fn end_unanswered(&mut self, verdict: Verdict, context: &mut Context<'_>) {
        self.save_own_operations(context);
        if let Verdict::Elsewhere(fallback) = verdict {
            self.wait_elsewhere(fallback.unwrap_or(Fallback::NoResponse), context);
        }
        for operation in std::mem::take(&mut self.operations.open) {
            self.end_one_unanswered(operation, verdict, context);
        }
    }

    /// Leaves the operations that another stream may answer to the correlation store.
    fn wait_elsewhere(&mut self, fallback: Fallback, context: &mut Context<'_>) {
        let is_saved = match (self.session.answer_from, self.session.key) {
            (AnswerFrom::AnyStream(stream), Some(session)) => {
                let now = context.now();
                let client_wait = self.client_wait(session, now, context);
                let abandoned = context.correlation.detach_stream(session, stream, fallback, client_wait, now);
                context.end_without_answer(&abandoned);
                true
            }
            (AnswerFrom::AnyStream(_) | AnswerFrom::OtherStreams, _) => true,
            (AnswerFrom::OwnExchange, _) => self.save_operations(None, fallback, context),
        };
        if is_saved {
            self.operations.open.retain(Operation::is_tied_to_exchange);
        }
    }

    #[inline(never)]
    fn end_one_unanswered(&mut self, operation: Operation, verdict: Verdict, context: &mut Context<'_>) {
        let id = operation.id.key();
        let mut cancelled_at = None;
        let mut pending = None;
        if self.is_followed() && !operation.is_tied_to_exchange() {
            let Some(session) = self.session.key else { return };
            let stream = self.session.answer_from.stream();
            // If it is not found, the exchange with its answer has reported its end.
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
        let ended = OperationEnd {
            operation: &operation,
            status,
            error_type,
            error_code: None,
            duration,
            answer_bytes: None,
            at: Some(end),
        };
        context.observe(Observation::OperationEnded(ended));
    }
}

/// Whether the answer shows more than how the operation ended: it starts a session, has a list, or shows the state of a task.
/// Such an operation is added to the store at once, so that the worker which sees the answer knows the operation and reads all
/// of it.
fn needs_whole_answer(operation: &Operation) -> bool {
    use KnownMethod::{Initialize, TasksGet, TasksResult};
    operation.method.list_kind().is_some()
        || matches!(operation.method, Method::Known(Initialize | TasksGet | TasksResult))
}
