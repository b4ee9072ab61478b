#!/usr/bin/env bash
# Writes all artefacts of a release and their checksums: the same bytes for the same commit.
#
#   scripts/release.sh [DIRECTORY]    target/release-artefacts unless given; MCP_FILTER_WASM names a module that is built already
#
# mcp_observability.wasm                            the filter
# mcp-sidecar-VERSION-linux-{x86_64,aarch64}.tar.gz the launcher, a static program, with the filter
# mcp-observability-VERSION.tgz                     the Helm chart
# mcp-observability-VERSION.oci.tar                 the filter's image, an OCI image layout
# mcp-observability-monitoring-VERSION.tar.gz       configuration of collector and Prometheus, rules, dashboards
# *.cdx.json                                        SBOMs of the programs
# SHA256SUMS                                        checksums of all of these
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=../versions.env
source versions.env

scripts/prerequisites.sh rust-static c python node go tools cache
git rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
  { say "make release: $root is not a git checkout, and a release is that of a commit; clone the repository"; exit 1; }
directory=$(realpath -m --relative-base="$root" "${1:-$target_dir/release-artefacts}")
if [ -n "$(ls -A "$directory" 2>/dev/null)" ] && [ ! -e "$directory/SHA256SUMS" ]; then
  say "make release: $directory has no SHA256SUMS and is not empty; name a new or an empty directory"
  exit 1
fi
module=${MCP_FILTER_WASM:-$(step "Building the filter" scripts/build-filter.sh)}
programs=()
for processor in x86_64 aarch64; do
  programs+=("$processor=$(step "Building the launcher for $processor" scripts/build-static.sh "$processor")")
done
python=$(scripts/get.sh python image)
WASM_OPT=$(scripts/get.sh wasm-opt)
export WASM_OPT COLLECTOR PYTHONPATH="$root/scripts/image"
packed=$(mktemp -d)
trap 'rm -rf "$packed"' EXIT
# It names each linked file that it follows.
"$(scripts/get.sh helm)" package k8s/helm/mcp-observability --destination "$packed" >"$packed/log" 2>&1 || { cat "$packed/log" >&2; exit 1; }
"$python" scripts/release/artefacts.py "$directory" "$module" "$packed"/*.tgz "${programs[@]}"
