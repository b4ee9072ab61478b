//! What crosses exchanges: operations answered on another stream, requests of the server, cancellations, sessions, tasks and
//! replayed events. MCP 2024-11-05 (HTTP+SSE), 2025-03-26 to 2025-11-25 (sessions, resumed streams, tasks), and the tasks
//! extension of 2026.
//!
//! Everything is kept in [`SharedData`], so that it does not matter which worker sees which half. Nothing can be deleted there:
//! seven tables with a fixed number of slots each hold it, a slot is read, changed and written back over the version that was
//! read, and whatever finds no room pushes out the oldest. Session ids, task ids and event ids are kept as keyed hashes
//! (SipHash-2-4), never as they are.
//!
//! | table | slots | bytes per slot, at most | holds |
//! |---|---|---|---|
//! | [`links`] | 256 | 8192 | operations, cancellations and requests of the server, by session |
//! | [`sessions`] | 64 | 4096 | when 6500 sessions began, with which protocol version, and whether they are active |
//! | [`coverage`] | 64 | 2048 | of which 16,384 sessions this process saw streams or requests |
//! | [`tasks`] | 64 | 4096 | which tool started a task, and whether its end was seen |
//! | [`event_ids`] | 64 | 2560 | the latest 640 event ids of the sessions that share it |
//! | `endpoints` | 1 | 2560 | the latest 256 unusual addresses of HTTP+SSE |
//! | `endpoints` | 1 | 2560 | the latest 256 paths of streams of HTTP+SSE |
//! | [`leases`] | 1 | 2562 | which VMs follow all this |
//!
//! **Bound:** 2.9 MiB with the keys, per server name and process, whatever arrives. Links end after [`links::EXPIRY`] unless an
//! open stream holds them; for each such stream its VM keeps 8 bytes.
//!
//! **Cost:** a look-up is one read and one write of a slot, about 2 us with a few entries. An operation answered by plain JSON,
//! and everything of 2026-07-28 but tasks, never comes here; of its session, [`activity`] keeps a mark in the VM's own memory.
//!
//! **What it does not do:** follow clients without a session id; ids repeat among them, so nothing can be told apart.

mod activity;
pub(crate) mod coverage;
mod endpoints;
pub(crate) mod event_ids;
mod leases;
pub(crate) mod links;
pub(crate) mod sessions;
mod stream_id;
pub(crate) mod tasks;
mod tick;

use crate::host::SharedData;
use crate::label::ProtocolVersion;
use crate::shared_data::update;
use crate::text::Text;
use serde::Serialize;
use serde::de::DeserializeOwned;
use siphasher::sip::SipHasher24;
use std::cell::{Cell, RefCell};
use std::hash::Hasher as _;
use std::rc::Rc;
pub(crate) use stream_id::StreamId;

/// Every key begins with it; the number changes when the layout of any value does.
pub const KEY_PREFIX: &str = "mcp_observability/2/";
/// Length of the key under which ids are hashed.
pub const HASH_KEY_BYTES: usize = 16;

/// A session of one server, as a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionKey(u64);

/// The correlation store, as one VM sees it.
pub struct Correlation {
    shared: Rc<dyn SharedData>,
    prefix: String,
    hash_key: [u8; HASH_KEY_BYTES],
    /// Number of the latest stream id of this VM.
    last_stream: Cell<u64>,
    /// Events that passed and are not saved yet.
    events: RefCell<Vec<event_ids::EventKey>>,
    /// Of sessions that were asked for, as [`sessions`] knows them.
    protocol_versions: RefCell<Vec<(u64, Option<ProtocolVersion>)>>,
    /// The slot of links that is swept next.
    swept: Cell<u64>,
    /// Open streams of this VM that links may wait for, sorted.
    open: RefCell<Vec<StreamId>>,
    /// Name of this VM among those of [`leases`], and when it says again that it is one.
    vm: u64,
    lease_renewed_at: Cell<u64>,
    /// This VM follows nothing any more.
    is_gone: Cell<bool>,
    /// Which sessions are used here.
    uses: RefCell<activity::Uses>,
}

