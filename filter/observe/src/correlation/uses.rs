//! When sessions were last used, so that those without an exchange for [`IDLE`] are active no longer.
//!
//! Exchanges only mark their session in their own VM: plain ones must not pay for shared data. The tick does the rest. It
//! tells [`super::sessions`] of a session that it has not told of lately at once, and of the others as the turn comes to their
//! slot, one slot at each tick. And it looks for sessions that were idle for too long, in each slot when that can be at the
//! earliest.
//!
//! **Bound:** [`MOST_IDLE`] and a quarter of sessions without an open exchange, 64 bytes each; beside them one for each open
//! exchange.
//!
//! **Cost:** a look-up in the VM's own map per exchange. At a tick one read, one write where a session of that slot was used,
//! and as much for each session that was not used for a while.

use super::halves::Half;
use super::sessions::{Active, IDLE, Known, SLOTS, Slot};
use super::{Correlation, SessionKey};
use crate::observation::{Observation, Time};
use rustc_hash::FxHashMap;

/// Of one VM, without an open exchange; those used first are forgotten first.
const MOST_IDLE: usize = 4096;
/// A session without an exchange for so long is forgotten in its VM: the next one is told at once.
const FORGOTTEN: u64 = 5 * 60 * 1_000_000_000;
/// Sessions told at once at one tick, the others at the next.
const MOST_TOLD: usize = 128;
/// Slots looked through for idle sessions at one tick, at most.
const SWEPT_AT_ONCE: usize = 4;

/// What one VM knows of its sessions' use.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// By the digest of the session's id.
    pub(super) sessions: FxHashMap<u64, Use>,
    /// Digests of those that no tick has told of yet.
    untold: Vec<u64>,
    /// The slot that the latest tick told of.
    turn: u64,
    /// So many sessions are looked through for those to forget.
    full_at: usize,
    /// When a session of each slot can have been idle for too long, at the earliest.
    due: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Use {
    session: SessionKey,
    /// Exchanges that are open.
    open: u32,
    is_used: bool,
    /// When the latest tick found it used.
    at: u64,
    has_requests: bool,
}

/// What a tick changes is said as it happens, with the server's name where it is not the plugin's.
type Out<'a> = dyn FnMut(Option<&str>, Observation<'_>) + 'a;

// === impl Uses ===

impl Uses {
    fn note(&mut self, now: Time) {
        for one in self.sessions.values_mut() {
            if std::mem::take(&mut one.is_used) || one.open > 0 {
                one.at = now.0;
            }
        }
    }

    fn make_room(&mut self) {
        if self.sessions.len() < self.full_at.max(MOST_IDLE) {
            return;
        }
        let at = |one: &Use| if one.is_used { u64::MAX } else { one.at };
        let mut idle: Vec<u64> = self.sessions.values().filter(|one| one.open == 0).map(at).collect();
        if idle.len() >= MOST_IDLE {
            // A quarter at once, so that the next ones find room.
            let (_, &mut limit, _) = idle.select_nth_unstable(MOST_IDLE / 4);
            self.sessions.retain(|_, one| one.open > 0 || at(one) > limit);
            let Self { sessions, untold, .. } = self;
            untold.retain(|digest| sessions.contains_key(digest));
        }
        self.full_at = self.sessions.len() + MOST_IDLE / 4;
    }

    /// The sessions of a slot and when they were used; those that were not for a while are forgotten.
    fn take_slot(&mut self, slot: u64, now: Time) -> Vec<(SessionKey, u64)> {
        let is_of_slot = |one: &Use| one.session.0 % SLOTS == slot;
        let used = self.sessions.values().filter(|one| is_of_slot(one)).map(|one| (one.session, one.at)).collect();
        self.sessions.retain(|_, one| !is_of_slot(one) || one.open > 0 || now.0.saturating_sub(one.at) < FORGOTTEN);
        used
    }
}

// === impl Correlation ===

impl Correlation {
    /// An exchange of a session that is known here begins; the session is named by the digest of its id. Whether it is known.
    pub(crate) fn reuse(&self, digest: u64, is_request: bool) -> bool {
        let mut uses = self.uses.borrow_mut();
        let Some(one) = uses.sessions.get_mut(&digest) else { return false };
        (one.open, one.is_used) = (one.open + 1, true);
        if is_request && !std::mem::replace(&mut one.has_requests, true) {
            uses.untold.push(digest);
        }
        true
    }

    /// The same for one that is not.
    #[inline(never)]
    pub(crate) fn first_use(&self, digest: u64, session: SessionKey, is_request: bool) {
        let mut uses = self.uses.borrow_mut();
        uses.make_room();
        uses.untold.push(digest);
        uses.sessions.insert(digest, Use { session, open: 1, is_used: true, at: 0, has_requests: is_request });
    }

    /// The exchange is over.
    pub(crate) fn end_use(&self, digest: u64) {
        let mut uses = self.uses.borrow_mut();
        if let Some(one) = uses.sessions.get_mut(&digest) {
            (one.open, one.is_used) = (one.open.saturating_sub(1), true);
        }
    }

