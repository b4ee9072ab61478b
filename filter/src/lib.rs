//! The Envoy filter: proxy-wasm callbacks in, host calls out, everything between them in [`mcp_observe`].
//!
//! It observes only: every callback answers `Continue`, nothing is written to the traffic. Host calls are what it costs, so
//! they all live in `host` and each is made only when its answer decides something.

#![expect(missing_docs, reason = "the SDK's macro defines the entry point without documentation")]

mod host;
mod http;
mod plugin;
mod root;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
