//! The correlation store: what one exchange needs to know of others. It has operations that another stream may answer, server
//! requests, cancellations, sessions, tasks, and the ids of events, which a resumed stream may repeat.
//!
//! It covers MCP 2024-11-05 (HTTP+SSE), 2025-03-26 to 2025-11-25 (sessions, resumed streams, tasks), and the tasks extension
//! of 2026.
//!
//! The store is in [`SharedData`], so it does not matter which worker sees which exchange. A key of shared data cannot be
//! deleted, so each table has a fixed number of slots. A change reads a slot and writes it back, and starts again if another
//! VM wrote the slot in between. When a slot is full, its oldest entries are evicted. Session ids, task ids and event ids are
//! stored as keyed hashes (SipHash-2-4).
//!
//! | table | slots | bytes per slot, at most | entries |
//! |---|---|---|---|
//! | [`links`] | 256 | 8192 | operations, cancellations, server requests and early answers, by session |
//! | slots with early answers (in [`links`]) | 1 | 512 | which slots of links have early answers, so that each tick checks them |
//! | [`sessions`] | 64 | 5376 | start, protocol version, client and latest use of 6500 sessions, and whether they are active |
//! | [`coverage`] | 64 | 2048 | of which 16,384 sessions this process saw streams or requests |
//! | [`tasks`] | 64 | 4096 | which tool created a task, and whether the task's end was seen |
//! | [`event_ids`] | 64 | 2560 | latest 640 event ids of the sessions that share the slot |
//! | [`endpoints`] | 1 | 2048 | latest 256 unusual endpoints of HTTP+SSE |
//! | stream paths (in [`endpoints`]) | 1 | 2048 | latest 256 paths of streams of HTTP+SSE |
//! | [`leases`] | 1 | 2048 | which VMs follow the store |
//!
//! What an exchange does with the store:
//!
//! | when | method | table | what it does |
//! |---|---|---|---|
//! | the exchange is recognised | `exchange_started`, `first_exchange_started` | memory of the VM ([`activity`]) | marks its session as used |
//! | POST outside of a session | `is_endpoint` | endpoints | recognises an unusual endpoint |
//! | request body ends, HTTP+SSE | `save_operations` | links | the answers come on the session's stream |
//! | response to a POST is an event stream | `keep_operations`, `stream_opened` | memory of the VM ([`links`]) | the answers may come on another stream |
//! | the same, for lists, tasks, `initialize` and large batches | `save_operations`, `stream_opened` | links | the worker that sees the answer has to read all of it |
//! | before each look-up of an operation, a cancellation or the end of a session | `save_kept_operations` | links | adds the operations of the session that the VM kept |
//! | GET opens an event stream | `remember_traffic_once` | coverage | this process sees streams of the session |
//! | `endpoint` event | `remember_endpoint`, `remember_stream_path`, `stream_opened` | endpoints, stream paths | stores the addresses |
//! | event with an id | `remember_event`; if the stream was resumed, `has_event` | event_ids | finds events that are repeated |
//! | response message, on its operation's stream | `take_kept`, else `take_own_operation` | memory of the VM, else links | finds the operation that it answers |
//! | response message, on another stream | `take_operation`, else `leave_early_answer` | links | finds the operation, or is left for the VM that has it |
//! | result of `initialize` | `start_session` | sessions | the session is active |
//! | result without a protocol version | `protocol_version` | sessions | what `initialize` negotiated |
//! | first operation of a session that this VM sees; on HTTP+SSE again until the start is there | `client_of_session` | sessions | the name of the client |
//! | server request | `save_kept_operations`, `add_server_request` | links | the response comes with another exchange |
//! | client's response to it, server's cancellation of it | `end_server_request` | links | finds the server request |
//! | client's cancellation | `cancel_operation` | links | marks the operation, or is stored until the operation comes |
//! | result that creates a task, result or notification that shows its end | `start_task`, `end_task` | tasks | finds the tool |
//! | response ends without an answer | `save_kept_operations`, `take_all_kept`, then `save_operations`, `detach_stream`, `take_own_operation` or `take_cancellation` | links | another stream brought the answer, or may bring it later |
//! | stream with event ids ends | `save_event_ids_of` | event_ids | other workers may see the stream resumed |
//! | `initialize` is refused | `is_stream_path` | stream paths | recognises a client that tries transports |
//! | session ends | `end_session_links`, `end_session` | links, sessions | ends all that waits for it |
//! | exchange ends | `end_stream_links`, `stream_closed`, `exchange_ended` | links | ends what waits for its stream |
//! | tick | [`Correlation::tick`] | all but tasks and endpoints | see [`tick`] |
//! | root context ends | [`Correlation::end`] | leases, links, sessions | see [`tick`] |
//!
//! **Bound:** [`MAX_BYTES`] with the keys (2.89 MiB), per server name and process. Links expire after [`links::EXPIRY`]
//! unless an open stream holds them. For each such stream its VM keeps 8 bytes, and the operations that are not saved yet.
//!
//! **Cost:** one read and one write of a slot per method, about 2 us with a few entries. An operation on an event stream that
//! is answered before the next tick does not use the store, except for the ids of its events, if they have ids. Operations
//! answered by plain JSON do not use the store. Nor does anything of 2026-07-28 except tasks.
//!
//! **What it does not do:** follow clients without a session id. Their ids repeat, so their messages cannot be distinguished.

