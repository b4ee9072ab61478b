//! A proxy-wasm host for tests.
