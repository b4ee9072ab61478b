//! Operations on open event streams of this VM that are not in the store yet.
//!
//! Nearly every operation is answered soon, on its own stream. So a VM keeps the operations of an event stream in its memory.
//! It saves them (adds them to the store) only when another exchange may look for them:
//!
//! | when | why |
//! |---|---|
//! | at the VM's next tick | other VMs find them from then on |
//! | before this VM looks for an operation of the same session | the look-up has to find them too |
//! | when their stream ends without the answer, or brings a server request | the store relates them to other exchanges |
//!
//! An operation that is answered on its own stream before it is saved never enters the store. What passes another VM before
//! that (a cancellation, the end of the session, an answer, see [`super::early_answers`]) is left in the slot of the session,
//! and is found when the operation is saved.
//!
//! | limit of a VM | value |
//! |---|---|
//! | kept operations | those of its open streams, at most 16 of each |
//! | ids of operations that were answered before they were saved | [`MAX_ANSWERED`], 8 bytes each |
//!
//! **What it does not do:** end the operations of a VM that traps before it saves them.

use super::early_answers::{EarlyAnswer, take_early_answer};
use super::operations::push_operations;
use super::slot::{make_room, remember_answered, take_cancelled};
use super::{LinkSlot, PendingOperation, RemovedLinks};
use crate::correlation::tick::Report;
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;
use crate::observation::Observation;
use rustc_hash::FxBuildHasher;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

/// The oldest id is dropped. A further answer to it is then `unknown_id`.
const MAX_ANSWERED: usize = 2048;

/// The operations that a VM keeps in its memory.
#[derive(Debug, Default)]
pub(in crate::correlation) struct KeptOperations {
    /// In the order in which they opened.
    streams: Vec<KeptStream>,
    /// Digests of the ids of operations that were answered before they were saved, the latest last.
    answered: VecDeque<u64>,
}

/// The operations of one stream.
#[derive(Debug)]
struct KeptStream {
    stream: StreamId,
    session: SessionKey,
    operations: Vec<KeptOperation>,
    /// Whether they are still to be saved. If not, the store had no room for them, or another stream answered those that are
    /// left.
    is_to_be_saved: bool,
}

/// An operation that is not in the store.
#[derive(Debug)]
pub(crate) struct KeptOperation {
    pub(crate) pending: PendingOperation,
    /// The answer that another stream brought.
    pub(crate) answer: Option<Box<EarlyAnswer>>,
}

// === impl Correlation ===

impl Correlation {
    /// The response to these operations is the event stream `stream`, which opens now. They are saved at the next tick.
    pub(crate) fn keep_operations(&self, session: SessionKey, stream: StreamId, operations: Vec<PendingOperation>) {
        let operations = operations.into_iter().map(|pending| KeptOperation { pending, answer: None }).collect();
        let kept = KeptStream { stream, session, operations, is_to_be_saved: true };
        self.kept_operations.borrow_mut().streams.push(kept);
    }

    /// Takes a kept operation of this stream that a message with this id answers.
    pub(crate) fn take_kept(&self, stream: StreamId, id: IdKey) -> Option<KeptOperation> {
        let mut kept = self.kept_operations.borrow_mut();
        let stream_index = kept.index_of(stream)?;
        let KeptStream { session, operations, .. } = kept.streams.get_mut(stream_index)?;
        let index = operations.iter().position(|operation| operation.pending.operation.id.key() == id)?;
        let (session, operation) = (*session, operations.swap_remove(index));
        if operations.is_empty() {
            kept.streams.remove(stream_index);
        }
        if operation.answer.is_none() {
            kept.remember_answered(session, id);
        }
        Some(operation)
    }

    /// Takes all kept operations of a stream.
    pub(crate) fn take_all_kept(&self, stream: StreamId) -> Vec<KeptOperation> {
        let mut kept = self.kept_operations.borrow_mut();
        kept.index_of(stream).map_or_else(Vec::new, |index| kept.streams.remove(index).operations)
    }

    /// Whether this VM answered an operation with this id that was not saved.
    pub(crate) fn was_answered_while_kept(&self, session: SessionKey, id: IdKey) -> bool {
        let answered = &self.kept_operations.borrow().answered;
        id.forms().any(|id| answered.contains(&answered_digest(session, id)))
    }

