#!/usr/bin/env bash
# Rust as rustfmt writes it; shell, Python and Dockerfiles without what their linters call mistakes (their formatting is free).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust-all python tools cache

# files PATTERN...: the files of the repository, tracked or about to be, each ended by a NUL.
files() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

status=0
# Crates outside the workspace have a lock file of their own.
while IFS= read -r -d '' lock; do
  cargo fmt --all --check --manifest-path "$(dirname "$lock")/Cargo.toml" || status=1
done < <(files Cargo.lock '*/Cargo.lock')

linters=$(dirname "$(scripts/get.sh python lint)")
files '*.sh' .ci/run |
  xargs -0 "$linters/shellcheck" --external-sources --source-path=SCRIPTDIR --severity=warning || status=1
# Syntax errors, unknown and unused names.
files '*.py' | xargs -0 "$linters/ruff" check --quiet --isolated --select E9,F || status=1
files '*Dockerfile' | xargs -0 "$linters/hadolint" || status=1
exit "$status"
