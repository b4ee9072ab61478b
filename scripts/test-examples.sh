#!/usr/bin/env bash
# Runs each example behind the sidecar with real clients, and compares the series with those on the example's page.
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

python=$(scripts/get.sh python e2e)
build_sidecar
exec "$python" -m pytest -c tests/examples/pytest.ini --rootdir tests/examples tests/examples "$@"
