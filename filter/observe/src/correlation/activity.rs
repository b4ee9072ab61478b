//! When this VM last saw an exchange of a session.
//!
//! An exchange only marks its session in the VM's own memory, because a write to the shared data costs more. A tick publishes the
//! marks in the store ([`super::idle`]), each session once per [`PUBLISH_INTERVAL`]. It publishes at once if a session in the same
//! slot is inactive or soon will be: the marked session may be that one, used again.
//!
//! | limit | value |
//! |---|---|
//! | sessions without an open exchange | [`MAX_IDLE`] and a quarter, [`SESSION_BYTES`] each |
//! | sessions with an open exchange | as many as open exchanges |
//! | evicted sessions that the next tick publishes | [`MAX_EVICTED`], [`SESSION_BYTES`] each |
//! | the name of each session's client | [`MAX_LABEL_BYTES`](crate::config::MAX_LABEL_BYTES) |
//!
//! **Cost:** one look-up in the VM's own map per exchange. For the name of its client, a VM reads the store once per session.

use super::coverage::Traffic;
use super::sessions;
use super::{Correlation, SessionKey};
use crate::host::Time;
use crate::label::Transport;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

/// How often the use of a session is published.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(60);

/// Sessions of one VM without an open exchange.
const MAX_IDLE: usize = 400;
/// Evicted sessions that are kept until the next tick.
const MAX_EVICTED: usize = 256;
/// Bytes of a session in the VM's memory, with its digest, without the name of its client.
const SESSION_BYTES: usize = 96;
const _: () = assert!(size_of::<(u64, LocalSession)>() <= SESSION_BYTES);
/// A session without an exchange for this long is dropped from the VM's memory.
const RETENTION: Duration = Duration::from_secs(5 * 60);

/// The sessions of which this VM saw exchanges.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// By a digest of the session id.
    pub(super) sessions: FxHashMap<u64, LocalSession>,
    /// Sessions that were evicted before their last use was published.
    evicted: Vec<LocalSession>,
    /// The number of sessions at which the next eviction runs.
    evict_at: usize,
    /// One per slot of [`super::sessions`]; empty until this VM looks for idle sessions.
    pub(super) checks: Vec<IdleCheck>,
}

/// What this VM knows about the name of a session's client.
#[derive(Clone, Debug, Default)]
pub(crate) enum SessionClient {
    /// It did not look the name up.
    #[default]
    NotRead,
    /// What the store had.
    Read(Option<Rc<str>>),
}

/// A session in the memory of one VM.
#[derive(Clone, Debug)]
pub(super) struct LocalSession {
    session: SessionKey,
    open_exchanges: u32,
    /// Whether it was used since the latest tick.
    is_used: bool,
    /// Whether this VM saw requests of it.
    has_requests: bool,
    /// Bits of [`Traffic`] that this VM has noted in the store.
    noted: u8,
    /// The latest tick that found it used.
    used: Option<Time>,
    /// The value of `used` that was published last.
    published: Option<Time>,
    /// When `used` is published next.
    publish_at: Option<Time>,
    client: SessionClient,
}

/// The latest use of a session, to be published.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastUse {
    pub(super) session: SessionKey,
    pub(super) at: Time,
    pub(super) has_requests: bool,
}

/// When this VM checks a slot of [`super::sessions`] for idle sessions.
#[derive(Debug)]
pub(super) struct IdleCheck {
    /// The earliest time at which a session can have been idle for too long.
    pub(super) due: Time,
    pub(super) is_first_done: bool,
    /// Whether the latest check found an inactive session.
    pub(super) has_inactive: bool,
}

// === impl IdleCheck ===

impl IdleCheck {
    /// Whether another VM may soon take a session of this slot for idle, or does so already.
    pub(super) fn is_urgent(&self, now: Time) -> bool {
        self.has_inactive || self.is_first_done && self.due <= now.plus(PUBLISH_INTERVAL.saturating_mul(2))
    }
}

// === impl LocalSession ===

impl LocalSession {
    fn new(session: SessionKey, is_request: bool) -> Self {
        let (used, published, publish_at) = (None, None, None);
        Self {
            session,
            open_exchanges: 1,
            is_used: true,
            has_requests: is_request,
            noted: 0,
            used,
            published,
            publish_at,
            client: SessionClient::NotRead,
        }
    }

    /// A tick at `now`: returns the latest use.
    fn tick(&mut self, now: Time) -> LastUse {
        if std::mem::take(&mut self.is_used) || self.open_exchanges > 0 {
            self.used = Some(now);
        }
        self.publish_at.get_or_insert_with(|| now.plus(PUBLISH_INTERVAL));
        LastUse { session: self.session, at: self.used.unwrap_or(now), has_requests: self.has_requests }
    }

    fn is_published(&self) -> bool {
        !self.is_used && self.used == self.published
    }
}

// === impl Activity ===

