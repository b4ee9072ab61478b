#!/usr/bin/env bash
# Compares CPU, throughput and memory of Envoy with the filter, without it, with an empty filter, and with Envoy's own MCP filter.
# Then measures single steps inside the VM. Takes about five minutes and writes target/bench.json.
#
#   STARTS=n          number of starts of the four Envoys (8)
#   ROUNDS=n          rounds per scenario and start (5)
#   SCENARIO=a,b      only these scenarios, without the measurements inside the VM
#   MCP_FILTER_WASM=F another module instead of the one in this checkout
#   --quick           a tenth of the requests: checks that the benchmark runs
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=bench-lib.sh
source scripts/bench-lib.sh

prepare_bench
build_modules
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
