#!/usr/bin/env bash
# Tests the load test with real servers behind a real sidecar: equal counts pass, different counts fail.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

cargo build --quiet --release --locked -p loadtest
LOADTEST=$CARGO_TARGET_DIR/release/loadtest
export LOADTEST
exec scripts/test-e2e.sh -m loadtest
