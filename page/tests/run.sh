#!/usr/bin/env bash
# Runs files of tests: page/tests/run.sh FILE...
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec node --test --test-concurrency=2 --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter="$here/summary.mjs" --test-reporter-destination=stdout "$@"
