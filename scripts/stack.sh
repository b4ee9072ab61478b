#!/usr/bin/env bash
# Runs weather server, sidecar, collector, Prometheus and clients without containers, until Ctrl-C.
#
#   scripts/stack.sh           ports 4000 (MCP), 9902, 8889, 4318, 9090 (Prometheus); another free port if one is in use
#   ONCE=1 scripts/stack.sh    ends after the tables; exit 1 if Prometheus' counts differ from the clients'
#   STACK_STATE=DIRECTORY scripts/stack.sh    keeps the audit log, the spans and the logs in a new or an empty directory
#
# With OTEL_EXPORTER_OTLP_ENDPOINT the collector also sends metrics, spans and logs there.
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go cache

build_sidecar
ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
COLLECTOR_BIN=$(step "Getting the collector (built once, minutes)" scripts/get.sh collector)
PROMETHEUS_BIN=$(step "Getting Prometheus (built once, minutes)" scripts/get.sh prometheus)
say "Getting the Python environments"
WEATHER_PYTHON=$(scripts/get.sh python weather)
OLD_CLIENT_PYTHON=$(scripts/get.sh python mcp-old)
python=$(scripts/get.sh python demo)
export ENVOY_BIN COLLECTOR_BIN PROMETHEUS_BIN WEATHER_PYTHON OLD_CLIENT_PYTHON MCP_SIDECAR_BIN=$MCP_SIDECAR

exec "$python" scripts/pipeline/run.py
