#!/usr/bin/env bash
# Tests what the release workflow calls: scripts/publish.sh with a registry of its own, scripts/release-notes.sh, and the workflows
# with actionlint.
#
#   scripts/test-publish.sh -k notes   any pytest argument
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python go cache http
CRANE_BIN=$(scripts/get.sh crane)
ORAS_BIN=$(scripts/get.sh oras)
HELM_BIN=$(scripts/get.sh helm)
ACTIONLINT_BIN=$(scripts/get.sh actionlint)
SHELLCHECK_BIN=$(dirname "$(scripts/get.sh python lint)")/shellcheck
export CRANE_BIN ORAS_BIN HELM_BIN ACTIONLINT_BIN SHELLCHECK_BIN
exec "$(scripts/get.sh python e2e)" -m pytest -c tests/publish/pytest.ini --rootdir tests/publish tests/publish "$@"
