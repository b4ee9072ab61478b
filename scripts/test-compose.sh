#!/usr/bin/env bash
# Tests docker-compose.yml on a real Docker engine: builds, starts, calls and removes it. Without root or the programs of an engine
# (scripts/prerequisites.sh engine spaces) the tests that need one are skipped with the reason.
#
#   scripts/test-compose.sh -k loadtest   any pytest argument
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust python node go cache
python=$(scripts/get.sh python e2e)
NEW_CLIENT_PYTHON=$(scripts/get.sh python demo)
OLD_CLIENT_PYTHON=$(scripts/get.sh python mcp-old)
CRANE_BIN=$(scripts/get.sh crane)
export NEW_CLIENT_PYTHON OLD_CLIENT_PYTHON CRANE_BIN
exec "$python" -m pytest -c tests/compose/pytest.ini --rootdir tests/compose tests/compose "$@"
