//! One plugin in one VM: its configuration, its stats, and the correlation store.
//!
//! A shell makes a [`Plugin`] from a configuration, and an [`HttpStream`] for each HTTP stream. It calls [`Plugin::tick`] about
//! twice a second, and [`Plugin::end`] when the plugin ends.

mod answer;
mod attributes;
mod held;
mod limited;
mod stream;

use crate::config::{Config, ServerNameFrom};
use crate::correlation::{Correlation, HASH_KEY_BYTES};
use crate::host::Shell;
use crate::limit::RateLimiter;
use crate::observation::Observation;
use crate::read::body::pool::BodyPool;
use crate::recorder::Recorder;
use crate::recorder::label_code::Server;
use crate::shared_data::KEY_PREFIX;
pub use answer::Answer;
use held::HeldStreams;
pub use limited::{Action, LimitedStream};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
pub use stream::HttpStream;

/// What the HTTP streams of a plugin share.
pub struct Plugin<S> {
    config: Rc<Config>,
    shell: Rc<S>,
    recorder: RefCell<Recorder>,
    correlation: Correlation,
    bodies: BodyPool,
    /// The server of all streams; `None` if each stream has the server of its cluster.
    server: Option<Server>,
    /// `None` without the block `rate_limit`.
    limiter: Option<RateLimiter>,
    held: HeldStreams,
    /// Whether the plugin ended, so that no tick flushes.
    has_ended: Cell<bool>,
}

impl<S> std::fmt::Debug for Plugin<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Plugin").field("config", &self.config).finish_non_exhaustive()
    }
}

// === impl Plugin ===

impl<S: Shell> Plugin<S> {
    /// Starts a plugin. Its initial series exist after the first flush.
    #[must_use]
    pub fn new(mut config: Config, shell: S) -> Self {
        if config.server_name_from == ServerNameFrom::Workload {
            config = config.with_server_name(&shell.workload_name());
        }
        let shell = Rc::new(shell);
        let process_key = process_key(&*shell);
        let config = Rc::new(config.with_process_secret(&process_key));
        let mut recorder = Recorder::new(Rc::clone(&config));
        let server = match config.server_name_from {
            ServerNameFrom::Cluster => None,
            ServerNameFrom::Config | ServerNameFrom::Workload => Some(recorder.server(config.server_name.as_bytes())),
        };
        let correlation = Correlation::new(Rc::<S>::clone(&shell), &config.namespace(), process_key, shell.random());
        correlation.renew_lease(shell.now());
        let recorder = RefCell::new(recorder);
        let (bodies, has_ended) = (BodyPool::default(), Cell::new(false));
        let (limiter, held) = (RateLimiter::new(&config), HeldStreams::default());
        Self { config, shell, recorder, correlation, bodies, server, limiter, held, has_ended }
    }

    /// Whether requests are limited: the shell then makes a [`LimitedStream`] for each HTTP stream, not an [`HttpStream`].
    #[must_use]
    #[inline]
    pub fn has_rate_limit(&self) -> bool {
        self.limiter.is_some()
    }

    /// The held streams whose body did not come in time. The shell resumes their requests. To be called after each tick.
    /// `received` returns [`Shell::received_bytes`] of a stream.
    pub fn release_overdue(&self, received: impl Fn(u32) -> u64) -> Vec<u32> {
        if self.has_rate_limit() { self.held.release_overdue(self.shell.now(), received) } else { Vec::new() }
    }

    /// Whether the proxy keeps the bodies of held requests back, so that no limit is applied.
    pub fn lacks_bodies(&self) -> bool {
        self.held.lacks_bodies()
    }

    /// The held streams of whose body nothing came. The shell resumes their requests when the plugin ends.
    pub fn release_all(&self) -> Vec<u32> {
        self.held.release_all()
    }

    /// Ends operations, server requests and sessions that expired, and flushes. To be called about twice a second.
    pub fn tick(&self) {
        self.correlation.tick(self.shell.now(), &mut |name, observation| self.record(name, &observation));
        self.flush();
    }

    /// Hands all changes and samples that were gathered to the host.
    pub fn flush(&self) {
        self.recorder.borrow_mut().flush(&*self.shell);
    }

    /// The plugin ends. After this, each callback of its streams flushes, because no tick does.
    pub fn end(&self) {
        self.correlation.end(self.shell.now(), &mut |name, observation| self.record(name, &observation));
        self.has_ended.set(true);
        self.flush();
    }

    /// Records an observation that belongs to no stream of this VM. `name` is the server's, if streams have their own.
    fn record(&self, name: Option<&str>, observation: &Observation<'_>) {
        let mut recorder = self.recorder.borrow_mut();
        let server = name.map(|name| recorder.server(name.as_bytes())).or(self.server);
        if let Some(server) = server {
            recorder.record(server, observation, &*self.shell);
        }
    }

    fn flush_if_ended(&self) {
        if self.has_ended.get() {
            self.flush();
        }
    }
}

/// The key under which ids are hashed: random, and the same in all VMs of the process. The first VM writes it.
fn process_key(shell: &impl Shell) -> [u8; HASH_KEY_BYTES] {
    let name = format!("{KEY_PREFIX}hash_key");
    shell.write(&name, &[shell.random().to_le_bytes(), shell.random().to_le_bytes()].concat(), None);
    shell.read(&name).and_then(|key| key.bytes.try_into().ok()).unwrap_or_default()
}
