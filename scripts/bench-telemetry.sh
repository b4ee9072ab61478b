#!/usr/bin/env bash
# Measures the CPU that filter state, the audit log, and spans and logs by OTLP add to a small call; docs/performance.md has the table.
#
#   ROUNDS=n scripts/bench-telemetry.sh     n rounds of 1,000 calls to each of five sidecars (10)
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

build_sidecar
ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
python=$(scripts/get.sh python demo)
export ENVOY_BIN MCP_SIDECAR MCP_FILTER_WASM

exec "$python" tests/bench/telemetry.py
