#!/usr/bin/env bash
# Makes the module from cargo's output: scripts/shrink-filter.sh LINKED MODULE. It does nothing if MODULE is up to date.
#
# It also writes MODULE.symbols, the names of the functions by their index in MODULE, which itself has no names. Tests read it.
# If LINKED has no names, neither has that file.
#
# The SDK exports callbacks for gRPC, TCP, queues and HTTP calls, which Envoy never calls for this filter, and its vtables have
# many copies of the same function. wasm-opt removes both (docs/performance.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
linked=$1 module=$2

wasm_opt=$(scripts/get.sh wasm-opt)
# Envoy calls only exported functions.
unused=(
  proxy_on_new_connection 'proxy_on_downstream_*' 'proxy_on_upstream_*'
  'proxy_on_grpc_*' proxy_on_http_call_response proxy_on_queue_ready proxy_on_foreign_function
)
# The WebAssembly features that Rust uses for this target; the host's engine may not support newer ones.
features=(
  --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
  --enable-reference-types --enable-sign-ext --enable-simd
)
# By default wasm-opt inlines each function that has one caller, so hot functions would contain the code of rare cases. Functions that
# differ in constants only, such as the decoders of postcard, become one.
size=(--one-caller-inline-max-function-size=100 --merge-similar-functions)
# Calls of a global allocator are counted by name (tests/fake-envoy), so wasm-opt must not inline it.
kept=('--no-inline=*GlobalAlloc*5alloc*' '--no-inline=*GlobalAlloc*7realloc*' '--no-inline=*GlobalAlloc*12alloc_zeroed*')
# The linker writes these sections for tools.
stripped=(--strip-producers --strip-target-features)
key=$(cat "$linked" scripts/shrink-filter.sh versions.env | sha256sum)
if [ ! -e "$module" ] || [ ! -e "$module.symbols" ] || [ "$key" != "$(cat "$module.key" 2>/dev/null)" ]; then
  "$wasm_opt" "${features[@]}" "${unused[@]/#/--remove-exports=}" "${kept[@]}" -O3 "${size[@]}" "${stripped[@]}" \
    "--symbolmap=$module.symbols.$$" "$linked" -o "$module.$$"
  mv "$module.symbols.$$" "$module.symbols"
  mv "$module.$$" "$module"
  echo "$key" >"$module.key"
fi
