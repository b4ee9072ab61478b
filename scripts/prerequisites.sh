#!/usr/bin/env bash
# Names every missing prerequisite, one line each with how to get it, and fails if there is one.
#
#   scripts/prerequisites.sh NAME...    names from: rust, c, c++, python, node, go, tools
set -euo pipefail

missing=0
# require PROGRAM HINT
require() {
  command -v "$1" >/dev/null && return
  printf 'missing: %s (%s)\n' "$1" "$2" >&2
  missing=1
}

# has_wasm_target TARGET: rustup adds what rust-toolchain.toml names by itself; a Rust from elsewhere may lack it.
has_wasm_target() {
  command -v rustup >/dev/null || [ -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" ]
}

check() {
  case $1 in
    rust)
      require cargo "Rust by rustup; rust-toolchain.toml pins the version"
      for target in wasm32-wasip1 wasm32-unknown-unknown; do
        if command -v cargo >/dev/null && ! has_wasm_target "$target"; then
          printf 'missing: Rust target %s (rustup target add %s)\n' "$target" "$target" >&2
          missing=1
        fi
      done ;;
    c++) require c++ "a C++ compiler, for libFuzzer: Debian package g++" ;;
    c) require cc "a C compiler, for the linker: Debian package gcc" ;;
    python)
      require python3 "Python 3.11 or newer: Debian package python3"
      if command -v python3 >/dev/null && ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        printf 'missing: Python 3.11 or newer with venv (Debian package python3-venv)\n' >&2
        missing=1
      fi ;;
    node)
      require node "Node.js 20 or newer: Debian package nodejs"
      require npm "it comes with Node.js: Debian package npm" ;;
    go) require go "Go 1.26 or newer; it builds the collector, Prometheus and a Kubernetes API server" ;;
    tools)
      require git "Debian package git"
      require flock "Debian package util-linux" ;;
    *) printf 'prerequisites.sh: unknown name %s; known are rust, c, c++, python, node, go, tools\n' "$1" >&2; exit 2 ;;
  esac
}

for name in "$@"; do check "$name"; done
exit "$missing"
