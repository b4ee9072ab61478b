//! A filter that makes five host calls per exchange and does nothing with what they return.
#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use bench_filters::Floor;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Floor::five()));
}}
