//! When sessions were last used, so that those without an exchange for [`IDLE`] are active no longer.
//!
//! Exchanges only mark their session in their own VM: plain ones must not pay for shared data. The tick tells
//! [`super::sessions`] of a session once in [`APART`], and at once where a session of its slot is inactive or soon will be: it may
//! be this one, come back. And the tick looks for sessions that were idle for too long, in each slot when that can be at the
//! earliest; of sessions from before its time a VM learns within five minutes.
//!
//! **Bound:** [`MAX_IDLE`] and a quarter of sessions without an open exchange, 56 bytes each; beside them one for each open
//! exchange. Those that give way are told of at the next tick, [`MAX_LEAVING`] of them.
//!
//! **Cost:** a look-up in the VM's own map per exchange. At a tick one read and one write for each slot with sessions to tell of.

use super::coverage::Traffic;
use super::sessions::{ActiveSession, IDLE, SLOTS, SessionEntry, Slot};
use super::tick::Report;
use super::{Correlation, SessionKey};
use crate::host::Time;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Of one VM, without an open exchange.
const MAX_IDLE: usize = 400;
/// At one tick.
const MAX_LEAVING: usize = 256;
/// Nanoseconds from one word about a session to the next.
const APART: u64 = 60_000_000_000;
/// A session without an exchange for so long is forgotten in its VM.
const FORGOTTEN: u64 = 5 * APART;
/// From one slot to the next, when a VM first looks through them.
const FIRST_LOOKS_APART: u64 = 5_000_000_000;

/// What one VM knows of its sessions' use.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// By a digest of the session's id.
    pub(super) sessions: FxHashMap<u64, Use>,
    /// Had to give way before they were told of.
    leaving: Vec<Word>,
    /// So many sessions are looked through for those to forget.
    full_at: usize,
    slots: Vec<Look>,
}

/// What this VM knows of a slot of [`super::sessions`].
#[derive(Debug)]
struct Look {
    /// When a session can have been idle for too long, at the earliest.
    due: u64,
    has_looked: bool,
    /// One was inactive when it was looked at last.
    has_inactive: bool,
}

#[derive(Debug)]
pub(super) struct Use {
    session: SessionKey,
    /// When the latest tick found it used, and when it was when the others were told.
    at: u64,
    told: u64,
    /// When they are told next.
    due: u64,
    /// Exchanges that are open.
    open: u32,
    is_used: bool,
    has_requests: bool,
    /// Halves that were noted from here.
    noted: u8,
}

/// What the others are told.
#[derive(Clone, Copy, Debug)]
struct Word {
    session: SessionKey,
    at: u64,
    has_requests: bool,
}

// === impl Use ===

impl Use {
    fn word(&self) -> Word {
        Word { session: self.session, at: self.at, has_requests: self.has_requests }
    }

    fn slot(&self) -> usize {
        (self.session.0 % SLOTS) as usize
    }
}

// === impl Look ===

impl Look {
    /// A session that was not used for a while has to be told of before others take it for idle, or is taken for it already.
    fn is_urgent(&self, now: Time) -> bool {
        self.has_inactive || self.has_looked && self.due <= now.0 + 2 * APART
    }
}

// === impl Uses ===

impl Uses {
    /// What is to be told now; and forgets what was told and not used since.
    fn words(&mut self, now: Time) -> Vec<Word> {
        let mut words = std::mem::take(&mut self.leaving);
        // Used since the tick before.
        words.iter_mut().filter(|word| word.at == 0).for_each(|word| word.at = now.0);
        for one in self.sessions.values_mut() {
            if std::mem::take(&mut one.is_used) || one.open > 0 {
                one.at = now.0;
            }
            if one.due == 0 {
                one.due = now.0 + APART;
            }
            let is_urgent = one.told == 0 && self.slots.get(one.slot()).is_some_and(|look| look.is_urgent(now));
            if one.at != one.told && (is_urgent || one.due <= now.0) {
                (one.told, one.due) = (one.at, now.0 + APART);
                words.push(one.word());
            }
        }
        self.sessions.retain(|_, one| one.open > 0 || one.at != one.told || now.0.saturating_sub(one.at) < FORGOTTEN);
        words
    }

