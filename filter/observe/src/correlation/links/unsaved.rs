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
//! | unsaved operations | those of its open streams, at most 16 of each |
//! | ids of operations that were answered before they were saved | [`MAX_ANSWERED`], 8 bytes each |
//!
//! **What it does not do:** end the operations of a VM that traps before it saves them.

use super::early_answers::{EarlyAnswer, take_early_answer};
use super::operations::push_operations;
use super::slot::{make_room, note_answered, take_cancelled};
use super::{EndedLinks, LinkKind, PendingOperation, Slot};
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

/// The unsaved operations of a VM.
#[derive(Debug, Default)]
pub(in crate::correlation) struct Unsaved {
    /// In the order in which they opened.
    streams: Vec<UnsavedStream>,
    /// Digests of the ids of operations that were answered before they were saved, the latest last.
    answered: VecDeque<u64>,
}

/// The operations of one stream.
#[derive(Debug)]
struct UnsavedStream {
    stream: StreamId,
    session: SessionKey,
    /// When the stream opened.
    since: Time,
    operations: Vec<UnsavedOperation>,
    /// Whether they are still to be saved. If not, the store had no room for them, or another stream answered those that are
    /// left.
    is_to_be_saved: bool,
}

/// An operation that is not in the store.
#[derive(Debug)]
pub(crate) struct UnsavedOperation {
    pub(crate) pending: PendingOperation,
    /// The answer that another stream brought.
    pub(crate) answer: Option<Box<EarlyAnswer>>,
}

// === impl Correlation ===

impl Correlation {
    /// The response to these operations is the event stream `stream`, which opens now. They are saved at the next tick.
    pub(crate) fn keep_operations(
        &self,
        session: SessionKey,
        stream: StreamId,
        operations: Vec<PendingOperation>,
        now: Time,
    ) {
        let operations = operations.into_iter().map(|pending| UnsavedOperation { pending, answer: None }).collect();
        let unsaved = UnsavedStream { stream, session, since: now, operations, is_to_be_saved: true };
        self.unsaved_operations.borrow_mut().streams.push(unsaved);
    }

    /// Takes an unsaved operation of this stream that a message with this id answers.
    pub(crate) fn take_unsaved(&self, stream: StreamId, id: IdKey) -> Option<UnsavedOperation> {
        let mut unsaved = self.unsaved_operations.borrow_mut();
        let place = unsaved.place(stream)?;
        let entry = unsaved.streams.get_mut(place)?;
        let index = entry.operations.iter().position(|operation| operation.pending.operation.id.key() == id)?;
        let (session, operation) = (entry.session, entry.operations.swap_remove(index));
        if entry.operations.is_empty() {
            unsaved.streams.remove(place);
        }
        if operation.answer.is_none() {
            unsaved.note_answered(session, id);
        }
        Some(operation)
    }

    /// Takes all unsaved operations of a stream.
    pub(crate) fn take_all_unsaved(&self, stream: StreamId) -> Vec<UnsavedOperation> {
        let mut unsaved = self.unsaved_operations.borrow_mut();
        unsaved.place(stream).map_or_else(Vec::new, |place| unsaved.streams.remove(place).operations)
    }

    /// Whether this VM answered an operation with this id that was not saved.
    pub(crate) fn was_answered_unsaved(&self, session: SessionKey, id: IdKey) -> bool {
        let answered = &self.unsaved_operations.borrow().answered;
        id.forms().any(|id| answered.contains(&answered_digest(session, id)))
    }

    /// Whether operations of the session are still to be saved.
    pub(crate) fn has_unsaved_operations(&self, session: SessionKey) -> bool {
        self.unsaved_operations.borrow().streams.iter().any(|entry| entry.is_to_be_saved && entry.session == session)
    }

    /// Saves the operations of the session. The caller reports [`Observation::OperationsShared`] first. Returns the evicted
    /// links.
    #[inline(never)]
    pub(crate) fn save_operations_of(&self, session: SessionKey, now: Time) -> EndedLinks {
        self.save_streams(Some(session), now, &mut |_| {})
    }

