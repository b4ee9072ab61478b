#!/usr/bin/env bash
# Measures what a rate limit that refuses nothing adds to the filter inside Envoy; docs/performance.md has the table.
#
#   STARTS=n ROUNDS=n SCENARIO=a,b scripts/bench-rate-limit.sh
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=bench-lib.sh
source scripts/bench-lib.sh

prepare_bench
ours=${MCP_FILTER_WASM:-$(step "Building the filter" scripts/build-filter.sh)}
bench rate-limit "$ours"
