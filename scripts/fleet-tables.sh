#!/usr/bin/env bash
# Writes the tables of docs/fleet.md, and two cells of README.md, from the core's tables and the rules. scripts/check-rules.sh
# checks that they are up to date.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python cache

python=$(scripts/get.sh python e2e)
PYTHONPATH=tests/stack:tests/e2e:tests/rules exec "$python" -m fleet.document
