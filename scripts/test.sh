#!/usr/bin/env bash
# Runs each step of a set and goes on after a failure. A step is one script; the counts of all steps are summed.
#
#   scripts/test.sh              all checks and the tests of one sidecar: `make test`
#   scripts/test.sh SET          one of the other sets: `make test-SET`; `make help` lists them
#
# A step that runs tests counts each of them; any other step counts as one. The output of each step is kept in target/test/.
# The reason of each skipped test is printed. With CI=true a skipped test is a failure, unless its reason begins with
# "cannot run here:": then the machine cannot run the test, whatever is installed.
set -uo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root" || exit 1

set_name=${1:-test}
needs=(rust-all c c++ python node tools cache)
case $set_name in
  test) steps=(check-format check-text check-links check-licences check-versions check-workflows test-prerequisites check-dashboard test-page build-filter check-clippy check-docs test-core fuzz test-wasm test-fake-envoy check-envoy test-e2e) ;;
  slow) steps=(test-allocator test-soak) ;;
  stack) steps=(check-rules test-stack) needs+=(go spaces) ;;
  integration) steps=(test-image test-publish test-loadtest test-examples test-sdks test-connector test-page-browser) needs+=(go browser http) ;;
  compose) steps=(test-compose) needs+=(go) ;;
  k8s) steps=(test-k8s) needs+=(go) ;;
  istio) steps=(test-istio) needs+=(go spaces) ;;
  fresh) steps=(test-fresh) ;;
  release) steps=(test-release) needs+=(go spaces) ;;
  *) say "test.sh: unknown set '$set_name'; the sets are test, slow, stack, integration, compose, k8s, istio, fresh, release"; exit 2 ;;
esac
logs=$CARGO_TARGET_DIR/test
mkdir -p "$logs"
rm -f "$logs/$set_name.counts"
scripts/prerequisites.sh "${needs[@]}" || exit 1

# counts LOG STATUS: prints "passed failed skipped", from the summaries of cargo test and pytest where the log has any.
counts() {
  awk -v status="$2" '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^test result: / || /[0-9] (passed|failed|errors?|skipped|deselected).* in [0-9.]+s/ {
      found = 1
      gsub(/[;,.=]/, " ")
      for (word = 2; word <= NF; word++) count[$word] += $(word - 1)
    }
    END {
      passed = count["passed"] + count["xpassed"]
      failed = count["failed"] + count["error"] + count["errors"]
      skipped = count["skipped"] + count["ignored"] + count["xfailed"]
      if (!found && status == 0) passed = 1
      # A runner that fails before or beside its tests counts as one failure.
      if (status != 0 && failed == 0) failed = 1
      print passed + 0, failed + 0, skipped + 0
    }' "$1"
}

# reasons LOG: prints a line for each reason why tests were skipped: how many tests, and the reason that pytest prints after the place.
reasons() {
  sed -nE 's/\x1b\[[0-9;]*m//g; s/^SKIPPED \[([0-9]+)\] [^ ]+: /\1 /p' "$1" |
    awk '{ count = $1; sub(/^[0-9]+ /, ""); many[$0] += count } END { for (reason in many) print many[reason], "skipped:", reason }' | sort
}

# unexcused LOG SKIPPED: prints how many of the skipped tests have no reason that begins with "cannot run here:".
unexcused() {
  reasons "$1" | awk -v skipped="$2" '/^[0-9]+ skipped: cannot run here: / { skipped -= $1 } END { print skipped + 0 }'
}

# failures LOG: prints the names of the tests that failed, and how the first assertions read. Their whole texts may be long.
failures() {
  { grep -E '^(FAILED|ERROR) |^[a-z_:]+ --- FAILED$' "$1" | sort -u; grep -E '^E   ' "$1"; } | cut -c 1-300 | head -n 40
}

# -ra: pytest prints why it skips a test.
export PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} -ra"
rows=()
total_passed=0 total_failed=0 total_skipped=0 broken=0
for name in "${steps[@]}"; do
  say "$name"
  begun=$SECONDS
  "scripts/$name.sh" >"$logs/$name.log" 2>&1
  status=$?
  if [ "$status" -ne 0 ]; then
    broken=1
    tail -n 150 "$logs/$name.log"
    failures "$logs/$name.log"
    say "failed: $name (status $status; all of its output: $logs/$name.log)"
  fi
  read -r passed failed skipped < <(counts "$logs/$name.log" "$status")
  if [ "$skipped" -gt 0 ]; then
    reasons "$logs/$name.log"
    if [ "${CI:-}" = true ] && guilty=$(unexcused "$logs/$name.log" "$skipped") && [ "$guilty" -gt 0 ]; then
      say "failed: $name skipped $guilty tests that this machine could run; with CI=true every program that a test needs must be installed"
      failed=$((failed + guilty)) skipped=$((skipped - guilty))
    fi
  fi
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
  rows+=("$(printf '%-18s %8d %8d %8d %8d s' "$name" "$passed" "$failed" "$skipped" $((SECONDS - begun)))")
done

printf '\n%-18s %8s %8s %8s %10s\n' step passed failed skipped time
printf '%s\n' "${rows[@]}"
printf '%-18s %8d %8d %8d %8d s\n' total "$total_passed" "$total_failed" "$total_skipped" "$SECONDS"
echo "$total_passed $total_failed $total_skipped" >"$logs/$set_name.counts"
[ "$broken" -eq 0 ] && [ "$total_failed" -eq 0 ]