    /// Saves the operations of all sessions.
    pub(in crate::correlation) fn save_operations(&self, now: Time, report: &mut Report<'_>) {
        let evicted = self.save_streams(None, now, &mut |server| report(server, Observation::OperationsShared));
        evicted.report_unknown(report);
    }

    /// Saves the operations that are still to be saved: of one session, or of all. The oldest stream is first, because an
    /// answer belongs to the oldest of several operations with one id. Calls `shared` with the server's name before each
    /// stream.
    fn save_streams(&self, session: Option<SessionKey>, now: Time, shared: &mut dyn FnMut(Option<&str>)) -> EndedLinks {
        let streams = std::mem::take(&mut self.unsaved_operations.borrow_mut().streams);
        let mut left = Vec::with_capacity(streams.len());
        let mut evicted = EndedLinks::default();
        for mut entry in streams {
            if entry.is_to_be_saved && session.is_none_or(|session| session == entry.session) {
                shared(entry.operations.first().and_then(|first| first.pending.server.as_deref()));
                evicted.append(self.save_stream(&mut entry, now));
            }
            if !entry.operations.is_empty() {
                left.push(entry);
            }
        }
        self.unsaved_operations.borrow_mut().streams = left;
        evicted
    }

    /// Adds the operations of a stream to the store. Those that another stream answered stay in this VM, and their own
    /// exchange ends them. If the store has no room, all stay.
    fn save_stream(&self, entry: &mut UnsavedStream, now: Time) -> EndedLinks {
        entry.is_to_be_saved = false;
        let Some((evicted, answers)) = self.add_unsaved(entry, now) else { return EndedLinks::default() };
        for (operation, answer) in entry.operations.iter_mut().zip(answers) {
            operation.answer = answer;
        }
        entry.operations.retain(|operation| operation.answer.is_some());
        evicted
    }

    /// Adds the operations of an entry, except those that another stream answered since the entry's stream opened. Returns the
    /// evicted links, and for each operation its answer, if it has one. Returns `None` if there is no room.
    fn add_unsaved(&self, entry: &UnsavedStream, now: Time) -> Option<(EndedLinks, Vec<Option<Box<EarlyAnswer>>>)> {
        let UnsavedStream { session, since, operations, .. } = entry;
        self.with_links(*session, |slot| {
            let has_session_ended = has_session_ended(slot, *session, *since);
            let answers: Vec<_> =
                operations.iter().map(|one| answer_to(slot, *session, &one.pending, *since)).collect();
            let open = operations.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
            let open = open.map(|(one, _)| PendingOperation { has_session_ended, ..one.pending.clone() });
            if !push_operations(slot, *session, open.collect(), now) {
                return (false, None);
            }
            (true, Some((make_room(slot), answers)))
        })?
    }
}

// === impl Unsaved ===

impl Unsaved {
    /// The index of a stream. The search begins at the end, because the stream is usually one of the latest.
    fn place(&self, stream: StreamId) -> Option<usize> {
        self.streams.iter().rposition(|entry| entry.stream == stream)
    }

    fn note_answered(&mut self, session: SessionKey, id: IdKey) {
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

/// Takes the early answer to an operation, if another VM left one since `since`.
fn answer_to(
    slot: &mut Slot,
    session: SessionKey,
    pending: &PendingOperation,
    since: Time,
) -> Option<Box<EarlyAnswer>> {
    let id = pending.operation.id.key();
    let answer = take_early_answer(slot, session, id, since)?;
    // An answer takes precedence over a cancellation.
    take_cancelled(slot, session, id);
    note_answered(slot, session, id);
    Some(answer)
}

/// Whether the session ended after `since`.
fn has_session_ended(slot: &Slot, session: SessionKey, since: Time) -> bool {
    let is_end = |kind: &LinkKind| matches!(kind, LinkKind::SessionEnded { at } if *at >= since);
    slot.iter().any(|link| link.session == session && is_end(&link.kind))
}
