//! One plugin in one VM: its configuration, its stats, and what its streams share.

use crate::host::{self, Envoy};
use mcp_observe::{Config, Recorder, Server, ServerNameFrom, SharedData as _};
use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::rc::Rc;

/// Where the VMs of one process share the key under which sessions are hashed.
const SESSION_KEY: &str = "mcp_observability/1/session_key";

/// What the streams of a plugin share.
pub(crate) struct Plugin {
    pub(crate) config: Rc<Config>,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) envoy: Envoy,
    /// Of all streams, unless each has the server of its cluster.
    pub(crate) server: Option<Server>,
    /// Key for session hashes in filter state.
    pub(crate) session_key: Vec<u8>,
    /// The root context is gone: no tick will flush any more.
    ended: Cell<bool>,
}

// === impl Plugin ===

impl Plugin {
    pub(crate) fn new(mut config: Config) -> Self {
        if config.server_name_from() == ServerNameFrom::Workload {
            config = config.with_server_name(&workload_name());
        }
        let config = Rc::new(config);
        let mut recorder = Recorder::new(Rc::clone(&config));
        let server = match config.server_name_from() {
            ServerNameFrom::Cluster => None,
            ServerNameFrom::Config | ServerNameFrom::Workload => Some(recorder.server(config.server_name().as_bytes())),
        };
        let envoy = Envoy::new();
        let session_key = if config.filter_state() { session_key(&config, &envoy) } else { Vec::new() };
        let recorder = RefCell::new(recorder);
        Self { config, recorder, envoy, server, session_key, ended: Cell::new(false) }
    }

    pub(crate) fn flush(&self) {
        self.recorder.borrow_mut().flush(&self.envoy);
    }

    /// The root context ends: what was gathered is handed over, and from now on every stream does so at its end.
    pub(crate) fn end(&self) {
        self.flush();
        self.ended.set(true);
    }

    /// For streams that outlive the root context.
    pub(crate) fn flush_if_ended(&self) {
        if self.ended.get() {
            self.flush();
        }
    }
}

/// The configured key, else one that the VMs of this process agree on: the first one to load writes it.
fn session_key(config: &Config, envoy: &Envoy) -> Vec<u8> {
    if let Some(key) = config.hash_key() {
        return key.as_bytes().to_vec();
    }
    let random = || RandomState::new().hash_one(0_u8).to_le_bytes();
    envoy.write(SESSION_KEY, &[random(), random()].concat(), None);
    envoy.read(SESSION_KEY).map(|key| key.bytes).unwrap_or_default()
}

/// The workload's name in a mesh: node metadata, else the node's cluster.
fn workload_name() -> Vec<u8> {
    host::property(&["node", "metadata", "WORKLOAD_NAME"]).filter(|name| !name.is_empty()).unwrap_or_else(|| {
        log::warn!("server_name_from \"workload\": node metadata has no WORKLOAD_NAME, using the node's cluster");
        host::property(&["node", "cluster"]).unwrap_or_default()
    })
}
