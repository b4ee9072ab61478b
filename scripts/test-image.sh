#!/usr/bin/env bash
# Tests the module's image: complete, readable by Istio, reproducible, and unchanged after a push and a pull.
#
#   scripts/test-image.sh -k sbom   any pytest argument
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node go tools cache
CRANE_BIN=$(scripts/get.sh crane)
ORAS_BIN=$(scripts/get.sh oras)
export CRANE_BIN ORAS_BIN
exec "$(scripts/get.sh python e2e)" -m pytest -c tests/image/pytest.ini --rootdir tests/image tests/image "$@"
