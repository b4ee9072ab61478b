#!/usr/bin/env bash
# Runs a real MCP server behind the sidecar, calls it with real clients, and prints the sidecar's series.
#
#   scripts/demo.sh          runs and ends; exit 1 if the series differ from the clients' calls
#   KEEP=1 scripts/demo.sh   leaves server and sidecar running until Ctrl-C
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

build_sidecar
ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
say "Getting the Python environments"
WEATHER_PYTHON=$(scripts/get.sh python weather)
OLD_CLIENT_PYTHON=$(scripts/get.sh python mcp-old)
python=$(scripts/get.sh python demo)
export ENVOY_BIN WEATHER_PYTHON OLD_CLIENT_PYTHON
export MCP_SIDECAR_BIN=$MCP_SIDECAR

exec "$python" scripts/demo/demo.py
