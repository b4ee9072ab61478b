#!/usr/bin/env bash
# CPU, throughput and memory of Envoy with our filter beside plain Envoy, an empty filter and Envoy's own MCP filter;
# then what single steps cost inside the VM. Takes about five minutes and writes target/bench.json.
#
#   STARTS=n          times that the four Envoys are started (8)
#   ROUNDS=n          rounds over them per scenario and start (5)
#   SCENARIO=a,b      only these scenarios; then nothing is probed
#   MCP_FILTER_WASM=F another module instead of the one in this checkout
#   --quick           a tenth of the requests: to see that it runs, not to measure
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=bench-lib.sh
source scripts/bench-lib.sh

prepare_bench
ours=${MCP_FILTER_WASM:-$(step "Building the filter" scripts/build-filter.sh)}
json=$CARGO_TARGET_DIR/bench.json
[ -z "${SCENARIO:-}" ] || json=$CARGO_TARGET_DIR/bench-part.json

say "Comparing four Envoys"
bench compare --empty "$modules/empty.wasm" --ours "$ours" --json "$json" "$@"
say "Wrote $json"
[ -n "${SCENARIO:-}" ] && exit 0

say "Probing inside Envoy: host calls, the core, the events of a stream"
ROUNDS=40 SCENARIO=small_json bench probe "$modules/host_calls.wasm"
ROUNDS=20 SCENARIO=small_json bench probe "$modules/reading.wasm"
ROUNDS=400 SCENARIO=small_sse bench probe "$modules/reading.wasm"