pub(crate) mod activity;
mod client_names;
pub(crate) mod coverage;
mod endpoints;
pub(crate) mod event_ids;
mod idle;
mod leases;
pub(crate) mod links;
pub(crate) mod sessions;
mod stream_id;
mod table;
mod tasks;
mod tick;

use crate::host::{SharedData, Time};
use crate::label::ProtocolVersion;
use crate::shared_data::KEY_PREFIX;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::cell::{Cell, RefCell};
use std::hash::Hasher as _;
use std::rc::Rc;
pub(crate) use stream_id::StreamId;
use table::Table;

/// Length of the key under which ids are hashed.
pub const HASH_KEY_BYTES: usize = 16;

/// All tables of the store.
const TABLES: [Table; 9] = [
    links::TABLE,
    links::LISTED_SLOTS,
    sessions::TABLE,
    coverage::TABLE,
    tasks::TABLE,
    event_ids::TABLE,
    endpoints::ENDPOINTS,
    endpoints::STREAM_PATHS,
    leases::TABLE,
];
/// Bytes of the store for one namespace, with its keys.
pub(crate) const MAX_BYTES: usize = table::max_bytes(&TABLES);
const _: () = assert!(MAX_BYTES <= 289 * 1024 * 1024 / 100);

/// A session of one server, as a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionKey(u64);

/// The correlation store, as one VM sees it.
pub struct Correlation {
    shared: Rc<dyn SharedData>,
    /// The prefix of all keys of this namespace.
    prefix: String,
    hash_key: [u8; HASH_KEY_BYTES],
    /// Identifies this VM in its lease.
    vm: u64,
    /// When this VM renews its lease; `None` before the first one.
    renew_lease_at: Cell<Option<Time>>,
    /// Whether this VM stopped following links.
    has_ended: Cell<bool>,
    /// Number of the latest stream id of this VM.
    last_stream: Cell<u64>,
    /// Open streams of this VM that links may wait for, sorted.
    open_streams: RefCell<Vec<StreamId>>,
    /// The slot of links in which the next tick looks for expired links first.
    next_expiry_slot: Cell<u64>,
    /// Operations on open event streams of this VM that are not in the store yet.
    kept_operations: RefCell<links::KeptOperations>,
    /// Events that passed this VM and are not in the store yet.
    unsaved_events: RefCell<Vec<event_ids::EventKey>>,
    /// The protocol versions that were read last.
    protocol_versions: RefCell<Vec<(SessionKey, Option<ProtocolVersion>)>>,
    client_names: RefCell<Vec<client_names::SeenName>>,
    activity: RefCell<activity::Activity>,
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

    /// Identifies the session's stream on HTTP+SSE, which is open as long as the session.
    pub(crate) fn stream_id(self) -> StreamId {
        StreamId::of_hash(self.0)
    }
}

// === impl Correlation ===

impl Correlation {
    /// The store of all plugins with the same `Config::namespace`. `seed` differs between the VMs
    /// of a process.
    #[must_use]
    pub fn new(shared: Rc<dyn SharedData>, namespace: &str, hash_key: [u8; HASH_KEY_BYTES], seed: u64) -> Self {
        Self {
            shared,
            // The hash key is the same in all VMs of the process, so the prefix is as well.
            prefix: format!("{KEY_PREFIX}{:016x}/", hash(&hash_key, &[namespace.as_bytes()])),
            hash_key,
            vm: seed,
            renew_lease_at: Cell::default(),
            has_ended: Cell::default(),
            last_stream: Cell::new(seed),
            open_streams: RefCell::default(),
            next_expiry_slot: Cell::new(seed),
            kept_operations: RefCell::default(),
            unsaved_events: RefCell::default(),
            protocol_versions: RefCell::default(),
            client_names: RefCell::default(),
            activity: RefCell::default(),
        }
    }

    /// The session with this id at this server.
    pub(crate) fn session(&self, server: &[u8], id: &Text) -> SessionKey {
        SessionKey(self.hash(&[server, id.start(), &id.length().to_le_bytes(), &id.digest().to_le_bytes()]))
    }

    /// An id for a stream that opens. No other VM makes the same one.
    pub(crate) fn new_stream_id(&self) -> StreamId {
        let number = self.last_stream.get().wrapping_add(1);
        self.last_stream.set(number);
        StreamId::of_hash(self.hash(&[&number.to_le_bytes()]))
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        hash(&self.hash_key, parts)
    }
}

/// SipHash-2-4 of the parts, each after its length.
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
