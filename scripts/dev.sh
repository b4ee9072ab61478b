#!/usr/bin/env bash
# Runs the weather server behind the sidecar until Ctrl-C; rebuilds and restarts what changes.
#
#   PORT=4000 scripts/dev.sh    PORT, PROBE_PORT and ADMIN_PORT as in the sidecar's settings
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache

ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
say "Getting the Python environments"
WEATHER_PYTHON=$(scripts/get.sh python weather)
python=$(scripts/get.sh python dev)
export ENVOY_BIN WEATHER_PYTHON
export MCP_SIDECAR_BIN=$CARGO_TARGET_DIR/release/mcp-sidecar

exec "$python" scripts/demo/dev.py
