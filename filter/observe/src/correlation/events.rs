//! Ids of events that passed, so that a resumed stream does not count them again.
//!
//! Hashes are gathered in the VM and saved when a stream with event ids ends, and at each tick: a client resumes after the end.

use super::{Correlation, SessionKey};

const SLOTS: u64 = 256;
/// Of at most 10 bytes each; the oldest goes first.
const MOST_IN_SLOT: usize = 63;
/// Most events of one VM between two ticks; the rest is saved at once.
const MOST_UNSAVED: usize = 4096;

/// An event of one session, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventKey(u64);

impl Correlation {
    /// The event with this id, given as its digest.
    pub(crate) fn event(&self, session: SessionKey, digest: u64) -> EventKey {
        EventKey(self.hash(&[&session.0.to_le_bytes(), &digest.to_le_bytes()]))
    }

    /// An event passed.
    pub(crate) fn note_event(&self, event: EventKey) {
        let mut events = self.events.borrow_mut();
        events.push(event.0);
        if events.len() >= MOST_UNSAVED {
            drop(events);
            self.save_events();
        }
    }

    /// Whether the event passed before, on any stream.
    pub(crate) fn was_seen(&self, event: EventKey) -> bool {
        if self.events.borrow().contains(&event.0) {
            return true;
        }
        let slot: Vec<u64> = self.read(&self.key('e', event.0 % SLOTS));
        slot.contains(&event.0)
    }

    /// Makes what passed here known to the other VMs.
    pub(crate) fn save_events(&self) {
        let mut events = std::mem::take(&mut *self.events.borrow_mut());
        while let Some(slot) = events.first().map(|event| event % SLOTS) {
            let (group, others): (Vec<u64>, Vec<u64>) = events.into_iter().partition(|event| event % SLOTS == slot);
            events = others;
            self.edit(&self.key('e', slot), |slot: &mut Vec<u64>| {
                slot.extend_from_slice(&group);
                slot.drain(..slot.len().saturating_sub(MOST_IN_SLOT));
                (true, ())
            });
        }
    }
}
