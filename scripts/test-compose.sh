#!/usr/bin/env bash
# docker-compose.yml on a real Docker engine: built, started, called, taken down. Without root or what an engine needs
# (scripts/prerequisites.sh engine spaces) the tests that want one are skipped, and say why.
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
export NEW_CLIENT_PYTHON OLD_CLIENT_PYTHON
exec "$python" -m pytest -c tests/compose/pytest.ini --rootdir tests/compose tests/compose "$@"
