#!/usr/bin/env bash
# Tests servers on standard input and output behind the sidecar (`mcp-sidecar run -- COMMAND`), and the sidecar as such a server
# (`mcp-sidecar stdio`), with real programs and real clients.
#
#   scripts/test-connector.sh -k ends   any pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache
python=$(scripts/get.sh python e2e)
prepare_peers
cargo build --quiet --release --locked -p loadtest
export LOADTEST=$CARGO_TARGET_DIR/release/loadtest
# Programs and clients are processes of their own, so two tests run at a time on two cores; `-n 0` runs them in one process.
exec "$python" -m pytest -c tests/connector/pytest.ini --rootdir tests/connector -n 2 --dist loadgroup tests/connector "$@"
