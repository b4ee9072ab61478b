#!/usr/bin/env bash
# Builds the launcher as published, static programs and prints the path of each. Like the module they contain no paths of this machine,
# so that the same commit gives the same bytes on every machine. Options are passed to cargo, whose output precedes the paths.
#
#   scripts/build-static.sh x86_64 aarch64 [OPTION]...
#
# Two at once take little longer than one, because only one core links a program.
# musl and the linker come with Rust: no cross compiler is needed, as long as no crate of the launcher has C in it.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=reproducible.sh
source scripts/reproducible.sh

scripts/prerequisites.sh rust-static c
targets=() options=()
while [[ ${1:--} != -* ]]; do
  [[ $1 =~ ^(x86_64|aarch64)$ ]] || { say "build-static.sh: unknown processor '$1'; allowed: x86_64, aarch64"; exit 2; }
  targets+=("$1-unknown-linux-musl")
  shift
done
[ ${#targets[@]} -gt 0 ] || { say "usage: scripts/build-static.sh PROCESSOR... [OPTION]..."; exit 2; }
for target in "${targets[@]}"; do
  flags=$(remapped_paths mcp-sidecar "$target")
  options+=(--target "$target" --config "target.$target.linker='rust-lld'" --config "target.$target.rustflags=[$flags]")
done
during "building the launcher for ${targets[*]}" cargo build --locked --quiet --release -p mcp-sidecar "${options[@]}" "$@"
for target in "${targets[@]}"; do echo "$CARGO_TARGET_DIR/$target/release/mcp-sidecar"; done
