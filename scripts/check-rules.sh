#!/usr/bin/env bash
# Checks Prometheus' rules: they are valid, their tests pass, and rules, runbook and docs/metrics.md name only metrics and labels
# that exist. k8s/monitoring has the same rules.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python go cache
promtool=$(scripts/get.sh promtool)
python=$(scripts/get.sh python e2e)

scripts/k8s-rules.sh --check
"$promtool" check rules collector/rules/*.yml
# The tests name the rules by relative paths.
(cd collector/rules/tests && "$promtool" test rules ./*.yml)
"$python" -m pytest -q -p no:cacheprovider tests/rules
