#!/usr/bin/env bash
# Envoy accepts every Envoy configuration in the repository, with the built filter.
# (The launcher's tests validate the bootstraps that it renders.)
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh rust c python node tools cache

envoy=$(scripts/get.sh envoy)
module=$(scripts/build-filter.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0 count=0
while IFS= read -r -d '' file; do
  # The module's path is the only part that must be changed.
  sed "s#/[A-Za-z/_-]*/mcp_observability\.wasm#$module#" "$file" >"$work/envoy.yaml"
  count=$((count + 1))
  if ! "$envoy" --mode validate --config-path "$work/envoy.yaml" --log-level error >"$work/log" 2>&1; then
    say "$file: refused by Envoy"
    cat "$work/log" >&2
    status=1
  fi
done < <(git grep -lz --untracked '^static_resources:' -- '*.yaml' '*.yml')

[ "$count" -gt 0 ] || { say "no Envoy configuration found"; exit 1; }
echo "Envoy read $count configuration(s)"
exit "$status"
