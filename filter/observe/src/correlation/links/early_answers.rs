//! Answers that came on another stream while the store did not have their operation.
//!
//! The operation may be one that another VM has not saved yet ([`super::unsaved`]). So the answer is left in the slot of its
//! session for [`EARLY_WAIT`]. Within that time every VM saves its operations, and finds it. If no VM takes it, it is
//! counted as a response that belongs to no request.
//!
//! A VM that left an answer names the slot in a list that all VMs read at each tick. So a VM that has answered the operation
//! already sees that this answer is a second one, and the wait ends in time.
//!
//! | limit | value | what happens |
//! |---|---|---|
//! | answers in a slot | [`MAX_EARLY`] | the oldest is evicted, and counted as if its time were over |
//! | named slots | [`MAX_NAMED`] | the oldest is dropped; its answers wait until a tick checks their slot anyway |
//!
//! **Cost:** two reads and two writes for the answer, and one read at each tick.

use super::operations::take_matching;
use super::slot::{make_room, push_mark};
use super::{EndedLinks, Link, LinkKind, Lookup, PendingOperation, Slot, TABLE};
use crate::correlation::{Correlation, SessionKey, Table};
use crate::host::Time;
use crate::id::{Id, IdKey};
use crate::label::UnmatchedReason;
use crate::read::message::{Message, Outcome, RpcErrorCode};
use crate::shared_data::{append_records, records};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an answer waits for a VM that has its operation: six ticks.
pub(super) const EARLY_WAIT: Duration = Duration::from_secs(3);
/// How long after that the ticks check its slot.
const NAMED_LONGER: Duration = Duration::from_secs(2);
/// Answers without an operation, per slot.
const MAX_EARLY: usize = 16;

const SLOT_BYTES: usize = 8;
const MAX_NAMED: usize = 64;
/// The slots of links with such answers: the time until which they are checked, with the slot as its last byte.
pub(in crate::correlation) const NAMED: Table = Table { letter: 'q', slots: 1, max_bytes: MAX_NAMED * SLOT_BYTES };

/// An answer without its operation: what of it is counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EarlyAnswer {
    pub(crate) id: IdKey,
    pub(crate) at: Time,
    /// What is reported if it answers no operation; `None` if nothing is.
    pub(crate) unmatched: Option<UnmatchedReason>,
    /// An error on a stream that has no request. It is never unmatched.
    pub(crate) is_refusal: bool,
    /// Length of the message.
    pub(crate) bytes: u64,
    pub(crate) error: Option<RpcErrorCode>,
    pub(crate) result: Option<Outcome>,
    /// The server's name, if it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
}

// === impl EarlyAnswer ===

impl EarlyAnswer {
    /// The message as far as it was kept.
    pub(crate) fn message(&self) -> Message {
        let (result, error) = (self.result.clone(), self.error);
        Message { id: Id::Absent, method: None, params: None, result, error, bytes: self.bytes, version: true }
    }
}

// === impl Correlation ===

impl Correlation {
    /// Leaves an answer for the VM that has its operation. If the operation was added meanwhile, takes it. Also returns the
    /// evicted links. `None` if the slot could not be written.
    pub(crate) fn leave_early_answer(
        &self,
        session: SessionKey,
        answer: &EarlyAnswer,
    ) -> Option<(Lookup<Box<PendingOperation>>, EndedLinks)> {
        let left = self.with_links(session, |slot| {
            let found = take_matching(slot, session, answer.id);
            let mut evicted = EndedLinks::default();
            if matches!(found, Lookup::Unknown) {
                let mark = Link { session, kind: LinkKind::EarlyAnswer(Box::new(answer.clone())) };
                let oldest = push_mark(slot, mark, MAX_EARLY, |kind| matches!(kind, LinkKind::EarlyAnswer(_)));
                evicted.0.extend(oldest);
                evicted.append(make_room(slot));
            }
            (!matches!(found, Lookup::Answered), (found, evicted))
        })?;
        if matches!(left.0, Lookup::Unknown) {
            self.name_slot(TABLE.slot_of(session.0), answer.at);
        }
        Some(left)
    }

    /// Makes all VMs check a slot of links at their ticks, until an answer left at `at` has waited long enough.
    fn name_slot(&self, slot: u64, at: Time) {
        let until = |record: &[u8; SLOT_BYTES]| u64::from_le_bytes(*record);
        let named = at.plus(EARLY_WAIT + NAMED_LONGER).0 & !0xff | slot;
        self.edit_bytes(&NAMED, 0, &mut |bytes| {
            // Most of the time of an answer just before is left.
            let is_named = |record| until(record) & 0xff == slot && until(record) >= at.plus(EARLY_WAIT).0;
            if records(bytes, MAX_NAMED).iter().any(is_named) {
                return false;
            }
            append_records::<SLOT_BYTES>(bytes, MAX_NAMED, &named.to_le_bytes());
            true
        });
    }

    /// The slots of links that a tick at `now` checks because of such answers.
    pub(super) fn named_slots(&self, now: Time) -> Vec<u64> {
        let bytes = self.read_bytes(&NAMED, 0);
        let mut slots = Vec::new();
        for record in records(&bytes, MAX_NAMED) {
            let named = u64::from_le_bytes(*record);
            if named > now.0 && !slots.contains(&(named & 0xff)) {
                slots.push(named & 0xff);
            }
        }
        slots
    }

    /// Whether the link is an answer to an operation that this VM answered before it saved it.
    pub(super) fn is_second_answer(&self, link: &Link) -> bool {
        let LinkKind::EarlyAnswer(answer) = &link.kind else { return false };
        self.was_answered_unsaved(link.session, answer.id)
    }
}

// === impl Link ===

impl Link {
    /// The operation of this answer was answered before.
    pub(super) fn set_second_answer(&mut self) {
        if let LinkKind::EarlyAnswer(answer) = &mut self.kind
            && !answer.is_refusal
        {
            answer.unmatched = Some(UnmatchedReason::Duplicate);
        }
    }
}

/// Takes the answer to an operation with this id that was left first after `since`. The others are second answers.
pub(super) fn take_early_answer(
    slot: &mut Slot,
    session: SessionKey,
    id: IdKey,
    since: Time,
) -> Option<Box<EarlyAnswer>> {
    let answers = |link: &Link, id| match &link.kind {
        LinkKind::EarlyAnswer(answer) => link.session == session && answer.id == id && answer.at >= since,
        _ => false,
    };
    let index = id.forms().find_map(|id| slot.iter().position(|link| answers(link, id)))?;
    let LinkKind::EarlyAnswer(first) = slot.remove(index).kind else { return None };
    for link in slot.iter_mut().filter(|link| id.forms().any(|id| answers(link, id))) {
        link.set_second_answer();
    }
    Some(first)
}
