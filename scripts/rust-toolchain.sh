#!/usr/bin/env bash
# Lets rustup install what rust-toolchain.toml names, once and whatever rustup's settings are. Prints what is missing if it cannot.
#
#   scripts/rust-toolchain.sh filter   for builds: the toolchain and the filter's target
#   scripts/rust-toolchain.sh static   for a release: also the targets of static programs
#   scripts/rust-toolchain.sh all      for the checks: all targets and components of rust-toolchain.toml
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# Queries must not install anything; rustup's own message is sufficient for errors.
export RUSTUP_AUTO_INSTALL=0 RUST_BACKTRACE=0

# listed KEY: prints the words of a list in rust-toolchain.toml.
listed() { sed -n "s/^$1 = \[\(.*\)\]/\1/p" rust-toolchain.toml | tr -d '",'; }

pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
case ${1:-} in
  filter) targets=wasm32-wasip1 components='' ;;
  static) targets='wasm32-wasip1 x86_64-unknown-linux-musl aarch64-unknown-linux-musl' components='' ;;
  all) targets=$(listed targets) components=$(listed components) ;;
  *) printf "rust-toolchain.sh: unknown parts '%s'; allowed: filter, static, all\n" "${1:-}" >&2; exit 2 ;;
esac

# lacking: prints one line for each part that the active toolchain lacks: WHAT|COMMAND that installs it.
lacking() {
  local sysroot name program version
  if ! sysroot=$(rustc --print sysroot 2>/dev/null); then
    echo "Rust $pinned|rustup toolchain install --no-self-update"
    return
  fi
  version=$(rustc --version | cut -d' ' -f2)
  printf '%s\n' "$pinned" "$version" | sort -CV || echo "Rust $pinned, not $version|rustup toolchain install --no-self-update"
  for name in $targets; do
    [ -d "$sysroot/lib/rustlib/$name/lib" ] || echo "Rust target $name|rustup target add $name"
  done
  for name in $components; do
    # A component's program has the component's name, except clippy's.
    program=$name
    [ "$name" != clippy ] || program=cargo-clippy
    [ -x "$sysroot/bin/$program" ] || echo "Rust component $name|rustup component add $name"
  done
}

# is_rustups: whether the first Rust on the PATH is rustup's, so that rustup can add parts to it.
is_rustups() {
  local sysroot
  command -v rustup >/dev/null || return
  # No toolchain is installed yet: rustup's proxy for rustc failed.
  sysroot=$(rustc --print sysroot 2>/dev/null) || return 0
  # The same file by either path: a toolchain may be a link to another one.
  [ "$(rustup which rustc 2>/dev/null)" -ef "$sysroot/bin/rustc" ]
}

# bring: runs the command for each missing part.
bring() {
  local command
  lacking | while IFS='|' read -r _ command; do $command </dev/null || return; done
}

lacks=$(lacking)
[ -n "$lacks" ] || exit 0
if is_rustups; then
  printf 'Installing by rustup what rust-toolchain.toml names\n' >&2
  begun=$SECONDS
  # Again, because a toolchain chosen by RUSTUP_TOOLCHAIN instead of the file is installed without targets.
  bring >&2 && bring >&2 && printf '  %s s\n' $((SECONDS - begun)) >&2 || printf '  failed\n' >&2
  lacks=$(lacking)
  note=
else
  note="; the Rust here is not rustup's: $(command -v rustc || command -v cargo)"
fi
while IFS='|' read -r what command; do
  [ -z "$what" ] || { printf 'missing: %s (%s%s)\n' "$what" "$command" "$note" >&2; failed=1; }
done <<<"$lacks"
[ -z "${failed:-}" ]
