#!/usr/bin/env bash
# Tests sidecars, collector and Prometheus together, with real Envoys and the repository's configuration.
#
#   scripts/test-stack.sh -k outage   any pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go spaces cache
python=$(scripts/get.sh python e2e)
for name in envoy collector prometheus promtool; do scripts/get.sh "$name" >/dev/null; done
build_sidecar
# Tests mostly wait, so four files run at a time; `-n 0` runs them in one process.
exec "$python" -m pytest -c tests/stack/pytest.ini --rootdir tests/stack -n 4 --dist loadfile tests/stack "$@"
