#!/usr/bin/env bash
# Runs the core's tests as 32-bit WebAssembly in Node, because Envoy's VM is 32-bit.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=../versions.env
source "$root/versions.env"
cd "$root"

scripts/prerequisites.sh rust-all c node cache

# The runner accepts only modules of its own version.
locked=$(awk '$1 == "name" { name = $3 }
  $1 == "version" && name == "\"wasm-bindgen\"" { gsub(/"/, "", $3); print $3 }' Cargo.lock)
if [ "$locked" != "$WASM_BINDGEN_CLI" ]; then
  say "versions.env: WASM_BINDGEN_CLI=$WASM_BINDGEN_CLI, but Cargo.lock has wasm-bindgen $locked; make them equal"
  exit 1
fi

PATH=$(scripts/get.sh wasm-bindgen):$PATH
# The runner writes its script into a temporary folder. Node reads the nearest package.json above it, so it must not be /tmp, where others may have one.
export TMPDIR=$CARGO_TARGET_DIR/tmp
mkdir -p "$TMPDIR"
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
  cargo test --locked -p mcp-observe --target wasm32-unknown-unknown
