//! The Envoy filter: it receives proxy-wasm callbacks and makes host calls. The logic is in [`mcp_observe`].
//!
//! Without a rate limit the filter only observes: every callback returns `Continue`, and the traffic is not changed. Host
//! calls are most of its cost, so all of them are in `host`.

#![expect(missing_docs, reason = "the SDK's macro defines the entry point without documentation")]

mod host;
mod http;
mod response_flags;
mod root;

use proxy_wasm::types::LogLevel;

/// One per VM, which has one thread.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: mcp_allocator::SizeClasses<std::alloc::System> = mcp_allocator::SizeClasses::new(std::alloc::System);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
