#!/usr/bin/env bash
# The pipeline behind the sidecar: real Envoys, the collector and Prometheus with the repository's configuration.
#
#   scripts/test-stack.sh -k outage   any pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR, where set, name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go spaces cache
python=$(scripts/get.sh python e2e)
for name in envoy collector prometheus promtool; do scripts/get.sh "$name" >/dev/null; done
build_sidecar
# Most of a test is waiting, so four files run at a time; `-n 0` runs them in one process.
exec "$python" -m pytest -c tests/stack/pytest.ini --rootdir tests/stack -n 4 --dist loadfile tests/stack "$@"
