#!/usr/bin/env bash
# Sends load to an MCP server through its sidecar, and compares its own counts with the sidecar's.
#
#   URL=http://localhost:4000 CONCURRENCY=50 TOTAL=1000 scripts/loadtest.sh
#   scripts/loadtest.sh --help        all settings; an argument overrides its variable
#
# Without URL it starts an MCP server made with the Rust SDK and a sidecar in front of it, on free ports, and ends both. RULE then
# is the only rate limit rule of this sidecar.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

# With URL, the sidecar runs already.
url=${URL:-}
case " $* " in *" --url"* | *" --help "* | *" -h "*) url=given ;; esac
rule=${RULE:-}
arguments=("$@")
for index in "${!arguments[@]}"; do
  case "${arguments[index]}" in
    --rule) rule=${arguments[index + 1]:-} ;;
    --rule=*) rule=${arguments[index]#--rule=} ;;
  esac
done
needs=(rust c)
[ -n "$url" ] || needs+=(python node cache)
scripts/prerequisites.sh "${needs[@]}"
step "Building the load test" cargo build --quiet --release --locked -p loadtest
loadtest=$CARGO_TARGET_DIR/release/loadtest
[ -z "$url" ] || exec "$loadtest" "$@"

server=$(step "Getting the MCP server" scripts/get.sh rmcp-server-fast)
ENVOY_BIN=$(step "Getting Envoy" scripts/get.sh envoy)
export ENVOY_BIN
build_sidecar

# free_ports COUNT: prints that many free ports.
free_ports() {
  python3 -c 'import sys
sys.path.append("scripts/demo")
from stack import free_ports
print(*free_ports(int(sys.argv[1])))' "$1"
}

logs=$(mktemp -d)
children=()
end() {
  [ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$logs"
}
trap end EXIT

read -r upstream port probe admin < <(free_ports 4)
PORT=$upstream "$server" >"$logs/server" 2>&1 &
children+=($!)
limit=()
if [ -n "$rule" ]; then
  printf '{"rate_limit": {"rules": [%s]}}\n' "$rule" >"$logs/filter.json"
  limit=(MCP_FILTER_CONFIG="$logs/filter.json")
fi
env "${limit[@]}" MCP_UPSTREAM_URL="http://127.0.0.1:$upstream/mcp" MCP_UPSTREAM_NAME=rmcp CONCURRENCY=2 \
  HOST=127.0.0.1 PROBE_HOST=127.0.0.1 PORT="$port" PROBE_PORT="$probe" ADMIN_PORT="$admin" \
  "$MCP_SIDECAR" run >"$logs/sidecar" 2>&1 &
children+=($!)

# is_up PORT PATH: whether the response is 200.
is_up() {
  python3 -c 'import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", timeout=1)' "$1" "$2" 2>/dev/null
}

say "Waiting for server and sidecar"
until is_up "$probe" /ready && is_up "$probe" /health; do
  for child in "${children[@]}"; do
    kill -0 "$child" 2>/dev/null || { cat "$logs"/* >&2; say "failed: the server or the sidecar ended"; exit 1; }
  done
  sleep 0.1
done

URL=http://127.0.0.1:$port METRICS=http://127.0.0.1:$probe/metrics "$loadtest" "$@"
