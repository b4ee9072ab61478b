#!/usr/bin/env bash
# Rust as rustfmt writes it, and shell and Python files that at least parse.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

status=0
# Crates outside the workspace have a lock file of their own.
while IFS= read -r -d '' lock; do
  cargo fmt --all --check --manifest-path "$(dirname "$lock")/Cargo.toml" || status=1
done < <(git ls-files -z --cached --others --exclude-standard -- Cargo.lock '*/Cargo.lock')

while IFS= read -r -d '' script; do
  bash -n "$script" || status=1
done < <(git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run)

git ls-files -z --cached --others --exclude-standard -- '*.py' | xargs -0 python3 -c '
import ast, pathlib, sys
for name in sys.argv[1:]:
    try:
        ast.parse(pathlib.Path(name).read_text(encoding="utf-8"), name)
    except SyntaxError as error:
        sys.exit(f"{name}:{error.lineno}: {error.msg}")
' || status=1
exit "$status"
