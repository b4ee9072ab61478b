#!/usr/bin/env bash
# Builds the documentation of all crates with warnings as errors, such as broken links and invalid code blocks.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c

RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --keep-going --workspace --no-deps --document-private-items
