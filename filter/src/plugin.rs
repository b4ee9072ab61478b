//! One plugin in one VM: its configuration, its stats, and what its streams share.

use crate::host::{self, Envoy};
use mcp_observe::{
    Config, Correlation, HASH_KEY_BYTES, Host as _, KEY_PREFIX, Observation, Recorder, Server, ServerNameFrom,
    SharedData as _,
};
use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::rc::Rc;

/// What the streams of a plugin share.
pub(crate) struct Plugin {
    pub(crate) config: Rc<Config>,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) correlation: Correlation,
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
        let process_key = process_key();
        let config = Rc::new(config.with_process_secret(&process_key));
        let mut recorder = Recorder::new(Rc::clone(&config));
        let server = match config.server_name_from() {
            ServerNameFrom::Cluster => None,
            ServerNameFrom::Config | ServerNameFrom::Workload => Some(recorder.server(config.server_name().as_bytes())),
        };
        let correlation = Correlation::new(Rc::new(Envoy), &config.namespace(), process_key, random());
        correlation.renew_lease(Envoy.now());
        let session_key = config.hash_key().map_or_else(|| process_key.to_vec(), |key| key.as_bytes().to_vec());
        let recorder = RefCell::new(recorder);
        Self { config, recorder, correlation, envoy: Envoy, server, session_key, ended: Cell::new(false) }
    }

    /// What time brings: links that waited too long end, and what was gathered is handed over.
    pub(crate) fn tick(&self) {
        self.correlation.tick(self.envoy.now(), &mut |name, observation| self.record(name, &observation));
        self.flush();
    }

    /// What belongs to no stream of this VM; with the name of its server, where it is not the plugin's.
    fn record(&self, name: Option<&str>, observation: &Observation<'_>) {
        let mut recorder = self.recorder.borrow_mut();
        let server = name.map(|name| recorder.server(name.as_bytes())).or(self.server);
        if let Some(server) = server {
            recorder.record(server, observation, &self.envoy);
        }
    }

    pub(crate) fn flush(&self) {
        self.recorder.borrow_mut().flush(&self.envoy);
    }

    /// The root context ends: what was gathered is handed over, and from now on every stream does so at its end.
    pub(crate) fn end(&self) {
        self.correlation.end(self.envoy.now(), &mut |name, observation| self.record(name, &observation));
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

/// The key under which ids are hashed: random, and the same in all VMs of the process. The first one to load writes it.
fn process_key() -> [u8; HASH_KEY_BYTES] {
    let name = format!("{KEY_PREFIX}hash_key");
    Envoy.write(&name, &[random().to_le_bytes(), random().to_le_bytes()].concat(), None);
    Envoy.read(&name).and_then(|key| key.bytes.try_into().ok()).unwrap_or_default()
}

fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// The workload's name in a mesh: node metadata, else the node's cluster.
fn workload_name() -> Vec<u8> {
    host::property(&["xds", "node", "metadata", "WORKLOAD_NAME"]).filter(|name| !name.is_empty()).unwrap_or_else(|| {
        log::warn!("server_name_from \"workload\": node metadata has no WORKLOAD_NAME, using the node's cluster");
        host::property(&["xds", "node", "cluster"]).unwrap_or_default()
    })
}
