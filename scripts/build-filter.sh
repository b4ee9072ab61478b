#!/usr/bin/env bash
# Builds the filter and prints the module's path. The module contains no paths of this machine, so that the same commit gives the
# same bytes on every machine. Arguments are passed to cargo, whose output precedes the path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=progress.sh
source scripts/progress.sh
# shellcheck source=reproducible.sh
source scripts/reproducible.sh

scripts/prerequisites.sh rust c node cache

flags=$(remapped_paths mcp-observability wasm32-wasip1)
# The linked module keeps its functions' names: scripts/shrink-filter.sh drops them and writes them beside the module.
during "building the filter" cargo build --locked --quiet --release --target wasm32-wasip1 -p mcp-observability \
  --config "target.wasm32-wasip1.rustflags=[$flags]" --config 'profile.release.strip="debuginfo"' "$@"
target=${CARGO_TARGET_DIR:-$PWD/target}
scripts/shrink-filter.sh "$target/wasm32-wasip1/release/mcp_observability.wasm" "$target/mcp_observability.wasm"
echo "$target/mcp_observability.wasm"
