//! When sessions started, and which of them are active: started, not ended, and used within the last [`IDLE`].
//!
//! Each active session counts once in a gauge to which all VMs add. The VM that makes a session active raises the gauge before it
//! writes the session here, and the VM that ends it lowers the gauge after. So the gauge is never below zero, whichever VM is
//! first. [`super::activity`] tracks when a session was last used.
//!
//! **Bound:** a slot has room for about 100 sessions whose client has a name of 12 bytes, fewer if each has the name of its server. When the slot is full, the
//! inactive session that was used least recently is evicted, or else the active one. An evicted session counts as ended.

use super::{Correlation, SessionKey, Table};
use crate::host::Time;
use crate::label::{ProtocolVersion, Transport};
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::time::Duration;

/// A session without an exchange for this long is inactive until its next exchange.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(super) const TABLE: Table = Table { letter: 's', slots: 64, max_bytes: 5376 };
/// Bytes of an entry without the names of its server and its client, at most.
const ENTRY_BYTES: usize = 40;
/// Latest sessions whose protocol version a VM remembers.
const MAX_REMEMBERED: usize = 64;

pub(super) type SessionSlot = Vec<SessionEntry>;

/// A session that started, or that ended: its client is still known, for requests that come late.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionEntry {
    pub(super) session: SessionKey,
    /// When a VM last published an exchange of it, or when its end was accepted.
    pub(super) used: Time,
    /// The client's name, as a label value.
    pub(super) client_name: Option<Rc<str>>,
    /// `None` if the session ended, or was deleted before its start was seen.
    pub(super) start: Option<SessionStart>,
}

/// The start of a session, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionStart {
    at: Time,
    pub(super) protocol_version: ProtocolVersion,
    transport: Transport,
    pub(super) is_active: bool,
    /// The server's name, if it is not the plugin's.
    server: Option<Box<str>>,
}

/// A session that a successful `initialize` starts.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) transport: Transport,
    /// The server's name, if it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
    /// The client's name, as a label value.
    pub(crate) client_name: Option<Rc<str>>,
    /// When the `initialize` was sent.
    pub(crate) requested_at: Time,
}

/// A session that is or was counted as active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveSession {
    pub(crate) transport: Transport,
    /// The server's name, if it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
}

/// What the start or the end of a session changed.
#[derive(Debug, Default)]
pub(crate) struct SessionChange {
    /// From [`Correlation::end_session`], when the session started. From [`Correlation::start_session`], when a DELETE ended it,
    /// if the DELETE passed first. `None` if that is not known.
    pub(crate) other_end: Option<Time>,
    /// Sessions that no longer count as active.
    pub(crate) inactive: Vec<ActiveSession>,
}

// === impl SessionEntry ===

impl SessionEntry {
    pub(super) fn is_active(&self) -> bool {
        self.start.as_ref().is_some_and(|start| start.is_active)
    }

    /// Makes the session inactive. Returns it if it was active.
    pub(super) fn deactivate(&mut self) -> Option<ActiveSession> {
        let start = self.start.as_mut().filter(|start| start.is_active)?;
        start.is_active = false;
        Some(start.as_active())
    }

    fn size(&self) -> usize {
        let server = self.start.as_ref().and_then(|start| start.server.as_ref());
        let client_name = self.client_name.as_ref().map_or(0, |name| name.len());
        ENTRY_BYTES + server.map_or(0, |server| server.len()) + client_name
    }
}

// === impl SessionStart ===

impl SessionStart {
    pub(super) fn as_active(&self) -> ActiveSession {
        ActiveSession { transport: self.transport, server: self.server.clone() }
    }
}

// === impl Correlation ===

