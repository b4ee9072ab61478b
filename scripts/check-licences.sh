#!/usr/bin/env bash
# Checks that each crate in Cargo.lock has a licence that allows linking into an Apache-2.0 program, and prints the others.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust python

cargo metadata --format-version 1 --locked --quiet | python3 scripts/licences.py
