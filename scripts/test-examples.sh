#!/usr/bin/env bash
# Every example behind the sidecar, driven by real clients, against the series that its page promises.
#
# MCP_FILTER_WASM and MCP_SIDECAR, where set, name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

python=$(scripts/get.sh python e2e)
build_sidecar
exec "$python" -m pytest -c tests/examples/pytest.ini --rootdir tests/examples tests/examples "$@"