    fn make_room(&mut self) {
        if self.sessions.len() < self.full_at.max(MAX_IDLE) {
            return;
        }
        // With so much room the map tidies up in its place, instead of growing once more.
        self.sessions.reserve((2 * MAX_IDLE).saturating_sub(self.sessions.len()));
        let at = |one: &Use| if one.is_used { u64::MAX } else { one.at };
        // A sort or a selection would be many times as much code in the module.
        let idle = self.sessions.values().filter(|one| one.open == 0).map(|one| Reverse(at(one)));
        let mut idle: BinaryHeap<_> = idle.collect();
        // A quarter at once, so that the next ones find room.
        if idle.len() >= MAX_IDLE
            && let Some(Reverse(limit)) = std::iter::from_fn(|| idle.pop()).nth(MAX_IDLE / 4)
        {
            let Self { sessions, leaving, .. } = self;
            sessions.retain(|_, one| {
                let stays = one.open > 0 || at(one) > limit;
                if !stays && (one.is_used || one.at != one.told) && leaving.len() < MAX_LEAVING {
                    leaving.push(Word { at: if one.is_used { 0 } else { one.at }, ..one.word() });
                }
                stays
            });
        }
        self.full_at = self.sessions.len() + MAX_IDLE / 4;
    }
}

// === impl Correlation ===

impl Correlation {
    /// An exchange of a session that is known here begins; the session is named by a digest of its id. Whether it is known.
    pub(crate) fn exchange_started(&self, digest: u64, is_request: bool) -> bool {
        let mut uses = self.uses.borrow_mut();
        let Some(one) = uses.sessions.get_mut(&digest) else { return false };
        (one.open, one.is_used) = (one.open + 1, true);
        one.has_requests |= is_request;
        true
    }

    /// The same for one that is not.
    #[inline(never)]
    pub(crate) fn first_exchange_started(&self, digest: u64, session: SessionKey, is_request: bool) {
        let mut uses = self.uses.borrow_mut();
        uses.make_room();
        let one = Use { session, at: 0, told: 0, due: 0, open: 1, is_used: true, has_requests: is_request, noted: 0 };
        uses.sessions.insert(digest, one);
    }

    /// The exchange is over.
    pub(crate) fn exchange_ended(&self, digest: u64) {
        let mut uses = self.uses.borrow_mut();
        if let Some(one) = uses.sessions.get_mut(&digest) {
            (one.open, one.is_used) = (one.open.saturating_sub(1), true);
        }
    }

    /// A half of the session passes here that concerns others: told at once, if it was not lately.
    pub(crate) fn note_traffic_once(&self, digest: u64, session: SessionKey, half: Traffic) {
        if let Some(one) = self.uses.borrow_mut().sessions.get_mut(&digest) {
            if one.noted & half as u8 != 0 {
                return;
            }
            one.noted |= half as u8;
        }
        self.note_traffic(session, half);
    }

    /// Whether requests of the session passed this VM lately.
    pub(super) fn has_local_requests(&self, session: SessionKey) -> bool {
        self.uses.borrow().sessions.values().any(|one| one.session == session && one.has_requests)
    }

    /// From now on this VM looks for idle sessions.
    pub(super) fn schedule_idle_checks(&self, now: Time) {
        let slots = &mut self.uses.borrow_mut().slots;
        if slots.is_empty() {
            let due = |slot| now.0 + slot * FIRST_LOOKS_APART;
            slots.extend((1..=SLOTS).map(|slot| Look { due: due(slot), has_looked: false, has_inactive: false }));
        }
    }

