#!/usr/bin/env bash
# Tests the live page in Chromium.
exec "$(dirname "${BASH_SOURCE[0]}")/test-page.sh" browser
