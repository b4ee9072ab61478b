#!/usr/bin/env bash
# Writes page/page.html, the live page that the sidecar serves, from page/src. The file is committed.
#
#   scripts/build-page.sh            writes it
#   scripts/build-page.sh --check    fails if it is stale
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh node cache
scripts/get.sh page >/dev/null
exec node page/build.mjs "$@"
