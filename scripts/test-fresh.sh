#!/usr/bin/env bash
# Runs `make demo` as on a new machine: a copy of this checkout's files without build outputs, and a separate RUSTUP_HOME, whose
# toolchain lacks the targets of rust-toolchain.toml. rustup must not install anything by itself (RUSTUP_AUTO_INSTALL=0). The caches
# of scripts/get.sh and cargo are shared. The toolchain, a download of about 100 MB, is removed at the end.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node tools cache
if ! command -v rustup >/dev/null; then
  echo "SKIPPED [1] scripts/test-fresh.sh: missing: rustup"
  echo "1 skipped in 0s"
  exit
fi
pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir "$fresh/checkout"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read |
  tar --extract --directory="$fresh/checkout"
cd "$fresh/checkout"
# These variables would select another Rust or other programs than a new user has.
unset RUSTUP_TOOLCHAIN MCP_FILTER_WASM MCP_SIDECAR KEEP
export RUSTUP_HOME=$fresh/rustup RUSTUP_AUTO_INSTALL=0 CARGO_TARGET_DIR=$fresh/target

# offline COMMAND...: runs the command with a download server for rustup that does not exist.
offline() { RUSTUP_DIST_SERVER=http://127.0.0.1:9 "$@"; }
has_target() { [ -d "$RUSTUP_HOME/toolchains/$pinned-$host/lib/rustlib/$1/lib" ]; }

without_a_toolchain_it_is_named() {
  ! offline make demo && said "^missing: Rust $pinned (rustup toolchain install --no-self-update)$" && nothing_is_built
}
without_a_toolchain_one_is_brought() { make fmt && said '^Installing by rustup'; }
without_the_target_it_is_named() {
  ! offline make demo && said '^missing: Rust target wasm32-wasip1 (rustup target add wasm32-wasip1)$' && nothing_is_built
}
without_the_target_the_demo_runs() { make demo && said '^Installing by rustup' && said '^weather  get_forecast ' && has_target wasm32-wasip1; }

nothing_is_built() { [ -z "$(find "$CARGO_TARGET_DIR" -name '*.rmeta' 2>/dev/null)" ]; }
# said PATTERN: exactly one line of the test's output matches.
said() { [ "$(grep -c "$1" "$log")" = 1 ] || { echo "expected one line: $1"; return 1; }; }

log=$fresh/log passed=0 failed=0
# check FUNCTION: runs one test, and prints its output if it fails.
check() {
  local begun=$SECONDS result=passed
  : >"$log"
  if "$1" >>"$log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1)) result=FAILED
    tail -n 40 "$log" >&2
  fi
  say "$result: ${1//_/ } ($((SECONDS - begun)) s)"
}

check without_a_toolchain_it_is_named
check without_a_toolchain_one_is_brought
# As on a new machine: the toolchain (installed here if the scripts have not) without the targets.
rustup --quiet toolchain install "$pinned" --profile minimal --no-self-update
host=$(rustc -vV | sed -n 's/^host: //p')
for target in wasm32-wasip1 wasm32-unknown-unknown; do
  ! has_target "$target" || rustup --quiet target remove "$target"
done
! has_target wasm32-wasip1 || { say "the toolchain of this test has the target that it should lack"; exit 1; }
check without_the_target_it_is_named
check without_the_target_the_demo_runs
echo "$passed passed, $failed failed in ${SECONDS}s"
[ "$failed" -eq 0 ]
