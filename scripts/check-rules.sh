#!/usr/bin/env bash
# The alerting rules: Prometheus reads them, each alert speaks and stays silent when it should, and they, the runbook and
# docs/metrics.md name only metrics and labels that exist. Kubernetes gets the same rules.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python go cache
promtool=$(scripts/get.sh promtool)
python=$(scripts/get.sh python e2e)

scripts/k8s-rules.sh --check
"$promtool" check rules collector/rules/*.yml
# It reads the rules by paths beside the tests.
(cd collector/rules/tests && "$promtool" test rules ./*.yml)
"$python" -m pytest -q -p no:cacheprovider tests/rules
