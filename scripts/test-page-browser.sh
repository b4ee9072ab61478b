#!/usr/bin/env bash
# Tests the live page in Chromium: as a real sidecar serves it, and with a /metrics that the tests write.
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already; CHROMIUM another browser.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache browser

build_sidecar
ENVOY_BIN=$(scripts/get.sh envoy)
export ENVOY_BIN
exec page/tests/run.sh page/tests/browser_{page,sidecar,command}.test.mjs
