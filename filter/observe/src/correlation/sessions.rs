//! When sessions began. A session that just vanishes stays until 100 younger ones of its slot have pushed it out.

use super::{Correlation, SessionKey};
use crate::observation::Time;
use serde::{Deserialize, Serialize};

const SLOTS: u64 = 64;
/// Of at most 20 bytes each.
const MOST_IN_SLOT: usize = 100;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Begun {
    session: u64,
    at: u64,
}

impl Correlation {
    /// An `initialize` succeeded.
    pub(crate) fn begin_session(&self, session: SessionKey, at: Time) {
        self.edit(&self.sessions_key(session), |slot: &mut Vec<Begun>| {
            slot.retain(|begun| begun.session != session.0);
            if slot.len() >= MOST_IN_SLOT {
                slot.remove(0);
            }
            slot.push(Begun { session: session.0, at: at.0 });
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

    fn sessions_key(&self, session: SessionKey) -> String {
        self.key('s', session.0 % SLOTS)
    }
}
