# shellcheck shell=bash
# Sourced by the scripts of this folder: the repository's root, and how they speak.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where cargo puts what it builds; absolute, because the scripts hand these paths on.
target_dir=$(cd "$root" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR=$target_dir

# shellcheck source=progress.sh
source "$root/scripts/progress.sh"

# step TEXT COMMAND...: says what begins, runs it, and says how long it took when that was worth a line.
step() {
  local text=$1 begun=$SECONDS
  shift
  say "$text"
  "$@" || { local status=$?; say "  failed"; return "$status"; }
  [ $((SECONDS - begun)) -lt 1 ] || say "  $((SECONDS - begun)) s"
}

# build_sidecar: sets and exports MCP_FILTER_WASM and MCP_SIDECAR, and builds what the environment does not name already.
build_sidecar() {
  if [ -z "${MCP_FILTER_WASM:-}" ]; then
    MCP_FILTER_WASM=$(step "Building the filter" "$root/scripts/build-filter.sh")
  fi
  if [ -z "${MCP_SIDECAR:-}" ]; then
    MCP_SIDECAR=$(step "Building the launcher" "$root/scripts/build-sidecar.sh")
  fi
  export MCP_FILTER_WASM MCP_SIDECAR
}
