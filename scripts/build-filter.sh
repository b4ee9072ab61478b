#!/usr/bin/env bash
# Builds the filter and prints the path of the module. Paths of this machine are kept out of it, so that the same commit
# gives the same bytes wherever it is built. Arguments are for cargo, whose output comes before the path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags="'--remap-path-prefix=$PWD=.', '--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo'"
cargo build --locked --quiet --release --target wasm32-wasip1 -p mcp-observability \
  --config "target.wasm32-wasip1.rustflags=[$flags]" "$@"
target=${CARGO_TARGET_DIR:-$PWD/target}
scripts/shrink-filter.sh "$target/wasm32-wasip1/release/mcp_observability.wasm" "$target/mcp_observability.wasm"
echo "$target/mcp_observability.wasm"
