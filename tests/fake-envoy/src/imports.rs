//! What a module may import, and why. Anything else is refused at load.
//!
//! Calls that change traffic (headers, bodies, local replies, continue and close of streams) are left out
//! on purpose: a module that cannot name them cannot make them.

use wasmtime::Module;

use crate::Fault;

/// One import of the allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Wasm module the import comes from.
    pub module: &'static str,
    /// Name in that module.
    pub name: &'static str,
    /// Why an observer needs it.
    pub reason: &'static str,
}

const fn env(name: &'static str, reason: &'static str) -> Import {
    Import { module: "env", name, reason }
}

const fn wasi(name: &'static str, reason: &'static str) -> Import {
    Import { module: "wasi_snapshot_preview1", name, reason }
}

/// Everything the filter may import.
pub const ALLOWED_IMPORTS: &[Import] = &[
    env("proxy_log", "the operator must hear of a refused configuration"),
    env("proxy_get_log_level", "lines below Envoy's level are not worth formatting"),
    env("proxy_get_current_time_nanoseconds", "wall clock"),
    env("proxy_set_tick_period_milliseconds", "counters are gathered and flushed by the tick"),
    env("proxy_get_buffer_bytes", "bodies and the configuration are read"),
    env("proxy_get_header_map_value", "single headers are read"),
    env("proxy_get_header_map_pairs", "all headers at once are read"),
    env("proxy_get_property", "response flags, cluster name, node metadata"),
    env("proxy_set_property", "filter state for access logs and spans"),
    env("proxy_get_shared_data", "budgets hold for all workers together"),
    env("proxy_set_shared_data", "budgets hold for all workers together"),
    env("proxy_define_metric", "a series is defined once"),
    env("proxy_increment_metric", "counters and gauges move"),
    env("proxy_record_metric", "histograms and absolute gauges"),
    env("proxy_get_metric", "a gauge may be read back"),
    env("proxy_set_effective_context", "the SDK's dispatcher names it for callouts"),
    wasi("clock_time_get", "monotonic time"),
    wasi("random_get", "seeds of hash maps"),
    wasi("environ_get", "the hash key comes from the VM's environment"),
    wasi("environ_sizes_get", "the hash key comes from the VM's environment"),
    wasi("fd_write", "a panic message goes to standard error"),
    wasi("proc_exit", "the C runtime's abort"),
];

/// Checks every import of `module` against the list.
///
/// # Errors
///
/// All imports that are not on it.
pub(crate) fn check(module: &Module) -> Result<(), Fault> {
    let forbidden: Vec<String> = module
        .imports()
        .filter(|import| {
            !ALLOWED_IMPORTS.iter().any(|allowed| allowed.module == import.module() && allowed.name == import.name())
        })
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if forbidden.is_empty() { Ok(()) } else { Err(Fault::ForbiddenImports(forbidden)) }
}
