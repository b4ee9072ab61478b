#!/usr/bin/env bash
# Documentation of every crate with every warning an error: links that lead nowhere, broken code blocks.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c

RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --keep-going --workspace --no-deps --document-private-items
