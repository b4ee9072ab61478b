#!/usr/bin/env bash
# Builds the launcher as a published, static program and prints its path. Like the module it contains no paths of this machine, so
# that the same commit gives the same bytes on every machine. Further arguments are passed to cargo, whose output precedes the path.
#
#   scripts/build-static.sh x86_64|aarch64
#
# musl and the linker come with Rust: no cross compiler is needed, as long as no crate of the launcher has C in it.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=reproducible.sh
source scripts/reproducible.sh

scripts/prerequisites.sh rust-static c
case ${1:-} in
  x86_64 | aarch64) target=$1-unknown-linux-musl ;;
  *) say "build-static.sh: unknown processor '${1:-}'; allowed: x86_64, aarch64"; exit 2 ;;
esac
shift
flags=$(remapped_paths mcp-sidecar "$target")
during "building the launcher for $target" cargo build --locked --quiet --release --target "$target" -p mcp-sidecar \
  --config "target.$target.linker='rust-lld'" --config "target.$target.rustflags=[$flags]" "$@"
echo "$CARGO_TARGET_DIR/$target/release/mcp-sidecar"
