#!/usr/bin/env bash
# What the collector costs with 20 sidecars and with 200: a table of CPU and memory, as docs/performance.md has it.
#
#   SECONDS_EACH=60 scripts/bench-collector.sh           20 sidecars of 500 series, 20 of 9,000, 200 of 1,056
#   COLLECTOR_MEMORY_MIB=800 scripts/bench-collector.sh 20x9000    one size, another limit than the shipped one
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python go cache

python=$(scripts/get.sh python e2e)
for name in collector prometheus; do scripts/get.sh "$name" >/dev/null; done
exec "$python" tests/stack/measure.py "$@"
