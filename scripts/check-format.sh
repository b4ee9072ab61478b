#!/usr/bin/env bash
# Checks Rust with rustfmt, and shell, Python and Dockerfiles with linters (their formatting is not checked).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust-all python tools cache

# files PATTERN...: the repository's files, tracked or not ignored, each terminated by a NUL.
files() { git ls-files -z --cached --others --exclude-standard -- "$@"; }

status=0
# Crates outside the workspace have separate lock files.
while IFS= read -r -d '' lock; do
  cargo fmt --all --check --manifest-path "$(dirname "$lock")/Cargo.toml" || status=1
done < <(files Cargo.lock '*/Cargo.lock')

linters=$(dirname "$(scripts/get.sh python lint)")
files '*.sh' .ci/run |
  xargs -0 "$linters/shellcheck" --external-sources --source-path=SCRIPTDIR --severity=warning || status=1
# Rules: syntax errors, undefined and unused names.
files '*.py' | xargs -0 "$linters/ruff" check --quiet --isolated --select E9,F || status=1
files '*Dockerfile' | xargs -0 "$linters/hadolint" || status=1
exit "$status"
