#!/usr/bin/env bash
# Clippy with every warning an error: the whole workspace natively, the filter also for the target it ships for.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust-all c

cargo clippy --quiet --locked --keep-going --workspace --all-targets --features mcp-observe/fuzzing -- -D warnings
cargo clippy --quiet --locked --keep-going -p mcp-observability --target wasm32-wasip1 -- -D warnings
