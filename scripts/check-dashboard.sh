#!/usr/bin/env bash
# Checks the dashboards: they equal the code, follow Grafana's schema, and name only metrics and labels that exist.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node cache
scripts/dashboard.sh --check
"$(scripts/get.sh python e2e)" -m pytest -q -c tests/dashboard/pytest.ini --rootdir tests/dashboard tests/dashboard "$@"
