#!/usr/bin/env bash
# Builds the filter and prints the path of the module. Paths of this machine are kept out of it, so that the same commit
# gives the same bytes wherever it is built. Arguments are for cargo, whose output comes before the path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=progress.sh
source scripts/progress.sh

scripts/prerequisites.sh rust c node cache

# Where the standard library's sources are installed, rustc names them in place of where they were compiled.
rust_sources="$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"
flags="'--remap-path-prefix=$PWD=.', '--remap-path-prefix=$rust_sources'"
# A mirror of the registry has a folder of another name. What is missing is fetched first, so that every folder is there.
cargo tree --locked --quiet --target wasm32-wasip1 -p mcp-observability >/dev/null
for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  flags+=", '--remap-path-prefix=$crates=cargo'"
done
during "building the filter" cargo build --locked --quiet --release --target wasm32-wasip1 -p mcp-observability \
  --config "target.wasm32-wasip1.rustflags=[$flags]" "$@"
target=${CARGO_TARGET_DIR:-$PWD/target}
scripts/shrink-filter.sh "$target/wasm32-wasip1/release/mcp_observability.wasm" "$target/mcp_observability.wasm"
echo "$target/mcp_observability.wasm"
