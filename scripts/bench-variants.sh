#!/usr/bin/env bash
# Builds the filter in several ways and compares them inside Envoy, for the table in docs/performance.md.
#
#   STARTS=n ROUNDS=n SCENARIO=a,b scripts/bench-variants.sh [VARIANT...]
#
# empty, five-calls, nine-calls and core-only are not the filter: they measure the cost of its parts (tests/bench/filters).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=bench-lib.sh
source scripts/bench-lib.sh

# build NAME [VARIABLE=VALUE...]: builds the filter with these variables into a separate directory.
build() {
  local name=$1 directory=$CARGO_TARGET_DIR/bench-variants/$1
  shift
  env "$@" cargo build --quiet --release --locked -p mcp-observability --target wasm32-wasip1 --target-dir "$directory"
  built=$directory/mcp_observability.wasm
  scripts/shrink-filter.sh "$directory/wasm32-wasip1/release/mcp_observability.wasm" "$built"
  say "$name: $(stat -c %s "$built") bytes"
}

# RUSTFLAGS replaces what .cargo/config.toml sets for the target.
stack='-C link-arg=-zstack-size=131072'
variant() {
  case "$1" in
    empty | five-calls | nine-calls | core-only) built=$modules/${1//-/_}.wasm ;;
    release) build release ;;
    scalar) build scalar RUSTFLAGS="$stack" ;;
    opt-2) build opt-2 CARGO_PROFILE_RELEASE_OPT_LEVEL=2 ;;
    opt-s) build opt-s CARGO_PROFILE_RELEASE_OPT_LEVEL=s ;;
    thin-lto) build thin-lto CARGO_PROFILE_RELEASE_LTO=thin ;;
    fewer-exports)
      build release
      local whole=$built
      built=${whole%.wasm}-fewer-exports.wasm
      bench without-exports "$whole" "$built" proxy_on_done ;;
    *) say "unknown variant '$1'; allowed: ${all[*]}"; exit 2 ;;
  esac
}

all=(empty five-calls nine-calls core-only release scalar opt-2 opt-s thin-lto fewer-exports)
[ $# -gt 0 ] || set -- "${all[@]}"
prepare_bench
build_modules
arguments=()
for name in "$@"; do
  variant "$name"
  arguments+=("$name=$built")
done
bench variants "${arguments[@]}"
