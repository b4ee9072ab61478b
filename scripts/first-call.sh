#!/usr/bin/env bash
# Sends one call to a sidecar, as the README does, and waits until the metrics have it. For checks of an installation.
#
#   scripts/first-call.sh http://localhost:4000/mcp http://localhost:9902/metrics
#
# The second URL is any page in Prometheus' text format, such as /federate of a Prometheus. SECONDS_EACH (60) is the longest wait for
# the server to answer, and then for the metrics.
set -euo pipefail
# shellcheck source=progress.sh
source "$(dirname "${BASH_SOURCE[0]}")/progress.sh"

[ $# -eq 2 ] || { say "usage: scripts/first-call.sh MCP_URL METRICS_URL"; exit 2; }
"$(dirname "${BASH_SOURCE[0]}")/prerequisites.sh" http
each=${SECONDS_EACH:-60}
request='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"8"}}}'

# within WHAT COMMAND...: runs the command every second until it succeeds.
within() {
  local what=$1 end=$((SECONDS + each))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { say "no $what within $each s"; exit 1; }
    sleep 1
  done
}
call() {
  curl --silent --fail --max-time 10 "$1" -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \
    -d "$request" | grep -q '"serverInfo"'
}
# A call that failed before the server was up is counted too, so the status is part of what is looked for.
counted() {
  curl --silent --fail --globoff --max-time 10 "$1" |
    grep '^mcp_requests_total{' | grep 'method="initialize"' | grep 'status="ok"' | grep -qE '\} [1-9]'
}

within "answer from $1" call "$1"
within "call in $2" counted "$2"
say "the call is in $2"
