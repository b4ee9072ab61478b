#!/usr/bin/env bash
# Writes grafana/dashboards/*.json from the code in grafana/dashboard.
#
#   scripts/dashboard.sh           writes what differs
#   scripts/dashboard.sh --check   fails where a file differs from what the code makes
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python cache
python=$(scripts/get.sh python grafana)
PYTHONDONTWRITEBYTECODE=1 exec "$python" grafana/dashboard "$@"
