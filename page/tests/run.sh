#!/usr/bin/env bash
# Runs files of tests: page/tests/run.sh FILE...
exec node --test --test-concurrency=2 --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter="$(dirname "${BASH_SOURCE[0]}")/summary.mjs" --test-reporter-destination=stdout "$@"
