//! Ids of SSE events that passed, so that the events which a resumed stream repeats are not counted again.
//!
//! A VM gathers the ids and saves them by session: when a stream with event ids ends, because its client may resume it on
//! another worker, and those of open streams at each tick. All ids of a session are in one slot, which other sessions share.
//! A slot holds the latest ids, as [`records`] of four bytes.
//!
//! | limit | value | why |
//! |---|---|---|
//! | ids in a slot | 640 | 32 streams of 20 events; the Python SDK's example store keeps 100 events per stream |
//! | unsaved ids in a VM | 2048 | 32 KiB; more are saved at once |
//! | collisions | one in 6.7 million | new events of a resumed stream, if the slot is full |
//!
//! A resumed stream repeats the events that passed while its client was disconnected. Some servers also repeat what passed
//! on other streams of the session meanwhile.
//!
//! **Collisions:** the stored id is 32 bits of a keyed hash of session and event id. An event whose stored id collides counts as
//! a repetition. It is not counted, unless it answers an operation.
//!
//! **Cost:** one read and one write per stream with event ids, and per slot that a tick saves. A resumed stream costs one more
//! read for each event that did not pass this VM, because another worker may have saved its id. Events without an id cost nothing.

use super::{Correlation, SessionKey, Table};
use crate::shared_data::{append_records, records};

const ID_BYTES: usize = 4;
/// The oldest ids are evicted.
const MAX_IDS: usize = 640;
/// Ids that a VM gathers between two ticks.
const MAX_UNSAVED: usize = 2048;

pub(super) const TABLE: Table = Table { letter: 'e', slots: 64, max_bytes: MAX_IDS * ID_BYTES };

/// An event of one session, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventKey {
    slot: u64,
    id: [u8; ID_BYTES],
}

impl Correlation {
    /// The event whose id has this digest.
    pub(crate) fn event_key(&self, session: SessionKey, digest: u64) -> EventKey {
        let [a, b, c, d, ..] = self.hash(&[&session.0.to_le_bytes(), &digest.to_le_bytes()]).to_le_bytes();
        EventKey { slot: TABLE.slot_of(session.0), id: [a, b, c, d] }
    }

    /// An event passed.
    pub(crate) fn remember_event(&self, event: EventKey) {
        let mut events = self.unsaved_events.borrow_mut();
        events.push(event);
        if events.len() >= MAX_UNSAVED {
            drop(events);
            self.save_event_ids();
        }
    }

    /// Whether the event passed before, on any stream of its session.
    pub(crate) fn has_event(&self, event: EventKey) -> bool {
        self.unsaved_events.borrow().contains(&event)
            || records(&self.read_bytes(&TABLE, event.slot), MAX_IDS).contains(&event.id)
    }

    /// A stream of the session ended: saves the session's ids for the other VMs.
    #[inline(never)]
    pub(crate) fn save_event_ids_of(&self, session: SessionKey) {
        self.save_slot(TABLE.slot_of(session.0));
    }

    /// Saves the ids of all sessions.
    pub(crate) fn save_event_ids(&self) {
        loop {
            let first = self.unsaved_events.borrow().first().copied();
            let Some(event) = first else { return };
            self.save_slot(event.slot);
        }
    }

    fn save_slot(&self, slot: u64) {
        let mut ids = Vec::new();
        self.unsaved_events.borrow_mut().retain(|event| {
            if event.slot == slot {
                ids.extend_from_slice(&event.id);
            }
            event.slot != slot
        });
        if !ids.is_empty() {
            self.edit_bytes(&TABLE, slot, &mut |bytes| {
                append_records::<ID_BYTES>(bytes, MAX_IDS, &ids);
                true
            });
        }
    }
}

#[cfg(test)]
mod tests;
