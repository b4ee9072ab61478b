#!/usr/bin/env bash
# Makes the module of what cargo linked: scripts/shrink-filter.sh LINKED MODULE. What was made of the same before stays.
#
# The SDK exports callbacks for gRPC, TCP, queues and calls of its own, which an HTTP filter never gets, and its vtables hold
# the same function many times over. wasm-opt takes both out (docs/performance.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
linked=$1 module=$2

wasm_opt=$(scripts/get.sh wasm-opt)
# What is not exported is not called.
unused=(
  proxy_on_new_connection 'proxy_on_downstream_*' 'proxy_on_upstream_*'
  'proxy_on_grpc_*' proxy_on_http_call_response proxy_on_queue_ready proxy_on_foreign_function
)
# What Rust uses on this target; anything newer the host's engine may not know.
features=(
  --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
  --enable-reference-types --enable-sign-ext --enable-simd
)
key=$(cat "$linked" scripts/shrink-filter.sh versions.env | sha256sum)
if [ ! -e "$module" ] || [ "$key" != "$(cat "$module.key" 2>/dev/null)" ]; then
  "$wasm_opt" "${features[@]}" "${unused[@]/#/--remove-exports=}" -O3 "$linked" -o "$module.$$"
  mv "$module.$$" "$module"
  echo "$key" >"$module.key"
fi
