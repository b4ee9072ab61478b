#!/usr/bin/env bash
# Writes k8s/monitoring/prometheusrule.yaml, which carries the rules of collector/rules to Prometheus Operator.
#
#   scripts/k8s-rules.sh --check   fails if the file is not what it would write
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
file=k8s/monitoring/prometheusrule.yaml

# render: the head, then each file of rules below the line `groups:`, two columns further in than it stands there.
render() {
  cat <<'HEAD'
# Written by scripts/k8s-rules.sh from collector/rules; do not change it here.
#
# For Prometheus Operator. It takes only rules whose labels its `ruleSelector` asks for: give them in an overlay.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mcp-observability
  labels: {app.kubernetes.io/part-of: mcp-observability}
spec:
  groups:
HEAD
  awk 'FNR == 1 { inside = 0 } inside { print length ? "  " $0 : "" } /^groups:/ { inside = 1 }' collector/rules/*.yml
}

case ${1:-} in
  --check)
    render | diff -u "$file" - >&2 || { say "$file is not what collector/rules says: run scripts/k8s-rules.sh"; exit 1; } ;;
  "") render >"$file" ;;
  *) say "usage: scripts/k8s-rules.sh [--check]"; exit 2 ;;
esac
