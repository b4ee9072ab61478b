#!/usr/bin/env bash
# Tests the artefacts of `make release`: writes them, unpacks each into an empty root and runs what is in it there, installs the chart.
# Another root needs root, and the program for aarch64 an emulator (scripts/prerequisites.sh emulator); else those tests are skipped.
#
#   scripts/test-release.sh -k chart   any pytest argument
#   scripts/test-release.sh -m twice   builds a launcher a second time, in another checkout; takes minutes
#
# MCP_FILTER_WASM may name a module that is built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust-static c python node go spaces tools cache
python=$(scripts/get.sh python k8s)
for name in envoy collector promtool helm etcd kube-apiserver kubectl crds wasm-opt; do scripts/get.sh "$name" >/dev/null; done
CRANE_BIN=$(scripts/get.sh crane)
ORAS_BIN=$(scripts/get.sh oras)
export CRANE_BIN ORAS_BIN
MCP_FILTER_WASM=${MCP_FILTER_WASM:-$(step "Building the filter" scripts/build-filter.sh)}
export MCP_FILTER_WASM
exec "$python" -m pytest -c tests/release/pytest.ini --rootdir tests/release tests/release "$@"