    /// Tells the other VMs which sessions were used here, and ends what was idle for too long.
    pub(crate) fn publish_activity(&self, now: Time, report: &mut Report<'_>) {
        let mut words = self.uses.borrow_mut().words(now);
        words.sort_unstable_by_key(|word| word.session.0 % SLOTS);
        for of_slot in words.chunk_by(|one, other| one.session.0 % SLOTS == other.session.0 % SLOTS) {
            let known = self.tell_slot(of_slot, report);
            // Of one that began here that is known anyway.
            let is_begun = |word: &Word| known.iter().any(|one| one.session == word.session.0 && one.begun.is_some());
            for word in of_slot.iter().filter(|word| word.has_requests && !is_begun(word)) {
                self.note_traffic(word.session, Traffic::Requests);
            }
        }
        self.sweep_sessions(now, report);
    }

    /// Returns what was known of the sessions in the slot of these words.
    fn tell_slot(&self, words: &[Word], report: &mut Report<'_>) -> Slot {
        let Some(key) = words.first().map(|word| self.key('s', word.session.0 % SLOTS)) else { return Slot::new() };
        let later = |known: &SessionEntry| {
            let word = words.iter().find(|word| word.session.0 == known.session)?;
            known.begun.as_ref().map(|_| word.at).filter(|&at| at > known.used)
        };
        let before: Slot = self.read(&key);
        let news: Vec<&SessionEntry> = before.iter().filter(|known| later(known).is_some()).collect();
        if news.is_empty() {
            return before;
        }
        // The gauge is raised before others can see what they may lower it for.
        let back: Vec<(u64, ActiveSession)> = news
            .iter()
            .filter(|known| !known.is_active())
            .filter_map(|known| Some((known.session, known.begun.as_ref()?.as_active())))
            .collect();
        back.iter().for_each(|(_, active)| {
            report(active.server.as_deref(), active.became_active());
        });
        let raised = self.edit(&key, |slot: &mut Slot| {
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
        back.iter().filter(|(session, _)| !raised.contains(session)).for_each(|(_, active)| {
            report(active.server.as_deref(), active.became_inactive());
        });
        before
    }

    fn sweep_sessions(&self, now: Time, report: &mut Report<'_>) {
        let idle = IDLE.as_nanos() as u64;
        for (slot, look) in (0..).zip(&mut self.uses.borrow_mut().slots) {
            if look.due <= now.0 {
                let left = self.deactivate_slot(slot, now.0.checked_sub(idle), report);
                let first = left.iter().filter(|known| known.is_active()).map(|known| known.used).min();
                look.due = first.unwrap_or(now.0).saturating_add(idle);
                look.has_looked = true;
                look.has_inactive = left.iter().any(|known| known.begun.is_some() && !known.is_active());
            }
        }
    }

    /// Sessions that no VM follows any more are active no longer.
    pub(crate) fn deactivate_all(&self, report: &mut Report<'_>) {
        for slot in 0..SLOTS {
            self.deactivate_slot(slot, Some(u64::MAX), report);
        }
    }

    /// Those used up to `limit` are active no longer. Returns the slot as it is then.
    fn deactivate_slot(&self, slot: u64, limit: Option<u64>, report: &mut Report<'_>) -> Slot {
        let key = self.key('s', slot);
        let is_idle = |known: &SessionEntry| known.is_active() && limit.is_some_and(|limit| known.used <= limit);
        let known: Slot = self.read(&key);
        if !known.iter().any(is_idle) {
            return known;
        }
        let changed = self.edit(&key, |slot: &mut Slot| {
            let idle = slot.iter_mut().filter(|known| is_idle(known));
            let inactive: Vec<ActiveSession> = idle.filter_map(SessionEntry::deactivate).collect();
            (!inactive.is_empty(), (inactive, slot.clone()))
        });
        let (inactive, left) = changed.unwrap_or_default();
        for active in inactive {
            report(active.server.as_deref(), active.became_inactive());
        }
        left
    }
}
