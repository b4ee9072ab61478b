#!/usr/bin/env bash
# The end-to-end suite: real clients and servers through a real Envoy with the filter.
#
#   scripts/test-e2e.sh              all tests except those that take minutes
#   scripts/test-e2e.sh -m soak      the tests that take minutes
#   scripts/test-e2e.sh -k outcome   any other pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache
python=$(scripts/get.sh python e2e)
prepare_peers
scripts/get.sh python mcp-1-8 >/dev/null
# Tests mostly wait, so four files run at a time; `-n 0` runs them in one process.
exec "$python" -m pytest -c tests/e2e/pytest.ini --rootdir tests/e2e -n 4 --dist loadfile tests/e2e "$@"
