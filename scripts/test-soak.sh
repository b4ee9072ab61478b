#!/usr/bin/env bash
# What takes minutes: calls at the edge of the servers' idle timeouts, where a proxy that reuses a closing connection loses some;
# ten thousand random exchanges compared byte for byte; a hundred thousand whose two ends keep their own count.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/test-e2e.sh" -m soak