    /// Whether operations of the session are still to be saved.
    pub(crate) fn has_kept_operations(&self, session: SessionKey) -> bool {
        self.kept_operations.borrow().streams.iter().any(|kept| kept.is_to_be_saved && kept.session == session)
    }

    /// Saves the operations of the session. The caller reports [`Observation::SavingOperations`] first. Returns the evicted
    /// links.
    #[inline(never)]
    pub(crate) fn save_kept_operations(&self, session: SessionKey, now: Time) -> RemovedLinks {
        self.save_streams(Some(session), now, &mut |_| {})
    }

    /// Saves the operations of all sessions.
    pub(in crate::correlation) fn save_all_kept_operations(&self, now: Time, report: &mut Report<'_>) {
        let evicted = self.save_streams(None, now, &mut |server| report(server, Observation::SavingOperations));
        evicted.report_unknown(report);
    }

    /// Saves the operations that are still to be saved: of one session, or of all. The oldest stream is first, because an
    /// answer belongs to the oldest of several operations with one id. Calls `shared` with the server's name before each
    /// stream.
    fn save_streams(
        &self,
        session: Option<SessionKey>,
        now: Time,
        shared: &mut dyn FnMut(Option<&str>),
    ) -> RemovedLinks {
        let streams = std::mem::take(&mut self.kept_operations.borrow_mut().streams);
        let mut left = Vec::with_capacity(streams.len());
        let mut evicted = RemovedLinks::default();
        for mut kept in streams {
            if kept.is_to_be_saved && session.is_none_or(|session| session == kept.session) {
                shared(kept.operations.first().and_then(|first| first.pending.server.as_deref()));
                evicted.append(self.save_stream(&mut kept, now));
            }
            if !kept.operations.is_empty() {
                left.push(kept);
            }
        }
        self.kept_operations.borrow_mut().streams = left;
        evicted
    }

    /// Adds the operations of a stream to the store. Those that another stream answered stay in this VM, and their own
    /// exchange ends them. If the store has no room, all stay.
    fn save_stream(&self, kept: &mut KeptStream, now: Time) -> RemovedLinks {
        kept.is_to_be_saved = false;
        let Some((evicted, answers)) = self.save_unanswered(kept, now) else { return RemovedLinks::default() };
        for (operation, answer) in kept.operations.iter_mut().zip(answers) {
            operation.answer = answer;
        }
        kept.operations.retain(|operation| operation.answer.is_some());
        evicted
    }

    /// Adds the operations of a stream, except those that another stream answered since they began. Returns the evicted
    /// links, and for each operation its answer, if it has one. Returns `None` if there is no room.
    fn save_unanswered(&self, kept: &KeptStream, now: Time) -> Option<(RemovedLinks, Vec<Option<Box<EarlyAnswer>>>)> {
        let KeptStream { session, operations, .. } = kept;
        self.with_links(*session, |slot| {
            let answers: Vec<_> = operations.iter().map(|one| answer_to(slot, *session, &one.pending)).collect();
            let open = operations.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
            let open = open.map(|(one, _)| one.pending.clone());
            if !push_operations(slot, *session, open.collect(), now) {
                return (false, None);
            }
            (true, Some((make_room(slot), answers)))
        })?
    }
}

// === impl KeptOperations ===

impl KeptOperations {
    /// The index of a stream. The search begins at the end, because the stream is usually one of the latest.
    fn index_of(&self, stream: StreamId) -> Option<usize> {
        self.streams.iter().rposition(|kept| kept.stream == stream)
    }

    fn remember_answered(&mut self, session: SessionKey, id: IdKey) {
        if self.answered.len() >= MAX_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(answered_digest(session, id));
    }
}

/// For use inside this VM only.
fn answered_digest(session: SessionKey, id: IdKey) -> u64 {
    FxBuildHasher.hash_one((session.0, id))
}

/// Takes the early answer to an operation, if another VM left one since the operation began.
fn answer_to(slot: &mut LinkSlot, session: SessionKey, pending: &PendingOperation) -> Option<Box<EarlyAnswer>> {
    let id = pending.operation.id.key();
    let answer = take_early_answer(slot, session, id, pending.started)?;
    // An answer takes precedence over a cancellation.
    take_cancelled(slot, session, id);
    remember_answered(slot, session, id);
    Some(answer)
}