impl std::fmt::Debug for Correlation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Correlation").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

// === impl SessionKey ===

impl SessionKey {
    /// A number that is the same in all VMs of the process.
    pub(crate) fn digest(self) -> u64 {
        self.0
    }

    /// Of the session's stream on HTTP+SSE, which is open as long as the session.
    pub(crate) fn stream_id(self) -> StreamId {
        StreamId::of_hash(self.0)
    }
}

// === impl Correlation ===

impl Correlation {
    /// For all plugins with the same [`Config::namespace`](crate::Config::namespace). `seed` differs between the VMs of a process.
    #[must_use]
    pub fn new(shared: Rc<dyn SharedData>, namespace: &str, hash_key: [u8; HASH_KEY_BYTES], seed: u64) -> Self {
        Self {
            shared,
            // The key is the same in all VMs of the process, so this is as well.
            prefix: format!("{KEY_PREFIX}{:016x}/", hash(&hash_key, &[namespace.as_bytes()])),
            hash_key,
            last_stream: Cell::new(seed),
            events: RefCell::default(),
            protocol_versions: RefCell::default(),
            swept: Cell::new(seed),
            open: RefCell::default(),
            vm: seed,
            lease_renewed_at: Cell::default(),
            is_gone: Cell::default(),
            uses: RefCell::default(),
        }
    }

    /// The session with this id at this server.
    pub(crate) fn session(&self, server: &[u8], id: &Text) -> SessionKey {
        SessionKey(self.hash(&[server, id.start(), &id.length().to_le_bytes(), &id.digest().to_le_bytes()]))
    }

    /// For a stream that opens. No other VM makes the same one.
    pub(crate) fn new_stream_id(&self) -> StreamId {
        let number = self.last_stream.get().wrapping_add(1);
        self.last_stream.set(number);
        StreamId::of_hash(self.hash(&[&number.to_le_bytes()]))
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        hash(&self.hash_key, parts)
    }

    fn key(&self, table: char, slot: u64) -> String {
        format!("{}{table}{slot:x}", self.prefix)
    }

    /// Changes a slot; `change` says whether it did. A value of unexpected shape counts as absent.
    fn edit<S, T>(&self, key: &str, mut change: impl FnMut(&mut S) -> (bool, T)) -> Option<T>
    where
        S: Default + Serialize + DeserializeOwned,
    {
        let mut found = None;
        let is_done = self.edit_table(key, &mut |slot: &mut S| {
            let (changed, new) = change(slot);
            found = Some(new);
            changed
        });
        found.filter(|_| is_done)
    }

    /// [`Correlation::edit`] for every `change`, so that reading and writing a table is compiled once. Whether it came through.
    #[inline(never)]
    fn edit_table<S>(&self, key: &str, change: &mut dyn FnMut(&mut S) -> bool) -> bool
    where
        S: Default + Serialize + DeserializeOwned,
    {
        let done = update(self.shared.as_ref(), key, |bytes| {
            let mut slot: S = postcard::from_bytes(bytes).unwrap_or_default();
            if !change(&mut slot) {
                return (false, ());
            }
            // A Vec has room for everything.
            match postcard::to_allocvec(&slot) {
                Ok(written) => *bytes = written,
                Err(_) => return (false, ()),
            }
            (true, ())
        });
        done.is_some()
    }

    fn read<S: Default + DeserializeOwned>(&self, key: &str) -> S {
        let value = self.shared.read(key);
        value.and_then(|value| postcard::from_bytes(&value.bytes).ok()).unwrap_or_default()
    }
}

/// SipHash-2-4 of the parts, each behind its length.
fn hash(key: &[u8; HASH_KEY_BYTES], parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(key);
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
