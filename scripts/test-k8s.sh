#!/usr/bin/env bash
# Tests the Kubernetes manifests: a real API server accepts them, and the pods' processes run with their settings.
#
#   scripts/test-k8s.sh -k restricted   any pytest argument
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go cache
scripts/k8s-rules.sh --check
python=$(scripts/get.sh python k8s)
for name in envoy collector promtool etcd kube-apiserver kubectl helm crds; do scripts/get.sh "$name" >/dev/null; done
scripts/get.sh python weather >/dev/null
build_sidecar
exec "$python" -m pytest -c tests/k8s/pytest.ini --rootdir tests/k8s tests/k8s "$@"
