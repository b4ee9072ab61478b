#!/usr/bin/env bash
# Two minutes of calls at the edge of the servers' idle timeouts, where a proxy that reuses a closing connection loses some.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/test-e2e.sh" -m soak
