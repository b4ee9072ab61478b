//! Early answers: responses that came on an event stream while the store did not have their operation.
//!
//! Another VM may have the operation in its memory and not have saved it yet ([`super::kept`]). So the answer is left in
//! the slot of its session for [`EARLY_WAIT`]. Within that time every VM saves its operations, and looks in the slot for their
//! answers. If no VM takes the answer, it counts as unmatched.
//!
//! A VM that leaves an answer adds the slot to a list, and each tick of every VM checks the slots of the list. So the answer
//! expires in time. Each VM remembers the operations that were answered before they were saved. So its tick finds early answers
//! to them, which are second answers.
//!
//! | limit | value | what happens |
//! |---|---|---|
//! | answers in a slot | [`MAX_EARLY`] | the oldest is evicted, and counted as if its time were over |
//! | slots in the list | [`MAX_LISTED`] | the oldest is dropped; its answers wait until a tick checks their slot in its turn |
//!
//! **Cost:** two reads and two writes to leave an answer. Each tick reads the list, and the slots in it.

use super::operations::take_matching;
use super::slot::{make_room, push_limited};
use super::{Link, LinkKind, LinkSlot, Lookup, PendingOperation, RemovedLinks, TABLE};
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
/// How long the ticks check its slot after that time.
const LISTED_LONGER: Duration = Duration::from_secs(2);
/// Answers without an operation, per slot.
const MAX_EARLY: usize = 16;

const RECORD_BYTES: usize = 8;
const MAX_LISTED: usize = 64;
/// The list of slots with early answers. A record is the time until which the slot is checked; its lowest byte is the slot.
pub(in crate::correlation) const LISTED_SLOTS: Table =
    Table { letter: 'q', slots: 1, max_bytes: MAX_LISTED * RECORD_BYTES };

/// The parts of an early answer that are needed to count it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EarlyAnswer {
    pub(crate) id: IdKey,
    pub(crate) at: Time,
    /// The reason that is reported if no operation is found for it; `None` if nothing is reported.
    pub(crate) unmatched: Option<UnmatchedReason>,
    /// An error on an exchange without a request: it refuses the exchange, and is never unmatched.
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
    /// The message, with the members that were kept.
    pub(crate) fn message(&self) -> Message {
        let (result, error) = (self.result.clone(), self.error);
        Message { id: Id::Absent, method: None, params: None, result, error, bytes: self.bytes, version: true }
    }
}

// === impl Correlation ===

impl Correlation {
    /// Leaves an answer for the VM that has its operation. If the operation was added meanwhile, takes the operation instead.
    /// Also returns the evicted links. Returns `None` if the slot could not be written.
    pub(crate) fn leave_early_answer(
        &self,
        session: SessionKey,
        answer: &EarlyAnswer,
    ) -> Option<(Lookup<Box<PendingOperation>>, RemovedLinks)> {
        let left = self.with_links(session, |slot| {
            let found = take_matching(slot, session, answer.id);
            let mut evicted = RemovedLinks::default();
            if matches!(found, Lookup::Unknown) {
                let mark = Link { session, kind: LinkKind::EarlyAnswer(Box::new(answer.clone())) };
                let oldest = push_limited(slot, mark, MAX_EARLY, |kind| matches!(kind, LinkKind::EarlyAnswer(_)));
                evicted.0.extend(oldest);
                evicted.append(make_room(slot));
            }
            (!matches!(found, Lookup::Answered), (found, evicted))
        })?;
        if matches!(left.0, Lookup::Unknown) {
            self.list_slot(TABLE.slot_of(session.0), answer.at);
        }
        Some(left)
    }

    /// Makes all VMs check a slot of links at their ticks, until an answer left at `at` has waited long enough.
    fn list_slot(&self, slot: u64, at: Time) {
        let until = |record: &[u8; RECORD_BYTES]| u64::from_le_bytes(*record);
        let listed = at.plus(EARLY_WAIT + LISTED_LONGER).0 & !0xff | slot;
        self.edit_bytes(&LISTED_SLOTS, 0, &mut |bytes| {
            // An answer shortly before listed the slot, for long enough.
            let is_listed = |record| until(record) & 0xff == slot && until(record) >= at.plus(EARLY_WAIT).0;
            if records(bytes, MAX_LISTED).iter().any(is_listed) {
                return false;
            }
            append_records::<RECORD_BYTES>(bytes, MAX_LISTED, &listed.to_le_bytes());
            true
        });
    }

    /// The slots of links that a tick at `now` checks because they have early answers.
    pub(super) fn listed_slots(&self, now: Time) -> Vec<u64> {
        let bytes = self.read_bytes(&LISTED_SLOTS, 0);
        let mut slots = Vec::new();
        for record in records(&bytes, MAX_LISTED) {
            let listed = u64::from_le_bytes(*record);
            if listed > now.0 && !slots.contains(&(listed & 0xff)) {
                slots.push(listed & 0xff);
            }
        }
        slots
    }

    /// Whether the link is an early answer to an operation of this VM that was answered before it was saved.
    pub(super) fn is_duplicate(&self, link: &Link) -> bool {
        let LinkKind::EarlyAnswer(answer) = &link.kind else { return false };
        self.was_answered_while_kept(link.session, answer.id)
    }
}

// === impl Link ===

impl Link {
    /// Marks an early answer as a duplicate: its operation had another answer before.
    pub(super) fn set_duplicate(&mut self) {
        if let LinkKind::EarlyAnswer(answer) = &mut self.kind
            && !answer.is_refusal
        {
            answer.unmatched = Some(UnmatchedReason::Duplicate);
        }
    }
}

/// Takes the first early answer to this id that was left since `since`. Marks the others as duplicates.
pub(super) fn take_early_answer(
    slot: &mut LinkSlot,
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
        link.set_duplicate();
    }
    Some(first)
}
