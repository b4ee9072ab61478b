#!/usr/bin/env bash
# Draws the dashboard with the data of a running Prometheus, such as that of `make stack`.
#
#   scripts/dashboard-image.sh                     writes docs/images/dashboard.png, which grafana/README.md shows
#   scripts/dashboard-image.sh FILE [SECTION...]   writes FILE with these sections, or all
#
# PROMETHEUS, RANGE_SECONDS, SCRAPE_SECONDS and ROWS: see grafana/live/__main__.py.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python cache
python=$(scripts/get.sh python dashboard-image)
if [ $# -eq 0 ]; then
  set -- docs/images/dashboard.png Overview Tools
  export ROWS=17
fi
PYTHONDONTWRITEBYTECODE=1 exec "$python" grafana/live "$@"
