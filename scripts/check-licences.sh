#!/usr/bin/env bash
# Every crate in Cargo.lock has a licence that may be linked into an Apache-2.0 program; names those that have not.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust python

cargo metadata --format-version 1 --locked --quiet | python3 scripts/licences.py
