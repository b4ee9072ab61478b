#!/usr/bin/env bash
# Writes all artefacts of a release and their checksums: the same bytes for the same commit.
#
#   scripts/release.sh [DIRECTORY]    target/release-artefacts unless given
#
# MCP_FILTER_WASM names a module that is built already, MCP_LAUNCHERS launchers, as "x86_64=PATH aarch64=PATH". ENVOY_IMAGE names a
# copy of Envoy's image in another registry.
#
# mcp_observability.wasm                            the filter
# mcp-sidecar-VERSION-linux-{x86_64,aarch64}.tar.gz the launcher, a static program, with the filter
# mcp-observability-VERSION.tgz                     the Helm chart
# mcp-observability-VERSION.oci.tar                 the filter's image, an OCI image layout
# mcp-sidecar-VERSION.oci.tar                       the sidecar's image for linux/amd64 and linux/arm64, the same; only where
#                                                   Envoy's image can be pulled
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
if [ -n "${MCP_LAUNCHERS:-}" ]; then
  read -ra programs <<<"$MCP_LAUNCHERS"
else
  paths=$(step "Building the launchers" scripts/build-static.sh x86_64 aarch64)
  mapfile -t programs < <(sed -E 's,.*/([^/-]*)-unknown-linux-musl/,\1=&,' <<<"$paths")
fi
python=$(scripts/get.sh python image)
WASM_OPT=$(scripts/get.sh wasm-opt)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# It names each linked file that it follows.
"$(scripts/get.sh helm)" package k8s/helm/mcp-observability --destination "$work" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
# Envoy's own image, which is beneath the sidecar's.
ENVOY_IMAGE=${ENVOY_IMAGE:-docker.io/envoyproxy/envoy:distroless-v$ENVOY_VERSION} ENVOY_LAYOUT=$work/envoy
crane=$(scripts/get.sh crane)
say "Pulling $ENVOY_IMAGE"
"$crane" pull --format=oci "$ENVOY_IMAGE" "$ENVOY_LAYOUT" 2>"$work/log" || ENVOY_LAYOUT=
export WASM_OPT COLLECTOR ENVOY_IMAGE ENVOY_LAYOUT PYTHONPATH="$root/scripts/image"
"$python" scripts/release/artefacts.py "$directory" "$module" "$work"/*.tgz "${programs[@]}"
if [ -z "$ENVOY_LAYOUT" ]; then
  tail -n 1 "$work/log" >&2
  say "NOT WRITTEN: the sidecar's image, mcp-sidecar-VERSION.oci.tar, because $ENVOY_IMAGE cannot be pulled here."
  say "ENVOY_IMAGE names a copy of it in another registry. All other artefacts are complete."
fi
