#!/usr/bin/env bash
# Tests the manifests for Istio: a real istiod accepts them, and proxies under Istio's own agent load the filter and serve its
# metrics.
#
#   scripts/test-istio.sh -k sidecar   any pytest argument
#
# MCP_FILTER_WASM may name a module that is built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go spaces cache
# Istio's agent keeps modules in a fixed folder, so each agent gets a separate mount namespace.
if ! unshare --map-root-user --mount mount -t tmpfs none /var/lib; then
  # pytest's format, so that it counts as skipped.
  echo "SKIPPED [1] scripts/test-istio.sh: cannot run here: no user namespaces with mounts (root, or sysctl kernel.apparmor_restrict_unprivileged_userns=0 where AppArmor forbids them)"
  echo "1 skipped in 0s"
  exit
fi
python=$(scripts/get.sh python k8s)
for name in envoy etcd kube-apiserver kubectl helm crds istio collector promtool crane oras; do scripts/get.sh "$name" >/dev/null; done
for name in e2e image; do scripts/get.sh python "$name" >/dev/null; done
if [ -z "${MCP_FILTER_WASM:-}" ]; then
  MCP_FILTER_WASM=$(step "Building the filter" scripts/build-filter.sh)
  export MCP_FILTER_WASM
fi
exec "$python" -m pytest -c tests/istio/pytest.ini --rootdir tests/istio tests/istio "$@"
