# shellcheck shell=bash
# Sourced by the scripts of this folder: the repository's root, cargo's target directory, messages.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Cargo's target directory; absolute, because the scripts print paths in it.
target_dir=$(cd "$root" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR=$target_dir

# shellcheck source=progress.sh
source "$root/scripts/progress.sh"

# step TEXT COMMAND...: prints TEXT, runs the command, and prints its duration if that is at least a second.
step() {
  local text=$1 begun=$SECONDS
  shift
  say "$text"
  "$@" || { local status=$?; say "  failed"; return "$status"; }
  [ $((SECONDS - begun)) -lt 1 ] || say "  $((SECONDS - begun)) s"
}

# build_sidecar: sets and exports MCP_FILTER_WASM and MCP_SIDECAR, and builds those that the environment does not set.
build_sidecar() {
  if [ -z "${MCP_FILTER_WASM:-}" ]; then
    MCP_FILTER_WASM=$(step "Building the filter" "$root/scripts/build-filter.sh")
  fi
  if [ -z "${MCP_SIDECAR:-}" ]; then
    MCP_SIDECAR=$(step "Building the launcher" "$root/scripts/build-sidecar.sh")
  fi
  export MCP_FILTER_WASM MCP_SIDECAR
}

# prepare_peers: fetches the clients and servers that tests/e2e/support starts, and builds the sidecar.
prepare_peers() {
  "$root/scripts/get.sh" python mcp-old >/dev/null
  local name
  for name in envoy node rmcp-client rmcp-server; do "$root/scripts/get.sh" "$name" >/dev/null; done
  build_sidecar
}
