//! Answers to operations of other exchanges. An early answer comes while the correlation store does not have its operation,
//! which another VM may have ([`crate::correlation::links`]).

use super::links::Answered;
use super::session::server_name;
use super::state::Content;
use super::{Context, Exchange};
use crate::correlation::SessionKey;
use crate::correlation::coverage::Traffic;
use crate::correlation::links::{EarlyAnswer, Lookup, PendingOperation};
use crate::id::RequestId;
use crate::label::{Transport, UnmatchedReason};
use crate::observation::Operation;
use crate::read::message::Message;

/// Why a response ends no operation.
pub(super) enum Unmatched {
    /// The reason is reported.
    Reported(UnmatchedReason),
    /// Another process may have seen the request, so nothing is reported.
    Unreported,
    /// Another VM of this process may have the operation. It is decided later what is reported.
    Undecided,
}

impl Exchange {
    /// Takes the operation of the session that a response answers, if it is not one of this exchange.
    #[inline(never)]
    pub(super) fn answered_elsewhere(
        &mut self,
        id: &RequestId,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Answered, Unmatched> {
        let duplicate = Err(Unmatched::Reported(UnmatchedReason::Duplicate));
        if id.key().forms().any(|key| self.operations.answered.contains(&key)) {
            return duplicate;
        }
        let Some(session) = self.session(context) else {
            return Err(Unmatched::Reported(UnmatchedReason::UnknownId));
        };
        self.save_kept_operations(session, context);
        match context.correlation.take_operation(session, id.key()) {
            Lookup::Found(pending) => Ok(answered_now(*pending, context)),
            Lookup::Answered => duplicate,
            Lookup::Unknown if context.correlation.was_answered_while_kept(session, id.key()) => duplicate,
            Lookup::Unknown => self.answered_unknown(session, id, message, context),
        }
    }

    /// The store does not have the operation. If the answer came in a new event of a stream, it is left in the store, because
    /// another VM may have the operation. This does not apply to HTTP+SSE, whose operations are in the store from the start.
    fn answered_unknown(
        &mut self,
        session: SessionKey,
        id: &RequestId,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Answered, Unmatched> {
        // This process saw only streams of the session, so the request passed another process.
        let is_excused = self.request.kind.is_get() && !context.correlation.saw_traffic(session, Traffic::Requests);
        let unmatched = (!is_excused).then_some(UnmatchedReason::UnknownId);
        let at_once = Err(unmatched.map_or(Unmatched::Unreported, Unmatched::Reported));
        let is_followed = self.session.transport == Transport::StreamableHttp;
        if !is_followed || self.response.content != Content::EventStream || self.response.is_replay {
            return at_once;
        }
        let now = context.now();
        // Without a VM that ticks, the answer would never be reported.
        if !context.correlation.has_live_vm(now) {
            return at_once;
        }
        let is_refusal = message.error.is_some() && self.operations.begun == 0;
        let answer = EarlyAnswer {
            id: id.key(),
            at: now,
            unmatched: unmatched.filter(|_| !is_refusal),
            is_refusal,
            bytes: message.bytes,
            error: message.error,
            result: message.result.clone(),
            server: server_name(context),
        };
        let Some((found, evicted)) = context.correlation.leave_early_answer(session, &answer) else { return at_once };
        context.end_evicted(&evicted);
        match found {
            Lookup::Found(pending) => Ok(answered_now(*pending, context)),
            Lookup::Answered => Err(Unmatched::Reported(UnmatchedReason::Duplicate)),
            Lookup::Unknown => Err(Unmatched::Undecided),
        }
    }

    /// Ends an operation of this exchange that another stream answered.
    #[inline(never)]
    pub(super) fn end_early_answered(
        &mut self,
        operation: Operation,
        pending: &PendingOperation,
        answer: &EarlyAnswer,
        context: &mut Context<'_>,
    ) {
        let duration = pending.duration(answer.at);
        self.end_answered(&mut [Answered { operation, duration }], None, &answer.message(), context);
    }
}

fn answered_now(pending: PendingOperation, context: &mut Context<'_>) -> Answered {
    let now = context.now();
    let duration = pending.duration(now);
    Answered { operation: pending.operation, duration }
}
