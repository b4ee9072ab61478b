//! When sessions began. A session that just vanishes stays until 95 younger ones of its slot have pushed it out.

use super::{Correlation, SessionKey};
use crate::closed::Revision;
use crate::observation::Time;
use serde::{Deserialize, Serialize};

const SLOTS: u64 = 64;
/// Of at most 21 bytes each.
const MOST_IN_SLOT: usize = 95;

/// The latest sessions whose revision a VM remembers.
const MOST_REMEMBERED: usize = 64;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Begun {
    session: u64,
    at: u64,
    revision: Revision,
}

impl Correlation {
    /// An `initialize` succeeded.
    pub(crate) fn begin_session(&self, session: SessionKey, revision: Revision, at: Time) {
        self.edit(&self.sessions_key(session), |slot: &mut Vec<Begun>| {
            slot.retain(|begun| begun.session != session.0);
            if slot.len() >= MOST_IN_SLOT {
                slot.remove(0);
            }
            slot.push(Begun { session: session.0, at: at.0, revision });
            (true, ())
        });
    }

    /// The session ended; when it began, if that was seen and is told for the first time.
    pub(crate) fn end_session(&self, session: SessionKey) -> Option<Time> {
        self.edit(&self.sessions_key(session), |slot: &mut Vec<Begun>| {
            let found = slot.iter().position(|begun| begun.session == session.0);
            (found.is_some(), found.map(|index| Time(slot.remove(index).at)))
        })?
    }

    /// What was negotiated, where that was seen. A VM asks once, as a rule.
    pub(crate) fn revision(&self, session: SessionKey) -> Option<Revision> {
        if let Some((_, known)) = self.revisions.borrow().iter().find(|(known, _)| *known == session.0) {
            return *known;
        }
        let slot: Vec<Begun> = self.read(&self.sessions_key(session));
        let found = slot.iter().find(|begun| begun.session == session.0).map(|begun| begun.revision);
        let mut revisions = self.revisions.borrow_mut();
        if revisions.len() >= MOST_REMEMBERED {
            revisions.remove(0);
        }
        revisions.push((session.0, found));
        found
    }

    fn sessions_key(&self, session: SessionKey) -> String {
        self.key('s', session.0 % SLOTS)
    }
}
