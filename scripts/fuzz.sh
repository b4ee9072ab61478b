#!/usr/bin/env bash
# Fuzzes the core with libFuzzer: arbitrary input, split at arbitrary positions. The targets are in filter/observe/fuzz.
#
#   scripts/fuzz.sh                   a fixed number of runs of each target, the same each time
#   scripts/fuzz.sh MINUTES           all targets, for this time in total; continues with the corpus of earlier runs
#   scripts/fuzz.sh MINUTES TARGET    one target
#
# Failing inputs and the corpus of long runs are kept in target/fuzz/. No sanitizer is used: the core has no unsafe code, so the
# pinned stable toolchain is sufficient.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root/filter/observe"

# Number of runs, each a few seconds in total.
declare -A runs=([scanner]=100000 [framer]=100000 [inflate]=3000 [exchange]=20000 [correlation]=4000 [limit]=20000 [configuration]=50000)
targets=(scanner framer inflate exchange correlation limit configuration)
minutes=${1:-}
if [ $# -ge 2 ]; then
  targets=("$2")
  [ -n "${runs[$2]:-}" ] || { say "fuzz.sh: unknown target '$2'; allowed: ${!runs[*]}"; exit 2; }
fi
[[ "$minutes" =~ ^([1-9][0-9]*)?$ ]] || { say "fuzz.sh: MINUTES is '$minutes'; allowed: a whole number from 1"; exit 2; }

"$root/scripts/prerequisites.sh" rust c c++ cache
kept=$CARGO_TARGET_DIR/fuzz
mkdir -p "$kept"
PATH=$(../../scripts/get.sh cargo-fuzz):$PATH
step "building the targets" cargo fuzz build --sanitizer none --fuzz-dir fuzz
host=$(rustc -vV | awk '$1 == "host:" { print $2 }')

# run TARGET CORPUS ARGUMENT...: writes new inputs to CORPUS, prints libFuzzer's progress, and keeps its whole output.
run() {
  local target=$1 corpus=$2
  shift 2
  say "$target"
  mkdir -p "$corpus"
  "$CARGO_TARGET_DIR/$host/release/$target" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    "-artifact_prefix=$kept/$target-" "$@" "$corpus" "fuzz/corpus/$target" 2>&1 |
    tee "$kept/$target.log" | { grep --line-buffered -E '^#[0-9]+\s+(INITED|pulse|DONE)|panicked' >&2 || true; } && return
  tail -n 40 "$kept/$target.log" >&2
  say "$target: failed; the input: $(awk '/Test unit written to/ { print $NF }' "$kept/$target.log")"
  return 1
}

passed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for target in "${targets[@]}"; do
  if [ -z "$minutes" ]; then
    run "$target" "$scratch/$target" -seed=1 "-runs=${runs[$target]}" -max_len=4096 || continue
  else
    run "$target" "$kept/$target" "-max_total_time=$((minutes * 60 / ${#targets[@]}))" -max_len=65536 || continue
  fi
  passed=$((passed + 1))
done
logs=("${targets[@]/%/.log}")
awk '/number_of_executed_units/ { sum += $NF } END { print sum + 0, "executions" }' "${logs[@]/#/$kept/}"
echo "$passed passed, $((${#targets[@]} - passed)) failed in ${SECONDS}s"
[ "$passed" -eq "${#targets[@]}" ]
