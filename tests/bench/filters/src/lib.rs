//! Holds the wasm modules that the benchmarks compare with: see `examples/`.
