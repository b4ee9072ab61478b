#!/usr/bin/env bash
# Runs every step of a set, one script each, goes on after a failure, and sums what the steps counted.
#
#   scripts/test.sh         the set behind `make test`
#   scripts/test.sh slow    the minutes of waiting that `make test-all` adds
#   scripts/test.sh stack   the module's image, load test, examples, the pipeline to Prometheus and more SDKs, which `make test-all` adds as well
#   scripts/test.sh compose docker-compose.yml on a real Docker engine; skipped where none can start
#   scripts/test.sh k8s     the Kubernetes manifests on a real API server, which `make test-all` adds as well
#   scripts/test.sh istio   the manifests for Istio with a real istiod, which `make test-all` adds as well
#   scripts/test.sh fresh   `make demo` with a Rust of its own that lacks the targets, which `make test-all` adds as well
#
# A step that runs tests counts each of them, any other step counts as one. Each step's output is kept in target/test/.
# Why a test was skipped is shown. With CI=true one is a failure, unless its reason begins with "cannot run here:": the machine
# cannot run it, whatever is installed.
set -uo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root" || exit 1

set_name=${1:-test}
needs=(rust-all c c++ python node tools cache)
case $set_name in
  test) steps=(check-format check-text check-licences check-versions test-prerequisites check-dashboard build-filter check-clippy check-docs test-core fuzz test-wasm test-fake-envoy check-envoy test-e2e) ;;
  slow) steps=(test-soak) ;;
  stack) steps=(check-rules test-image test-loadtest test-examples test-stack test-sdks) needs+=(go spaces) ;;
  compose) steps=(test-compose) needs+=(go) ;;
  k8s) steps=(test-k8s) needs+=(go) ;;
  istio) steps=(test-istio) needs+=(go spaces) ;;
  fresh) steps=(test-fresh) ;;
  *) say "test.sh: unknown set '$set_name'; known are test, slow, stack, compose, k8s, istio, fresh"; exit 2 ;;
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
      # A runner that broke before or beside its tests has failed whatever it counted.
      if (status != 0 && failed == 0) failed = 1
      print passed + 0, failed + 0, skipped + 0
    }' "$1"
}

# reasons LOG: why tests were skipped, a line each: how many, and what pytest says after the place.
reasons() {
  sed -nE 's/\x1b\[[0-9;]*m//g; s/^SKIPPED \[([0-9]+)\] [^ ]+: /\1 /p' "$1" |
    awk '{ count = $1; sub(/^[0-9]+ /, ""); many[$0] += count } END { for (reason in many) print many[reason], "skipped:", reason }' | sort
}

# unexcused LOG SKIPPED: how many of the skipped tests gave no reason that excuses them.
unexcused() {
  reasons "$1" | awk -v skipped="$2" '/^[0-9]+ skipped: cannot run here: / { skipped -= $1 } END { print skipped + 0 }'
}

# Every suite of pytest tells why it skips.
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
    say "failed: $name (status $status; all of its output: $logs/$name.log)"
  fi
  read -r passed failed skipped < <(counts "$logs/$name.log" "$status")
  if [ "$skipped" -gt 0 ]; then
    reasons "$logs/$name.log"
    if [ "${CI:-}" = true ] && guilty=$(unexcused "$logs/$name.log" "$skipped") && [ "$guilty" -gt 0 ]; then
      say "failed: $name skipped $guilty tests that this machine could run; with CI=true nothing may be missing"
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
