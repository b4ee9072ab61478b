//! The host's state while a module runs: that of the VM and of its streams.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use wasmtime::{Memory, TypedFunc};

use crate::Plugin;
use crate::metrics::Kind;
use crate::process::Process;
use crate::trace::Trace;
use crate::vm::Side;

/// Response flags as the property `response.flags` encodes them.
pub mod flags {
    /// Upstream request timeout.
    pub const UT: u64 = 0x4;
    /// Local reset.
    pub const LR: u64 = 0x8;
    /// Upstream remote reset.
    pub const UR: u64 = 0x10;
    /// Upstream connection failure.
    pub const UF: u64 = 0x20;
    /// Upstream connection termination.
    pub const UC: u64 = 0x40;
    /// Upstream overflow.
    pub const UO: u64 = 0x80;
    /// No healthy upstream.
    pub const UH: u64 = 0x2;
    /// Downstream connection termination.
    pub const DC: u64 = 0x4000;
    /// Stream idle timeout.
    pub const SI: u64 = 0x10000;
    /// Maximum duration of the upstream stream reached.
    pub const UMSDR: u64 = 0x8_0000;
    /// Duration timeout.
    pub const DT: u64 = 0x40_0000;
    /// Rate limited.
    pub const RL: u64 = 0x800;
    /// No cluster found.
    pub const NC: u64 = 0x100_0000;
    /// Overload manager.
    pub const OM: u64 = 0x200_0000;
    /// Name resolution failed.
    pub const DF: u64 = 0x400_0000;
    /// Upstream protocol error.
    pub const UPE: u64 = 0x80_0000;
    /// Downstream remote reset.
    pub const DR: u64 = 0x1000_0000;
}

/// Id of the root context of every VM.
pub(crate) const ROOT: u32 = 1;

/// Headers or trailers, in order, names in lower case.
pub(crate) type Pairs = Vec<(String, Vec<u8>)>;

/// A response of the proxy itself, as the module asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
}

/// The header map or body that a callback may read. It is not available after the callback returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Create,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
    Done,
}

/// One HTTP stream as the host sees it.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) phase: Phase,
    pub(crate) request_headers: Option<Pairs>,
    pub(crate) response_headers: Option<Pairs>,
    pub(crate) trailers: Pairs,
    /// The body that the callback may read: a chunk, or all that is held.
    pub(crate) chunk: Vec<u8>,
    pub(crate) local_reply: Option<LocalReply>,
    /// The module resumed the request.
    pub(crate) is_resumed: bool,
    pub(crate) properties: HashMap<String, Vec<u8>>,
    pub(crate) filter_state: BTreeMap<String, String>,
}

/// The data of one VM's store.
pub(crate) struct State {
    pub(crate) process: Rc<RefCell<Process>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<i32, i32>>,
    /// Context the running callback is for.
    pub(crate) context: u32,
    pub(crate) streams: HashMap<u32, StreamState>,
    /// Metric ids are small and dense: kind in the low two bits, index above.
    pub(crate) metric_ids: Vec<(Kind, Vec<u8>)>,
    pub(crate) calls: BTreeMap<&'static str, u64>,
    /// Memory that the module allocated for what host calls return.
    pub(crate) host_allocations: u64,
    /// What the module does, while that is traced.
    pub(crate) trace: Option<Trace>,
    pub(crate) plugin_configuration: Vec<u8>,
    pub(crate) configuring: bool,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) random: fastrand::Rng,
    pub(crate) tick_period_ms: u32,
    pub(crate) last_critical: Option<String>,
}

// === impl Phase ===

impl Phase {
    pub(crate) fn of_headers(side: Side) -> Self {
        if side == Side::Request { Self::RequestHeaders } else { Self::ResponseHeaders }
    }

    pub(crate) fn of_body(side: Side) -> Self {
        if side == Side::Request { Self::RequestBody } else { Self::ResponseBody }
    }

    pub(crate) fn of_trailers(side: Side) -> Self {
        if side == Side::Request { Self::RequestTrailers } else { Self::ResponseTrailers }
    }
}

// === impl StreamState ===

impl StreamState {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Create,
            request_headers: None,
            response_headers: None,
            trailers: Vec::new(),
            chunk: Vec::new(),
            local_reply: None,
            is_resumed: false,
            properties: HashMap::new(),
            filter_state: BTreeMap::new(),
        }
    }
}

// === impl State ===

impl State {
    pub(crate) fn new(process: Rc<RefCell<Process>>, plugin: &Plugin, number: u64) -> Self {
        Self {
            process,
            memory: None,
            allocate: None,
            context: ROOT,
            streams: HashMap::new(),
            metric_ids: Vec::new(),
            calls: BTreeMap::new(),
            host_allocations: 0,
            trace: None,
            plugin_configuration: plugin.configuration.clone(),
            configuring: false,
            environment: plugin.environment.clone(),
            random: fastrand::Rng::with_seed(number),
            tick_period_ms: 0,
            last_critical: None,
        }
    }

    pub(crate) fn count(&mut self, call: &'static str) {
        *self.calls.entry(call).or_insert(0) += 1;
    }

    /// Notes that memory of the module was read or written.
    pub(crate) fn touch(&mut self, from: u64, size: u64) {
        if let Some(trace) = &mut self.trace {
            trace.touch(from, size);
        }
    }

    pub(crate) fn stream(&self) -> Option<&StreamState> {
        self.streams.get(&self.context)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut StreamState> {
        self.streams.get_mut(&self.context)
    }
}
