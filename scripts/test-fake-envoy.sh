#!/usr/bin/env bash
# Runs the built module in a small host on wasmtime: no traps, no pauses, no unknown imports, and the cost of an exchange
# (scripts/cost.sh prints the table).
#
#   scripts/test-fake-envoy.sh                        all tests
#   scripts/test-fake-envoy.sh semantics              the tests whose names contain the text
#   scripts/test-fake-envoy.sh --skip schedules       any other argument of the test programs
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c node cache

MCP_FILTER_WASM=$(scripts/build-filter.sh)
export MCP_FILTER_WASM
cargo test --quiet --locked -p fake-envoy --tests -- "$@"