impl Correlation {
    /// An `initialize` succeeded; the caller has counted the session as active. A client may send a DELETE as soon as it has
    /// the headers of the answer, so the DELETE may pass first; then `other_end` is its time.
    pub(crate) fn start_session(&self, session: SessionKey, new: &NewSession, now: Time) -> SessionChange {
        let is_active = self.has_live_vm(now);
        let NewSession { protocol_version, transport, server, client_name, requested_at } = new;
        let change = self.edit(&TABLE, session.0, |slot: &mut SessionSlot| {
            let mut earlier = take(slot, session);
            let mut inactive: Vec<ActiveSession> = earlier.iter_mut().filter_map(SessionEntry::deactivate).collect();
            let deleted = earlier.filter(|entry| entry.start.is_none() && entry.used >= *requested_at);
            let start = SessionStart {
                at: now,
                protocol_version: *protocol_version,
                transport: *transport,
                server: server.clone(),
                is_active,
            };
            if deleted.is_some() || !is_active {
                inactive.push(start.as_active());
            }
            if deleted.is_none() {
                inactive.extend(push(
                    slot,
                    SessionEntry { session, used: now, client_name: client_name.clone(), start: Some(start) },
                ));
            }
            (true, SessionChange { other_end: deleted.map(|entry| entry.used), inactive })
        });
        change.unwrap_or_else(|| {
            let active = ActiveSession { transport: *transport, server: server.clone() };
            SessionChange { other_end: None, inactive: vec![active] }
        })
    }

    /// The session ended. `deleted` is the time at which the server accepted a DELETE, if that is how it ended. `other_end` is
    /// set for the first end that is seen, if the start was seen.
    pub(crate) fn end_session(&self, session: SessionKey, deleted: Option<Time>) -> SessionChange {
        let change = self.edit(&TABLE, session.0, |slot: &mut SessionSlot| {
            let mut entry = take(slot, session);
            let mut inactive: Vec<ActiveSession> = entry.iter_mut().filter_map(SessionEntry::deactivate).collect();
            let start = entry.as_mut().and_then(|entry| entry.start.take());
            let last_used = entry.as_ref().map(|entry| entry.used);
            if let Some(used) = deleted.or(last_used) {
                let client_name = entry.and_then(|entry| entry.client_name);
                inactive.extend(push(slot, SessionEntry { session, used, client_name, start: None }));
            }
            let other_end = start.map(|start| start.at);
            (other_end.is_some() || deleted.is_some(), SessionChange { other_end, inactive })
        });
        change.unwrap_or_default()
    }

    /// The negotiated protocol version, if the session's start was seen. A VM remembers it for the latest [`MAX_REMEMBERED`]
    /// sessions.
    pub(crate) fn protocol_version(&self, session: SessionKey) -> Option<ProtocolVersion> {
        let mut remembered = self.protocol_versions.borrow_mut();
        if let Some((_, version)) = remembered.iter().find(|(known, _)| *known == session) {
            return *version;
        }
        let version = self.session_start(session).map(|start| start.protocol_version);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.remove(0);
        }
        remembered.push((session, version));
        version
    }

    /// The session's start, if it was seen and the session did not end.
    pub(super) fn session_start(&self, session: SessionKey) -> Option<SessionStart> {
        self.session_entry(session)?.start
    }

    /// The session's entry.
    #[inline(never)]
    pub(super) fn session_entry(&self, session: SessionKey) -> Option<SessionEntry> {
        let slot: SessionSlot = self.read(&TABLE, session.0);
        slot.into_iter().find(|entry| entry.session == session)
    }
}

/// Removes the entry of a session.
fn take(slot: &mut SessionSlot, session: SessionKey) -> Option<SessionEntry> {
    let index = slot.iter().position(|entry| entry.session == session)?;
    Some(slot.remove(index))
}

/// Adds an entry, and evicts others until there is room. Returns the evicted sessions that were active.
#[inline(never)]
fn push(slot: &mut SessionSlot, entry: SessionEntry) -> Vec<ActiveSession> {
    let mut evicted = Vec::new();
    let mut bytes = entry.size() + slot.iter().map(SessionEntry::size).sum::<usize>();
    while bytes > TABLE.max_bytes
        && let Some((index, _)) = slot.iter().enumerate().min_by_key(|(_, entry)| (entry.is_active(), entry.used))
    {
        let mut oldest = slot.remove(index);
        bytes -= oldest.size();
        evicted.extend(oldest.deactivate());
    }
    slot.push(entry);
    evicted
}
