#!/usr/bin/env bash
# Builds the filter and prints the path of the module.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --locked --quiet --release --target wasm32-wasip1 -p mcp-observability
echo "${CARGO_TARGET_DIR:-$PWD/target}/wasm32-wasip1/release/mcp_observability.wasm"
