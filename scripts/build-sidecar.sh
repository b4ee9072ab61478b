#!/usr/bin/env bash
# Builds the launcher and prints its path.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c
during "building the launcher" cargo build --quiet --release --locked -p mcp-sidecar
echo "$CARGO_TARGET_DIR/release/mcp-sidecar"
