//! Finds the sessions that were idle for too long, and those that are used again.
//!
//! A tick publishes the sessions that this VM used ([`super::activity`]). It also checks each slot of [`super::sessions`] for
//! idle sessions, at the earliest time at which there can be one. A new VM checks every slot once within five minutes, to find
//! the sessions that started before it.
//!
//! **Cost:** at a tick one read and one write per slot with sessions to publish, one read per slot to check.

use super::activity::{IdleCheck, LastUse};
use super::coverage::Traffic;
use super::sessions::{ActiveSession, IDLE, SessionEntry, SessionSlot, TABLE};
use super::tick::Report;
use super::{Correlation, SessionKey};
use crate::host::Time;
use std::time::Duration;

/// Interval at which a new VM checks one slot after the other.
const FIRST_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// What a check finds in a slot.
#[derive(Debug, Default)]
struct SlotState {
    /// When the least recently used of the active sessions was used.
    least_recent: Option<Time>,
    /// Whether a session is inactive.
    has_inactive: bool,
}

// === impl Correlation ===

impl Correlation {
    /// Schedules the first checks of this VM. Later calls do nothing.
    pub(super) fn schedule_idle_checks(&self, now: Time) {
        let checks = &mut self.activity.borrow_mut().checks;
        if checks.is_empty() {
            let mut due = now;
            checks.extend((0..TABLE.slots).map(|_| {
                due = due.plus(FIRST_CHECK_INTERVAL);
                IdleCheck { due, is_first_done: false, has_inactive: false }
            }));
        }
    }

    /// Publishes which sessions this VM used, and deactivates those that were idle for too long.
    pub(super) fn publish_activity(&self, now: Time, report: &mut Report<'_>) {
        let mut due = self.activity.borrow_mut().take_due(now);
        // Sorting by slot would add many times as much code to the module.
        while let Some(first) = due.first() {
            let slot = TABLE.slot_of(first.session.0);
            let uses: Vec<LastUse> = due.extract_if(.., |last| TABLE.slot_of(last.session.0) == slot).collect();
            self.publish_slot(slot, &uses, report);
        }
        self.check_idle(now, report);
    }

    fn publish_slot(&self, slot: u64, uses: &[LastUse], report: &mut Report<'_>) {
        let entries: SessionSlot = self.read(&TABLE, slot);
        if entries.iter().any(|entry| later_use(entry, uses).is_some()) {
            let returned = entries.iter().filter(|entry| !entry.is_active() && later_use(entry, uses).is_some());
            let returned = returned.filter_map(|entry| Some((entry.session, entry.start.as_ref()?.as_active())));
            self.write_uses(slot, uses, &returned.collect::<Vec<_>>(), report);
        }
        for last in uses.iter().filter(|last| last.has_requests) {
            // A session whose start was seen has requests anyway.
            if !entries.iter().any(|entry| entry.session == last.session && entry.start.is_some()) {
                self.remember_traffic(last.session, Traffic::Requests);
            }
        }
    }

    /// Writes the later uses of a slot. The sessions in `returned` were inactive and become active.
    fn write_uses(
        &self,
        slot: u64,
        uses: &[LastUse],
        returned: &[(SessionKey, ActiveSession)],
        report: &mut Report<'_>,
    ) {
        // The gauge is raised first: as soon as the session is active in the store, another VM can lower the gauge.
        for (_, session) in returned {
            report(session.server.as_deref(), session.became_active());
        }
        let activated = self.edit(&TABLE, slot, |slot: &mut SessionSlot| {
            let mut activated = Vec::new();
            for entry in slot {
                let Some(at) = later_use(entry, uses) else { continue };
                entry.used = at;
                let is_returned = returned.iter().any(|(session, _)| *session == entry.session);
                if let Some(start) = entry.start.as_mut().filter(|start| is_returned && !start.is_active) {
                    start.is_active = true;
                    activated.push(entry.session);
                }
            }
            (true, activated)
        });
        // Another VM made the other sessions active first, and raised the gauge for them.
        let activated = activated.unwrap_or_default();
        for (_, session) in returned.iter().filter(|(session, _)| !activated.contains(session)) {
            report(session.server.as_deref(), session.became_inactive());
        }
    }

    fn check_idle(&self, now: Time, report: &mut Report<'_>) {
        for (slot, check) in (0..).zip(&mut self.activity.borrow_mut().checks) {
            if check.due <= now {
                let state = self.deactivate_slot(slot, &|entry| entry.used.plus(IDLE) <= now, report);
                check.due = state.least_recent.unwrap_or(now).plus(IDLE);
                check.is_first_done = true;
                check.has_inactive = state.has_inactive;
            }
        }
    }

    /// Deactivates all sessions, because no VM follows them any more.
    pub(super) fn deactivate_all(&self, report: &mut Report<'_>) {
        for slot in 0..TABLE.slots {
            self.deactivate_slot(slot, &|_| true, report);
        }
    }

    /// Deactivates the active sessions of a slot that are idle. Returns the state of the slot after that.
    #[inline(never)]
    fn deactivate_slot(
        &self,
        slot: u64,
        is_idle: &dyn Fn(&SessionEntry) -> bool,
        report: &mut Report<'_>,
    ) -> SlotState {
        let is_idle = |entry: &SessionEntry| entry.is_active() && is_idle(entry);
        let entries: SessionSlot = self.read(&TABLE, slot);
        if !entries.iter().any(is_idle) {
            return SlotState::of(&entries);
        }
        let changed = self.edit(&TABLE, slot, |slot: &mut SessionSlot| {
            let idle = slot.iter_mut().filter(|entry| is_idle(entry));
            let inactive: Vec<ActiveSession> = idle.filter_map(SessionEntry::deactivate).collect();
            (!inactive.is_empty(), (inactive, SlotState::of(slot)))
        });
        let (inactive, state) = changed.unwrap_or_default();
        for session in inactive {
            report(session.server.as_deref(), session.became_inactive());
        }
        state
    }
}

// === impl SlotState ===

impl SlotState {
    fn of(slot: &SessionSlot) -> Self {
        let mut state = Self::default();
        for entry in slot {
            if entry.is_active() {
                let earliest = state.least_recent.map_or(entry.used, |earlier| earlier.min(entry.used));
                state.least_recent = Some(earliest);
            } else {
                state.has_inactive |= entry.start.is_some();
            }
        }
        state
    }
}

/// When a session was used, if it started and that is later than in its entry.
fn later_use(entry: &SessionEntry, uses: &[LastUse]) -> Option<Time> {
    let last = uses.iter().find(|last| last.session == entry.session)?;
    entry.start.as_ref().map(|_| last.at).filter(|&at| at > entry.used)
}
