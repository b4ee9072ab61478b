#!/usr/bin/env bash
# Tests the scripts on machines where programs are missing, and the counting of skipped tests.
#
#   scripts/test-prerequisites.sh -k rustup   any pytest argument
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python cache
exec "$(scripts/get.sh python e2e)" -m pytest -c tests/prerequisites/pytest.ini --rootdir tests/prerequisites tests/prerequisites "$@"
