#!/usr/bin/env bash
# Writes grafana/dashboards/*.json from the code in grafana/dashboard.
#
#   scripts/dashboard.sh           writes the files that differ
#   scripts/dashboard.sh --check   fails if a file differs from the code
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python cache
python=$(scripts/get.sh python grafana)
PYTHONDONTWRITEBYTECODE=1 exec "$python" grafana/dashboard "$@"
