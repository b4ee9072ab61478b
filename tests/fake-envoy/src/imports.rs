//! What a module may import, and why. Anything else is refused at load.
//!
//! Some imports exist only because the SDK's traits name them. Examples are calls that change traffic or
//! send requests: the module may import them, but a call is a fault.

use wasmtime::{Linker, Module};

use crate::Fault;
use crate::guest::bad_call;
use crate::state::State;

/// What the host does when an import is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Answers as Envoy does.
    Observer,
    /// Fails: a filter that only observes does not call it.
    NeverCalled,
}

/// One import of the allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Wasm module the import comes from.
    pub module: &'static str,
    /// Name in that module.
    pub name: &'static str,
    /// Whether it may be called.
    pub usage: Use,
    /// Why it may be there.
    pub reason: &'static str,
}

const fn env(name: &'static str, reason: &'static str) -> Import {
    Import { module: "env", name, usage: Use::Observer, reason }
}

const fn wasi(name: &'static str, reason: &'static str) -> Import {
    Import { module: "wasi_snapshot_preview1", name, usage: Use::Observer, reason }
}

const fn never(name: &'static str, reason: &'static str) -> Import {
    Import { module: "env", name, usage: Use::NeverCalled, reason }
}

/// Everything the filter may import.
pub const ALLOWED_IMPORTS: &[Import] = &[
    env("proxy_log", "the operator must hear of a refused configuration"),
    env("proxy_get_current_time_nanoseconds", "wall clock; a method of the SDK's traits"),
    env("proxy_set_tick_period_milliseconds", "counters are gathered and flushed by the tick"),
    env("proxy_get_buffer_bytes", "bodies and the configuration are read"),
    env("proxy_get_header_map_value", "single headers are read"),
    env("proxy_get_header_map_pairs", "all headers at once; a method of the SDK's traits"),
    env("proxy_get_property", "response flags, cluster name, node metadata"),
    env("proxy_set_property", "filter state for access logs and spans"),
    env("proxy_get_shared_data", "budgets hold for all workers together"),
    env("proxy_set_shared_data", "budgets hold for all workers together"),
    env("proxy_define_metric", "a series is defined once"),
    env("proxy_increment_metric", "counters and gauges move"),
    env("proxy_record_metric", "histogram samples and absolute gauges"),
    env("proxy_send_local_response", "a request over a rate limit is refused"),
    env("proxy_continue_stream", "a request that was held too long passes on"),
    env("proxy_set_effective_context", "the tick resumes requests that are held"),
    wasi("clock_time_get", "monotonic time"),
    wasi("random_get", "seeds of hash maps"),
    wasi("environ_get", "the hash key comes from the VM's environment"),
    wasi("environ_sizes_get", "the hash key comes from the VM's environment"),
    wasi("fd_write", "a panic message goes to standard error"),
    wasi("proc_exit", "the C runtime's abort"),
    never("proxy_set_header_map_pairs", "a method of the SDK's traits; changes headers"),
    never("proxy_remove_header_map_value", "a method of the SDK's traits; changes headers"),
    never("proxy_close_stream", "a method of the SDK's traits; breaks the exchange"),
    never("proxy_done", "a method of the SDK's traits; only after a late done"),
    never("proxy_grpc_cancel", "a method of the SDK's traits; talks to others"),
    never("proxy_grpc_close", "a method of the SDK's traits; talks to others"),
    never("proxy_get_status", "a method of the SDK's traits; belongs to gRPC calls"),
    never("proxy_register_shared_queue", "a method of the SDK's traits; queues wake other VMs"),
    never("proxy_dequeue_shared_queue", "a method of the SDK's traits; queues wake other VMs"),
];

/// Checks every import of `module` against the list.
///
/// # Errors
///
/// All imports that are not on it.
pub(crate) fn check(module: &Module) -> Result<(), Fault> {
    let forbidden: Vec<String> = module
        .imports()
        .filter(|import| find(import.module(), import.name()).is_none())
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if forbidden.is_empty() { Ok(()) } else { Err(Fault::ForbiddenImports(forbidden)) }
}

/// Makes every call fail that must not be made.
pub(crate) fn link_never_called(linker: &mut Linker<State>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        let Some(Import { module: from, name, usage: Use::NeverCalled, .. }) = find(import.module(), import.name())
        else {
            continue;
        };
        let Some(signature) = import.ty().func().cloned() else { continue };
        linker
            .func_new(from, name, signature, move |_, _, _| Err(bad_call(format!("{name} is not for an observer"))))?;
    }
    Ok(())
}

fn find(module: &str, name: &str) -> Option<&'static Import> {
    ALLOWED_IMPORTS.iter().find(|allowed| allowed.module == module && allowed.name == name)
}
