#!/usr/bin/env bash
# The fast check of all that is made from the core's tables, or repeats them: pages, lists in tests, the chart's schema, and
# Prometheus' rules, which are valid and pass their tests. k8s/monitoring has the same rules.
#
#   scripts/check-rules.sh               everything
#   scripts/check-rules.sh -k families   any pytest argument; only tests/rules
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python go cache
promtool=$(scripts/get.sh promtool)
python=$(scripts/get.sh python e2e)

if [ $# -eq 0 ]; then
  cargo test --quiet --locked -p mcp-observe --test documents
  scripts/k8s-rules.sh --check
  "$promtool" check rules collector/rules/*.yml
  # The tests name the rules by relative paths.
  (cd collector/rules/tests && "$promtool" test rules ./*.yml)
fi
exec "$python" -m pytest -q -c tests/rules/pytest.ini --rootdir tests/rules tests/rules "$@"
