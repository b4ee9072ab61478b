#!/usr/bin/env bash
# Builds the filter and prints the module's path. The module contains no paths of this machine, so that the same commit gives the
# same bytes on every machine. Arguments are passed to cargo, whose output precedes the path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=progress.sh
source scripts/progress.sh

scripts/prerequisites.sh rust c node cache

# If the standard library's sources are installed, rustc writes their path instead of the path where they were compiled.
rust_sources="$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"
flags="'--remap-path-prefix=$PWD=.', '--remap-path-prefix=$rust_sources'"
# A mirror of the registry has a folder with another name. Missing crates are fetched first, so that all folders exist.
cargo tree --locked --quiet --target wasm32-wasip1 -p mcp-observability >/dev/null
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  flags+=", '--remap-path-prefix=$crates=cargo'"
done
# The linked module keeps its functions' names: scripts/shrink-filter.sh drops them and writes them beside the module.
during "building the filter" cargo build --locked --quiet --release --target wasm32-wasip1 -p mcp-observability \
  --config "target.wasm32-wasip1.rustflags=[$flags]" --config 'profile.release.strip="debuginfo"' "$@"
target=${CARGO_TARGET_DIR:-$PWD/target}
scripts/shrink-filter.sh "$target/wasm32-wasip1/release/mcp_observability.wasm" "$target/mcp_observability.wasm"
echo "$target/mcp_observability.wasm"
