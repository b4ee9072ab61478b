#!/usr/bin/env bash
# Tests the live page: that page/page.html is up to date, and the modules of page/src.
#
#   scripts/test-page.sh           without a browser
#   scripts/test-page.sh browser   the built file in Chromium, in front of a real sidecar
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already; CHROMIUM another browser.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

case ${1:-} in
  "")
    scripts/prerequisites.sh node cache
    scripts/build-page.sh --check
    tests=(page/tests/{history,parse,quantiles,style,words}.test.mjs) ;;
  browser)
    scripts/prerequisites.sh node python cache browser
    build_sidecar
    ENVOY_BIN=$(scripts/get.sh envoy)
    export ENVOY_BIN
    tests=(page/tests/browser_{page,sidecar}.test.mjs) ;;
  *) say "usage: scripts/test-page.sh [browser]"; exit 2 ;;
esac

# The last line is a summary as cargo test writes it, for the counts of scripts/test.sh.
node --test --test-concurrency=2 --test-reporter=spec "${tests[@]}" | awk '
  { print }
  $2 ~ /^(pass|fail|skipped|cancelled)$/ && NF == 3 { count[$2] = $3 }
  END { printf "test result: %d passed; %d failed; %d skipped\n", count["pass"], count["fail"] + count["cancelled"], count["skipped"] }'
