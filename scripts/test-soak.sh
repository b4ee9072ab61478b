#!/usr/bin/env bash
# Tests that take minutes: calls at the servers' idle timeouts, where a proxy could reuse a closing connection and lose calls;
# 10,000 random exchanges compared byte for byte; 100,000 exchanges whose counts are compared with those of client and server.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/test-e2e.sh" -m soak
