# shellcheck shell=bash
# Sourced by the scripts that build what is published. No path of this machine gets into a program, so that the same commit gives the
# same bytes on every machine. The working directory is the repository's root.

# remapped_paths PACKAGE TARGET: prints rustc's flags as elements of a TOML array.
remapped_paths() {
  local flags rust_sources crates
  # If the standard library's sources are installed, rustc writes their path instead of the path where they were compiled.
  rust_sources="$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"
  flags="'--remap-path-prefix=$PWD=.', '--remap-path-prefix=$rust_sources'"
  # A mirror of the registry has a folder with another name. Missing crates are fetched first, so that all folders exist.
  cargo tree --locked --quiet --target "$2" -p "$1" >/dev/null || return
  for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags+=", '--remap-path-prefix=$crates=cargo'"
  done
  printf '%s\n' "$flags"
}
