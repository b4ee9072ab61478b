#!/usr/bin/env bash
# Writes the module as an OCI image layout, and prints its digest and the command that pushes it.
#
#   scripts/image.sh [DIRECTORY]    target/image unless given; MCP_FILTER_WASM names a module that is built already
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$root/scripts/prerequisites.sh" rust c python node tools cache
git -C "$root" rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
  { say "make image: $root is not a git checkout, and the image needs the commit; clone the repository"; exit 1; }
directory=$(realpath -m --relative-base="$root" "${1:-$target_dir/image}")
module=$(realpath "${MCP_FILTER_WASM:-$("$root/scripts/build-filter.sh")}")
python=$("$root/scripts/get.sh" python image)
WASM_OPT=$("$root/scripts/get.sh" wasm-opt)
export WASM_OPT
cd "$root"
exec "$python" scripts/image/build.py "$module" "$directory"
