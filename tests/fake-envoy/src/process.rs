//! One Envoy process: the compiled module and everything its workers share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::metrics::{Metrics, SeriesTable};
use crate::module::{Built, filter, traced_filter};
use crate::symbols::Symbols;
use crate::trace::Function;
use crate::{Fault, Plugin, Vm};

/// Wall clock at the start of every process; the monotonic clock starts at one second.
const START_OF_WALL_CLOCK_NS: u64 = 1_790_000_000_000_000_000;
const START_OF_CLOCK_NS: u64 = 1_000_000_000;

/// One line of Envoy's log that came from the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    /// The text.
    pub message: String,
}

/// What all workers of a process share.
pub(crate) struct Process {
    pub(crate) metrics: Metrics,
    pub(crate) shared_data: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    pub(crate) next_cas: u32,
    pub(crate) properties: HashMap<String, Vec<u8>>,
    pub(crate) log: Vec<LogLine>,
    clock_ns: u64,
    started_vms: u64,
}

/// One Envoy process with one module loaded.
pub struct Host {
    built: Built,
    process: Rc<RefCell<Process>>,
}

// === impl Process ===

impl Process {
    fn new() -> Self {
        Self {
            metrics: Metrics::default(),
            shared_data: HashMap::new(),
            next_cas: 0,
            properties: HashMap::from([("xds.node.cluster".to_owned(), b"sidecar".to_vec())]),
            log: Vec::new(),
            clock_ns: START_OF_CLOCK_NS,
            started_vms: 0,
        }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.clock_ns += u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    }

    pub(crate) fn monotonic_ns(&self) -> u64 {
        self.clock_ns
    }

    pub(crate) fn wall_ns(&self) -> u64 {
        START_OF_WALL_CLOCK_NS + self.clock_ns
    }
}

// === impl Host ===

impl Host {
    /// A process with the filter of this repository.
    ///
    /// The module is `$MCP_FILTER_WASM` if set, else what `scripts/build-filter.sh` builds, and is compiled
    /// once however many hosts a test program makes.
    ///
    /// # Errors
    ///
    /// If it cannot be built, loaded, or imports something it may not.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self::with(filter()?.built.clone()))
    }

    /// A process with any module, given as its bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded or imports something it may not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        Ok(Self::with(Built::plain(bytes)?))
    }

    /// A process with a copy of the filter that [`Vm::trace`] can observe. It does what the filter does, at the same
    /// addresses, but its fuel is not the filter's.
    ///
    /// # Errors
    ///
    /// As [`Host::new`]; or if the names of the filter's functions are not beside it.
    pub fn traced() -> Result<Self, Fault> {
        Ok(Self::with(traced_filter()?.clone()))
    }

    /// The same with any module that imports something, given as its bytes and lines `index:name` for its functions,
    /// imports first.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded, or the names are not those of its functions.
    pub fn traced_from_bytes(bytes: &[u8], names: &str) -> Result<Self, Fault> {
        Ok(Self::with(Built::traced(bytes, &Symbols::parse(names)?)?))
    }

    /// The filter of this repository with one text replaced by another, in the same process: another version of
    /// the module beside this one.
    ///
    /// # Errors
    ///
    /// As [`Host::new`]; or if the texts differ in length, or the first is not there.
    pub fn other_version(&self, text: &[u8], other: &[u8]) -> Result<Self, Fault> {
        let mut bytes = filter()?.bytes.clone();
        let mut count = 0;
        for place in 0..bytes.len() {
            let found =
                bytes.get_mut(place..place + text.len()).filter(|found| *found == text && text.len() == other.len());
            if let Some(found) = found {
                found.copy_from_slice(other);
                count += 1;
            }
        }
        if count == 0 {
            return Err(Fault::Load(format!("{} cannot be replaced in the module", text.escape_ascii())));
        }
        Ok(Self { built: Built::plain(&bytes)?, process: Rc::clone(&self.process) })
    }

    fn with(built: Built) -> Self {
        Self { built, process: Rc::new(RefCell::new(Process::new())) }
    }

    /// Starts a worker: instantiates the module, creates the root context, starts and configures it.
    ///
    /// # Errors
    ///
    /// A trap. A refused configuration is no error: [`Vm::is_configured`] returns whether it was accepted.
    pub fn start(&self, plugin: &Plugin) -> Result<Vm, Fault> {
        let number = {
            let mut process = self.process.borrow_mut();
            process.started_vms += 1;
            process.started_vms
        };
        Vm::start(&self.built.module, Rc::clone(&self.process), plugin, number)
    }

    /// Moves the clock of all workers forward.
    pub fn advance(&self, by: Duration) {
        self.process.borrow_mut().advance(by);
    }

    /// Sets a property that every stream and root context sees, such as `xds.node.metadata.WORKLOAD_NAME`.
    pub fn set_property(&self, path: &str, value: &[u8]) {
        self.process.borrow_mut().properties.insert(path.to_owned(), value.to_vec());
    }

    /// The scrape: every series that was ever defined, zeros included.
    ///
    /// # Errors
    ///
    /// A stat name that would break the exposition.
    pub fn series(&self) -> Result<SeriesTable, Fault> {
        self.process.borrow().metrics.table()
    }

    /// How many series there are; cheap.
    pub fn series_count(&self) -> usize {
        self.process.borrow().metrics.count()
    }

    /// Everything the module logged.
    pub fn log(&self) -> Vec<LogLine> {
        self.process.borrow().log.clone()
    }

    /// Keys of the shared data.
    pub fn shared_data_keys(&self) -> Vec<Vec<u8>> {
        self.process.borrow().shared_data.keys().cloned().collect()
    }

    /// Bytes of all keys and values of the shared data.
    pub fn shared_data_bytes(&self) -> usize {
        self.process.borrow().shared_data.iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }

    /// A value of the shared data.
    pub fn shared_data(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.process.borrow().shared_data.get(key).map(|(value, _)| value.clone())
    }

    /// Writes shared data as another plugin would.
    pub fn set_shared_data(&self, key: &[u8], value: &[u8]) {
        let mut process = self.process.borrow_mut();
        process.next_cas += 1;
        let cas = process.next_cas;
        process.shared_data.insert(key.to_vec(), (value.to_vec(), cas));
    }

    /// Size of the module in bytes.
    pub fn module_size(&self) -> usize {
        self.built.size
    }

    /// The functions that a traced module defines, in its order; none if the module is not traced.
    pub fn functions(&self) -> &[Function] {
        &self.built.functions
    }

    /// Imports of the module, as (module, name).
    pub fn imports(&self) -> Vec<(String, String)> {
        let imports = self.built.module.imports();
        imports.map(|import| (import.module().to_owned(), import.name().to_owned())).collect()
    }
}
