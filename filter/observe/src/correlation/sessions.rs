//! When sessions began. A session that just vanishes stays until 90 younger ones of its slot have pushed it out.

use super::{Correlation, SessionKey};
use crate::closed::Revision;
use crate::observation::Time;
use serde::{Deserialize, Serialize};

const SLOTS: u64 = 64;
/// Of at most 22 bytes each.
const MOST_IN_SLOT: usize = 90;

/// The latest sessions whose revision a VM remembers.
const MOST_REMEMBERED: usize = 64;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Known {
    session: u64,
    /// When it began; without a revision, when it was deleted before anything showed that it had begun.
    at: u64,
    revision: Option<Revision>,
}

impl Correlation {
    /// An `initialize` that was sent at `asked` succeeded; when the session ended, if a DELETE overtook the answer: a client
    /// knows the session's id from the headers, and may not wait for the rest.
    pub(crate) fn begin_session(
        &self,
        session: SessionKey,
        revision: Revision,
        asked: Time,
        now: Time,
    ) -> Option<Time> {
        self.edit(&self.sessions_key(session), |slot: &mut Vec<Known>| {
            let earlier = take(slot, session);
            let deleted = earlier.filter(|known| known.revision.is_none() && known.at >= asked.0);
            if deleted.is_none() {
                push(slot, Known { session: session.0, at: now.0, revision: Some(revision) });
            }
            (true, deleted.map(|known| Time(known.at)))
        })?
    }

    /// The session ended; when it began, if that was seen and is told for the first time. `deleted` is now, where the server
    /// has accepted a DELETE.
    pub(crate) fn end_session(&self, session: SessionKey, deleted: Option<Time>) -> Option<Time> {
        self.edit(&self.sessions_key(session), |slot: &mut Vec<Known>| {
            let known = take(slot, session);
            let begun = known.filter(|known| known.revision.is_some());
            let trace = deleted.filter(|_| begun.is_none());
            if let Some(at) = trace {
                push(slot, Known { session: session.0, at: at.0, revision: None });
            }
            (known.is_some() || trace.is_some(), begun.map(|known| Time(known.at)))
        })?
    }

    /// What was negotiated, where that was seen. A VM asks once, as a rule.
    pub(crate) fn revision(&self, session: SessionKey) -> Option<Revision> {
        if let Some((_, known)) = self.revisions.borrow().iter().find(|(known, _)| *known == session.0) {
            return *known;
        }
        let slot: Vec<Known> = self.read(&self.sessions_key(session));
        let found = slot.iter().find(|known| known.session == session.0).and_then(|known| known.revision);
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

fn take(slot: &mut Vec<Known>, session: SessionKey) -> Option<Known> {
    let index = slot.iter().position(|known| known.session == session.0)?;
    Some(slot.remove(index))
}

fn push(slot: &mut Vec<Known>, known: Known) {
    if slot.len() >= MOST_IN_SLOT {
        slot.remove(0);
    }
    slot.push(known);
}
