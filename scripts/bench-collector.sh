#!/usr/bin/env bash
# Measures CPU and memory of the collector with 20 and with 200 sidecars; docs/performance.md has the table.
#
#   SECONDS_EACH=60 scripts/bench-collector.sh           20 sidecars of 500 series, 20 of 9,000, 200 of 1,056
#   COLLECTOR_MEMORY_MIB=800 scripts/bench-collector.sh 20x9000    one size, with another memory limit
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python go cache

python=$(scripts/get.sh python e2e)
for name in collector prometheus; do scripts/get.sh "$name" >/dev/null; done
exec "$python" tests/stack/measure.py "$@"
