#!/usr/bin/env bash
# Prints what each recorded exchange costs, with what changed since the last commit. The costs do not depend on the machine.
#
#   scripts/cost.sh                         the table; UPDATE_COST=1 also writes it to tests/fake-envoy/cost.tsv
#   scripts/cost.sh --functions EXCHANGE    the functions that run in an exchange, with calls and bytes of code
#   scripts/cost.sh --features              small_json with each optional feature
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c node tools cache

MCP_FILTER_WASM=$(scripts/build-filter.sh)
export MCP_FILTER_WASM
if [ $# -eq 0 ]; then
  before=$target_dir/cost-before.tsv
  git show HEAD:tests/fake-envoy/cost.tsv >"$before"
  set -- "$before"
fi
cargo run --quiet --locked -p fake-envoy --example cost -- "$@"
