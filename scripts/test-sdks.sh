#!/usr/bin/env bash
# Tests more SDKs and gateways than the end-to-end suite, as clients and as servers, through a real Envoy with the filter.
#
#   scripts/test-sdks.sh -k fastmcp   any pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go cache
python=$(scripts/get.sh python e2e)
for name in mcp-old fastmcp-2 fastmcp-4; do scripts/get.sh python "$name" >/dev/null; done
for name in envoy node rmcp-server go-peers node-peers; do scripts/get.sh "$name" >/dev/null; done
build_sidecar
# Tests mostly wait, so four run at a time; `-n 0` runs them in one process.
exec "$python" -m pytest -c tests/sdks/pytest.ini --rootdir tests/sdks -n 4 --dist loadgroup tests/sdks "$@"
