#!/usr/bin/env bash
# Runs the allocator's tests in Miri, which finds undefined behaviour: the filter's only code that handles memory by hand.
# Miri comes with nightly Rust alone, so rustup installs one beside the pinned Rust (versions.env).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=../versions.env
source "$root/versions.env"
cd "$root"

scripts/prerequisites.sh rust c
if ! command -v rustup >/dev/null; then
  say "missing: rustup, which installs Rust $MIRI with Miri"
  exit 1
fi
miri=(cargo "+$MIRI" miri)
if ! "${miri[@]}" --version >/dev/null 2>&1; then
  step "Installing Rust $MIRI with Miri" \
    rustup toolchain install "$MIRI" --no-self-update --profile minimal --component miri,rust-src
fi
# Chunks are never returned, which is not an error here.
CARGO_TARGET_DIR=$CARGO_TARGET_DIR/miri MIRIFLAGS=-Zmiri-ignore-leaks "${miri[@]}" test --quiet --locked -p mcp-allocator
