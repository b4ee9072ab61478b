#!/usr/bin/env bash
# Runs the tests of the crates: core, allocator, filter shell, launcher, load test. In the launcher's tests Envoy validates each bootstrap.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

ENVOY_BIN=$(scripts/get.sh envoy)
MCP_FILTER_WASM=$(scripts/build-filter.sh)
export ENVOY_BIN MCP_FILTER_WASM
cargo test --quiet --locked -p mcp-observe -p mcp-allocator -p mcp-observability -p mcp-connector -p mcp-sidecar -p loadtest
