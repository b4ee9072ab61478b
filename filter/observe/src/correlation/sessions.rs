//! When sessions began, and which of them are active: begun here, not ended, and used within the last [`IDLE`].
//!
//! Each active session counts once in a gauge that all VMs add to. The worker that makes one active has raised the gauge before others
//! can see it, and the worker that ends it lowers the gauge: so it never passes below zero, whichever worker is first.
//! When a session was last used is in [`super::activity`].
//!
//! **Bound:** a slot has room for about 100 sessions, fewer where each has the name of its server. Then one that is not active
//! gives way, else the one that was not used for longest; it counts as ended and is not found again.

use super::{Correlation, SessionKey};
use crate::host::Time;
use crate::label::{ProtocolVersion, Transport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A session without an exchange for so long is not active, until it comes back.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(super) const SLOTS: u64 = 64;
/// Bytes of a slot as written, and of a session in it beside its server's name, at most.
const MAX_BYTES: usize = 4096;
const ENTRY_BYTES: usize = 40;

/// The latest sessions whose protocol version a VM remembers.
const MAX_REMEMBERED: usize = 64;

pub(super) type Slot = Vec<SessionEntry>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SessionEntry {
    pub(super) session: u64,
    /// When a VM last told of an exchange, or accepted the session's end.
    pub(super) used: u64,
    /// `None` for one that was deleted before anything showed that it had begun.
    pub(super) begun: Option<SessionStart>,
}

/// The beginning of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SessionStart {
    at: u64,
    protocol_version: ProtocolVersion,
    transport: Transport,
    /// The server's name, where it is not the plugin's.
    server: Option<Box<str>>,
    pub(super) is_active: bool,
}

/// What an `initialize` that succeeded says of its session.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) transport: Transport,
    pub(crate) server: Option<Box<str>>,
    /// When it was sent.
    pub(crate) requested_at: Time,
}

/// A session that counts as active, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveSession {
    pub(crate) transport: Transport,
    /// The server's name, where it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
}

/// What the beginning or end of a session changed.
#[derive(Debug, Default)]
pub(crate) struct SessionChange {
    /// Of a session that is over: when it began, or when it was deleted before its beginning was known.
    pub(crate) other_end: Option<Time>,
    /// What no longer counts as active.
    pub(crate) inactive: Vec<ActiveSession>,
}

// === impl Known ===

impl SessionEntry {
    pub(super) fn is_active(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.is_active)
    }

    /// Counts it as active no longer; what it counted as.
    pub(super) fn deactivate(&mut self) -> Option<ActiveSession> {
        let begun = self.begun.as_mut().filter(|begun| begun.is_active)?;
        begun.is_active = false;
        Some(begun.as_active())
    }

    fn size(&self) -> usize {
        let server = self.begun.as_ref().and_then(|begun| begun.server.as_ref());
        ENTRY_BYTES + server.map_or(0, |server| server.len())
    }
}

// === impl Begun ===

impl SessionStart {
    pub(super) fn as_active(&self) -> ActiveSession {
        ActiveSession { transport: self.transport, server: self.server.clone() }
    }
}

// === impl Correlation ===

impl Correlation {
    /// An `initialize` succeeded; the session was counted as active before. In `over`: when the session ended, if a DELETE
    /// overtook the answer: a client knows the session's id from the headers, and may not wait for the rest.
    pub(crate) fn start_session(&self, session: SessionKey, beginning: &NewSession, now: Time) -> SessionChange {
        let is_followed = self.has_live_vm(now);
        let NewSession { protocol_version, transport, server, requested_at } = beginning;
        let begun = self.edit(&sessions_key(self, session), |slot: &mut Slot| {
            let mut earlier = take(slot, session);
            let mut inactive: Vec<ActiveSession> = earlier.iter_mut().filter_map(SessionEntry::deactivate).collect();
            let deleted = earlier.filter(|known| known.begun.is_none() && known.used >= requested_at.0);
            let begun = SessionStart {
                at: now.0,
                protocol_version: *protocol_version,
                transport: *transport,
                server: server.clone(),
                is_active: is_followed,
            };
            if deleted.is_some() || !is_followed {
                inactive.push(begun.as_active());
            }
            if deleted.is_none() {
                inactive.extend(push(slot, SessionEntry { session: session.0, used: now.0, begun: Some(begun) }));
            }
            (true, SessionChange { other_end: deleted.map(|known| Time(known.used)), inactive })
        });
        begun.unwrap_or_else(|| {
            let active = ActiveSession { transport: *transport, server: server.clone() };
            SessionChange { other_end: None, inactive: vec![active] }
        })
    }

    /// The session ended. In `over`: when it began, if that was seen and is told for the first time. `deleted` is now, where
    /// the server has accepted a DELETE.
    pub(crate) fn end_session(&self, session: SessionKey, deleted: Option<Time>) -> SessionChange {
        let ended = self.edit(&sessions_key(self, session), |slot: &mut Slot| {
            let mut known = take(slot, session);
            let was_known = known.is_some();
            let mut inactive: Vec<ActiveSession> = known.iter_mut().filter_map(SessionEntry::deactivate).collect();
            let begun = known.and_then(|known| known.begun);
            let trace = deleted.filter(|_| begun.is_none());
            if let Some(at) = trace {
                inactive.extend(push(slot, SessionEntry { session: session.0, used: at.0, begun: None }));
            }
            (was_known || trace.is_some(), SessionChange { other_end: begun.map(|begun| Time(begun.at)), inactive })
        });
        ended.unwrap_or_default()
    }

    /// What was negotiated, where that was seen. A VM asks once, as a rule.
    pub(crate) fn protocol_version(&self, session: SessionKey) -> Option<ProtocolVersion> {
        if let Some((_, known)) = self.protocol_versions.borrow().iter().find(|(known, _)| *known == session.0) {
            return *known;
        }
        let found = self.session_entry(session).and_then(|known| known.begun).map(|begun| begun.protocol_version);
        let mut protocol_versions = self.protocol_versions.borrow_mut();
        if protocol_versions.len() >= MAX_REMEMBERED {
            protocol_versions.remove(0);
        }
        protocol_versions.push((session.0, found));
        found
    }

    pub(super) fn session_entry(&self, session: SessionKey) -> Option<SessionEntry> {
        let slot: Slot = self.read(&sessions_key(self, session));
        slot.into_iter().find(|known| known.session == session.0)
    }
}

fn sessions_key(correlation: &Correlation, session: SessionKey) -> String {
    correlation.key('s', session.0 % SLOTS)
}

fn take(slot: &mut Slot, session: SessionKey) -> Option<SessionEntry> {
    let index = slot.iter().position(|known| known.session == session.0)?;
    Some(slot.remove(index))
}

/// Returns the active ones that had to give way.
fn push(slot: &mut Slot, known: SessionEntry) -> Vec<ActiveSession> {
    let mut gone = Vec::new();
    let mut bytes = known.size() + slot.iter().map(SessionEntry::size).sum::<usize>();
    while bytes > MAX_BYTES
        && let Some((index, _)) = slot.iter().enumerate().min_by_key(|(_, known)| (known.is_active(), known.used))
    {
        let mut known = slot.remove(index);
        bytes -= known.size();
        gone.extend(known.deactivate());
    }
    slot.push(known);
    gone
}