impl Activity {
    /// What the tick at `now` publishes. Drops sessions whose latest use was published and is long ago.
    pub(super) fn take_due(&mut self, now: Time) -> Vec<LastUse> {
        let mut due: Vec<LastUse> = self.evicted.drain(..).map(|mut evicted| evicted.tick(now)).collect();
        for local in self.sessions.values_mut() {
            let last_use = local.tick(now);
            let slot = sessions::TABLE.slot_of(local.session.0) as usize;
            let is_urgent =
                local.published.is_none() && self.checks.get(slot).is_some_and(|check| check.is_urgent(now));
            if local.used != local.published && (is_urgent || local.publish_at <= Some(now)) {
                (local.published, local.publish_at) = (local.used, Some(now.plus(PUBLISH_INTERVAL)));
                due.push(last_use);
            }
        }
        self.sessions.retain(|_, local| {
            let is_recent = local.used.is_some_and(|used| now < used.plus(RETENTION));
            local.open_exchanges > 0 || !local.is_published() || is_recent
        });
        due
    }

    /// Evicts sessions without an open exchange, if there are too many.
    fn make_room(&mut self) {
        if self.sessions.len() < self.evict_at.max(MAX_IDLE) {
            return;
        }
        // With this capacity the map rehashes in place instead of growing again.
        self.sessions.reserve((2 * MAX_IDLE).saturating_sub(self.sessions.len()));
        let used = |local: &LocalSession| if local.is_used { Some(Time(u64::MAX)) } else { local.used };
        // A sort or a selection would add many times as much code to the module.
        let idle = self.sessions.values().filter(|local| local.open_exchanges == 0).map(|local| Reverse(used(local)));
        let mut idle: BinaryHeap<_> = idle.collect();
        // Evicts a quarter at once, so that evictions are rare.
        if idle.len() >= MAX_IDLE
            && let Some(Reverse(limit)) = std::iter::from_fn(|| idle.pop()).nth(MAX_IDLE / 4)
        {
            let Self { sessions, evicted, .. } = self;
            sessions.retain(|_, local| {
                let is_kept = local.open_exchanges > 0 || used(local) > limit;
                if !is_kept && !local.is_published() && evicted.len() < MAX_EVICTED {
                    evicted.push(local.clone());
                }
                is_kept
            });
        }
        self.evict_at = self.sessions.len() + MAX_IDLE / 4;
    }
}

// === impl Correlation ===

impl Correlation {
    /// An exchange of a session starts; `digest` is of the session's id. Returns what this VM knows about the client's name, or
    /// `None` if it does not know the session.
    pub(crate) fn exchange_started(&self, digest: u64, is_request: bool) -> Option<SessionClient> {
        let mut activity = self.activity.borrow_mut();
        let local = activity.sessions.get_mut(&digest)?;
        (local.open_exchanges, local.is_used) = (local.open_exchanges + 1, true);
        local.has_requests |= is_request;
        Some(local.client.clone())
    }

    /// [`exchange_started`](Self::exchange_started) for a session that this VM does not know.
    #[inline(never)]
    pub(crate) fn first_exchange_started(&self, digest: u64, session: SessionKey, is_request: bool) {
        let mut activity = self.activity.borrow_mut();
        activity.make_room();
        activity.sessions.insert(digest, LocalSession::new(session, is_request));
    }

    /// The name that the session's client gave in `initialize`. On Streamable HTTP this VM reads it once. On HTTP+SSE the
    /// session is older than its `initialize`, so this VM reads it until the session's start is in the store.
    #[inline(never)]
    pub(crate) fn client_of_session(&self, digest: u64, session: SessionKey, transport: Transport) -> Option<Rc<str>> {
        let entry = self.session_entry(session);
        let is_final = entry.is_some() || transport == Transport::StreamableHttp;
        let name = entry.and_then(|entry| entry.client_name);
        if let Some(local) = self.activity.borrow_mut().sessions.get_mut(&digest).filter(|_| is_final) {
            local.client = SessionClient::Read(name.clone());
        }
        name
    }

    /// An exchange of a session ended.
    pub(crate) fn exchange_ended(&self, digest: u64) {
        let mut activity = self.activity.borrow_mut();
        if let Some(local) = activity.sessions.get_mut(&digest) {
            (local.open_exchanges, local.is_used) = (local.open_exchanges.saturating_sub(1), true);
        }
    }

    /// [`remember_traffic`](Self::remember_traffic), unless this VM did so lately.
    pub(crate) fn remember_traffic_once(&self, digest: u64, session: SessionKey, traffic: Traffic) {
        if let Some(local) = self.activity.borrow_mut().sessions.get_mut(&digest) {
            if local.noted & traffic as u8 != 0 {
                return;
            }
            local.noted |= traffic as u8;
        }
        self.remember_traffic(session, traffic);
    }

    /// Whether this VM saw requests of the session lately.
    pub(super) fn has_local_requests(&self, session: SessionKey) -> bool {
        self.activity.borrow().sessions.values().any(|local| local.session == session && local.has_requests)
    }
}
