#!/usr/bin/env bash
# Clippy with warnings as errors: the whole workspace natively, and the filter for its WebAssembly target too.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust-all c

cargo clippy --quiet --locked --keep-going --workspace --all-targets --features mcp-observe/fuzzing -- -D warnings
cargo clippy --quiet --locked --keep-going -p mcp-observability --target wasm32-wasip1 -- -D warnings
