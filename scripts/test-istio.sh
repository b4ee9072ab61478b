#!/usr/bin/env bash
# The manifests for Istio: a real istiod takes them, proxies under Istio's own agent load the filter and show its metrics.
#
#   scripts/test-istio.sh -k sidecar   any pytest argument
#
# MCP_FILTER_WASM, where set, names a module that is built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go spaces cache
# Istio's agent keeps modules in a folder of fixed name; each gets a view of its own of the file system.
if ! unshare --map-root-user --mount mount -t tmpfs none /var/lib; then
  # As pytest says it: counted as skipped, never as passed.
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