    /// Whether requests of the session passed this VM lately.
    pub(super) fn used_here(&self, session: SessionKey) -> bool {
        self.uses.borrow().sessions.values().any(|one| one.session == session && one.has_requests)
    }

    /// Tells the other VMs which sessions were used here, and ends what was idle for too long.
    pub(crate) fn tell_uses(&self, now: Time, out: &mut Out<'_>) {
        let (slots, requested) = self.to_tell(now);
        for slot in slots {
            let used = self.uses.borrow_mut().take_slot(slot, now);
            self.tell_slot(slot, &used, out);
        }
        for session in requested {
            if self.known_session(session).is_none_or(|known| known.begun.is_none()) {
                self.note_half(session, Half::Requests);
            }
        }
        self.sweep_sessions(now, out);
    }

    /// Slots of which a tick tells, and sessions whose requests it has not told of.
    fn to_tell(&self, now: Time) -> (Vec<u64>, Vec<SessionKey>) {
        let mut uses = self.uses.borrow_mut();
        uses.note(now);
        uses.turn = (uses.turn + 1) % SLOTS;
        let mut slots = vec![uses.turn];
        let mut requested = Vec::new();
        let count = uses.untold.len().min(MOST_TOLD);
        let digests: Vec<u64> = uses.untold.drain(..count).collect();
        for one in digests.iter().filter_map(|digest| uses.sessions.get(digest)) {
            slots.push(one.session.0 % SLOTS);
            if one.has_requests {
                requested.push(one.session);
            }
        }
        slots.sort_unstable();
        slots.dedup();
        (slots, requested)
    }

    fn tell_slot(&self, slot: u64, used: &[(SessionKey, u64)], out: &mut Out<'_>) {
        if used.is_empty() {
            return;
        }
        let later = |known: &Known| {
            let one = used.iter().find(|(session, _)| session.0 == known.session)?;
            known.begun.as_ref().map(|_| one.1).filter(|&at| at > known.used)
        };
        let before: Slot = self.read(&self.key('s', slot));
        let news: Vec<&Known> = before.iter().filter(|known| later(known).is_some()).collect();
        if news.is_empty() {
            return;
        }
        // The gauge is raised before others can see what they may lower it for.
        let back: Vec<(u64, Active)> = news
            .iter()
            .filter(|known| !known.is_active())
            .filter_map(|known| Some((known.session, known.begun.as_ref()?.as_active())))
            .collect();
        back.iter().for_each(|(_, active)| out(active.server.as_deref(), Observation::SessionActive(active.transport)));
        let raised = self.edit(&self.key('s', slot), |slot: &mut Slot| {
            let mut raised = Vec::new();
            for known in slot {
                let Some(at) = later(known) else { continue };
                known.used = at;
                let is_back = back.iter().any(|(session, _)| *session == known.session);
                if let Some(begun) = known.begun.as_mut().filter(|begun| is_back && !begun.is_active) {
                    begun.is_active = true;
                    raised.push(known.session);
                }
            }
            (true, raised)
        });
        // Another VM was faster.
        let raised = raised.unwrap_or_default();
        let vain = back.iter().filter(|(session, _)| !raised.contains(session));
        vain.for_each(|(_, active)| out(active.server.as_deref(), Observation::SessionInactive(active.transport)));
    }

    fn sweep_sessions(&self, now: Time, out: &mut Out<'_>) {
        let idle = IDLE.as_nanos() as u64;
        let mut uses = self.uses.borrow_mut();
        uses.due.resize(SLOTS as usize, 0);
        for (slot, due) in uses.due.iter_mut().enumerate().filter(|(_, due)| **due <= now.0).take(SWEPT_AT_ONCE) {
            *due =
                self.deactivate_slot(slot as u64, now.0.checked_sub(idle), out).unwrap_or(now.0).saturating_add(idle);
        }
    }

    /// Sessions that nobody follows any more are active no longer.
    pub(crate) fn deactivate_all(&self, out: &mut Out<'_>) {
        for slot in 0..SLOTS {
            self.deactivate_slot(slot, Some(u64::MAX), out);
        }
    }

    /// Those used up to `limit` are active no longer; when the first of the others was used.
    fn deactivate_slot(&self, slot: u64, limit: Option<u64>, out: &mut Out<'_>) -> Option<u64> {
        let key = self.key('s', slot);
        let is_idle = |known: &Known| known.is_active() && limit.is_some_and(|limit| known.used <= limit);
        let mut known: Slot = self.read(&key);
        if known.iter().any(is_idle) {
            let changed = self.edit(&key, |slot: &mut Slot| {
                let idle = slot.iter_mut().filter(|known| is_idle(known));
                let inactive: Vec<Active> = idle.filter_map(Known::deactivate).collect();
                (!inactive.is_empty(), (inactive, slot.clone()))
            });
            let (inactive, left) = changed.unwrap_or_default();
            inactive
                .iter()
                .for_each(|active| out(active.server.as_deref(), Observation::SessionInactive(active.transport)));
            known = left;
        }
        known.iter().filter(|known| known.is_active()).map(|known| known.used).min()
    }
}
