#!/usr/bin/env bash
# Tests the live page without a browser: that page/page.html is up to date, and the modules of page/src.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh node cache
scripts/build-page.sh --check
exec page/tests/run.sh page/tests/{format,history,parse,points,quantiles,style,words}.test.mjs
