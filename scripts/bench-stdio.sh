#!/usr/bin/env bash
# Compares bridges from HTTP to a program on standard input and output; docs/performance.md has the table.
#
#   STARTS=n ROUNDS=n scripts/bench-stdio.sh [NAME...]     the bridges named, else all of command_of
#
# MCP_FILTER_WASM and MCP_SIDECAR may name a module and a launcher that are built already.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=bench-lib.sh
source scripts/bench-lib.sh

# command_of NAME: gets a bridge and prints its command, in which bench replaces what is in braces.
command_of() {
  local program sidecar="env HOST=127.0.0.1 PORT={port} PROBE_PORT={free} ADMIN_PORT={free} CONCURRENCY=1 MCP_STDIO_SESSIONS=100"
  case $1 in
    mcp-sidecar)
      echo "$sidecar $MCP_SIDECAR run -- {program}" ;;
    # The bridge of the same command, without the way through Envoy.
    bridge-alone)
      echo "$sidecar TMPDIR={socket-directory} $MCP_SIDECAR run -- {program}" ;;
    supergateway)
      program=$(scripts/get.sh node-peers)/supergateway/dist/index.js
      echo "node $program --stdio {program} --outputTransport streamableHttp --stateful --port {port} --logLevel none" ;;
    mcp-proxy)
      program=$(dirname "$(scripts/get.sh python mcp-proxy)")/mcp-proxy
      echo "$program --port {port} --log-level ERROR -- {program}" ;;
    toolhive)
      program=$(scripts/get.sh toolhive)
      echo "$program {port} {program}" ;;
    *) say "bench-stdio.sh: unknown bridge '$1'; allowed: mcp-sidecar, bridge-alone, supergateway, mcp-proxy, toolhive"; return 2 ;;
  esac
}

# ToolHive is built with Go.
scripts/prerequisites.sh go
prepare_bench
[ $# -gt 0 ] || set -- mcp-sidecar bridge-alone supergateway mcp-proxy toolhive
case " $* " in *" mcp-sidecar "* | *" bridge-alone "*) build_sidecar ;; esac
bridges=()
for name in "$@"; do
  bridge=$(command_of "$name")
  bridges+=("$name=$bridge")
done
bench stdio --program "$CARGO_TARGET_DIR/release/stdio_server" "${bridges[@]}"
