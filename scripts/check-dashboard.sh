#!/usr/bin/env bash
# The dashboards: as the code makes them, valid by Grafana's schema, naming only metrics and labels that exist.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache
scripts/dashboard.sh --check
"$(scripts/get.sh python e2e)" -m pytest -q -c tests/dashboard/pytest.ini --rootdir tests/dashboard tests/dashboard "$@"
