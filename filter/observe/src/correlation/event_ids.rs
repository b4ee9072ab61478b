//! Ids of events that passed, so that a resumed stream does not count them again.
//!
//! Gathered in the VM, and saved by session: at once when a stream with event ids ends, because its client may resume on
//! another worker, and what still runs at each tick. All ids of a session are in one slot, which other sessions share; a slot
//! is the latest ids, four bytes each, without any frame.
//!
//! **How many:** a resumed stream repeats what passed on its way to a client that was gone, and with some servers what passed
//! on the session's other streams meanwhile: 640 ids are 32 streams of 20 events. The Python SDK's example
//! store keeps 100 events of a stream.
//!
//! **Collisions:** an id is 32 bits of a keyed hash of session and id. Where a slot is full, one new event in 6.7 million of a
//! resumed stream is taken for a repetition: it is not counted, unless it answers an operation, which counts in any case.
//!
//! **Cost:** one read and one write per stream with event ids, and per slot that a tick saves; nothing where no event has an id.
//! On a resumed stream one more read for each event that did not pass this VM lately: another worker may save it meanwhile.

use super::{Correlation, SessionKey};
use crate::shared_data::update;

const SLOTS: u64 = 64;
const ID_BYTES: usize = 4;
/// The oldest ids go first.
const MAX_BYTES_IN_SLOT: usize = 640 * ID_BYTES;
/// Most events of one VM between two ticks; the rest is saved at once.
const MAX_UNSAVED: usize = 2048;

/// An event of one session, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventKey {
    slot: u64,
    id: [u8; ID_BYTES],
}

impl Correlation {
    /// The event with this id, given as its digest.
    pub(crate) fn event_key(&self, session: SessionKey, digest: u64) -> EventKey {
        let [a, b, c, d, ..] = self.hash(&[&session.0.to_le_bytes(), &digest.to_le_bytes()]).to_le_bytes();
        EventKey { slot: session.0 % SLOTS, id: [a, b, c, d] }
    }

    /// An event passed.
    pub(crate) fn note_event(&self, event: EventKey) {
        let mut events = self.events.borrow_mut();
        events.push(event);
        if events.len() >= MAX_UNSAVED {
            drop(events);
            self.save_event_ids();
        }
    }

    /// Whether the event passed before, on any stream.
    pub(crate) fn has_event(&self, event: EventKey) -> bool {
        if self.events.borrow().contains(&event) {
            return true;
        }
        let slot = self.shared.read(&self.key('e', event.slot)).map(|value| value.bytes).unwrap_or_default();
        ids(&slot).contains(&event.id)
    }

    /// A stream of the session ended: makes what passed here known to the other VMs.
    #[inline(never)]
    pub(crate) fn save_event_ids_of(&self, session: SessionKey) {
        self.save_slot(session.0 % SLOTS);
    }

    /// The same for all sessions.
    pub(crate) fn save_event_ids(&self) {
        loop {
            let first = self.events.borrow().first().copied();
            let Some(event) = first else { return };
            self.save_slot(event.slot);
        }
    }

    fn save_slot(&self, slot: u64) {
        let mut passed = Vec::new();
        self.events.borrow_mut().retain(|event| {
            if event.slot == slot {
                passed.extend_from_slice(&event.id);
            }
            event.slot != slot
        });
        if passed.is_empty() {
            return;
        }
        update(self.shared.as_ref(), &self.key('e', slot), |bytes| {
            bytes.truncate(ids(bytes).as_flattened().len());
            bytes.extend_from_slice(&passed);
            bytes.drain(..bytes.len().saturating_sub(MAX_BYTES_IN_SLOT));
            (true, ())
        });
    }
}

/// The ids in a slot. A value of unexpected shape counts as absent.
fn ids(slot: &[u8]) -> &[[u8; ID_BYTES]] {
    match slot.as_chunks() {
        (ids, []) if slot.len() <= MAX_BYTES_IN_SLOT => ids,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
