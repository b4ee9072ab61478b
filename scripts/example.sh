#!/usr/bin/env bash
# Runs one example behind the sidecar, calls it with real clients, and compares the series with those on the example's page.
#
#   scripts/example.sh NAME          weather, postgres, agent-sdk-server or stdio; exit 1 if a series differs
#   KEEP=1 scripts/example.sh NAME   leaves server and sidecar running until Ctrl-C
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

name=${1:-}
case $name in
  weather) exec scripts/demo.sh ;;
  postgres) environment=postgres ;;
  agent-sdk-server) environment=agent ;;
  stdio) environment=weather ;;
  *) say "example.sh: unknown example '$name'; allowed: weather, postgres, agent-sdk-server, stdio"; exit 2 ;;
esac

scripts/prerequisites.sh rust c python node cache

build_sidecar
MCP_SIDECAR_BIN=$MCP_SIDECAR
ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
say "Getting the Python environments"
EXAMPLE_PYTHON=$(scripts/get.sh python "$environment")
OLD_CLIENT_PYTHON=$(scripts/get.sh python mcp-old)
NEW_CLIENT_PYTHON=$(scripts/get.sh python demo)
export MCP_SIDECAR_BIN ENVOY_BIN EXAMPLE_PYTHON OLD_CLIENT_PYTHON NEW_CLIENT_PYTHON
if [ "$name" = postgres ]; then
  POSTGRES_HOME=$(step "Getting PostgreSQL" scripts/get.sh postgres)
  export POSTGRES_HOME
fi

exec "$NEW_CLIENT_PYTHON" scripts/demo/example.py "$name"
