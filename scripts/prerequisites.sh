#!/usr/bin/env bash
# Prints one line for each missing prerequisite, with the way to install it, and fails if there is one. Before that, rustup installs
# what rust-toolchain.toml names.
#
#   scripts/prerequisites.sh NAME...              names as in scripts/prerequisites.txt; rust-all adds what only the checks need
#                                                 to Rust, and rust-static what only a release needs
#   scripts/prerequisites.sh --packages NAME...   prints Debian's packages of missing programs; installs nothing and does not fail
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

packages_only=
[ "${1:-}" != --packages ] || { packages_only=1; shift; }

missing=0
# tell WHAT PACKAGES FOUND: reports a missing program; FOUND is an unsuitable version that is installed, or empty.
tell() {
  local what=$1 packages=${2#-} found=${3:+here: $3} hint
  if [ -n "$packages_only" ]; then
    [ -z "$packages" ] || printf '%s\n' "${packages//,/$'\n'}"
    return
  fi
  missing=1
  case $packages in
    "") hint= ;;
    *,*) hint="Debian packages ${packages//,/ }" ;;
    *) hint="Debian package $packages" ;;
  esac
  hint+=${hint:+${found:+; }}$found
  printf 'missing: %s%s\n' "$what" "${hint:+ ($hint)}" >&2
}

# serves PROGRAM: whether the installed program is suitable; sets `said` to its version.
serves() {
  case $1 in
    # Without the C library's files it compiles but does not link.
    cc) said="one that cannot link" && cc -x c -o /dev/null - <<<'int main(void) { return 0; }' ;;
    c++) said="one that cannot link" && c++ -x c++ -o /dev/null - <<<$'#include <new>\nint main() { delete new int; }' ;;
    python3)
      said=$(python3 --version 2>&1) && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return
      said+=" without venv" && python3 -c 'import ensurepip, venv' ;;
    node) said=$(node --version 2>&1) && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ;;
    # From 1.21 on, go fetches the version in a module's line `go`, if GOTOOLCHAIN allows it.
    go) said=$(cd "$scripts/../collector/prometheus" && go version 2>&1) && [[ $said =~ go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 26 ]] ;;
    *) said= ;;
  esac >/dev/null 2>&1
}

# check NAME PARTS: checks all programs with that name in the list, and these parts of Rust.
check() {
  local name program packages what said known=
  while read -r name program packages what; do
    [ "$name" = "$1" ] || continue
    known=1
    if ! command -v "$program" >/dev/null; then
      tell "$what" "$packages" ""
    elif ! serves "$program"; then
      tell "$what" "$packages" "${said%%$'\n'*}"
    elif [ "$program" = cargo ] && [ -z "$packages_only" ]; then
      "$scripts/rust-toolchain.sh" "$2" || missing=1
    fi
  done <"$scripts/prerequisites.txt"
  [ -n "$known" ] || { printf "prerequisites.sh: unknown name '%s'; names are in scripts/prerequisites.txt\n" "$1" >&2; exit 2; }
}

for name in "$@"; do
  case $name in
    rust-all) check rust all ;;
    rust-static) check rust static ;;
    *) check "$name" filter ;;
  esac
done
exit "$missing"
