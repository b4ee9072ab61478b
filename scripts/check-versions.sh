#!/usr/bin/env bash
# Checks that docker-compose.yml and the Dockerfiles name exactly the images of versions.env and rust-toolchain.toml, and that the
# Kubernetes manifests and the chart have the version of Cargo.toml.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
# shellcheck source=../versions.env
source versions.env

rust=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
expected=$(sort <<END
envoyproxy/envoy:distroless-v$ENVOY_VERSION
grafana/grafana:$GRAFANA
node:$NODE-$DEBIAN-slim
otel/opentelemetry-collector-contrib:$COLLECTOR
postgres:${POSTGRES_WHEEL%.*}-$DEBIAN
prom/prometheus:v$PROMETHEUS
python:$PYTHON-slim-$DEBIAN
rust:$rust-slim-$DEBIAN
END
)
# Images that are built here have no version, and stages have names without a colon.
named=$(sed -nE 's/^ *image: ([^ ]+:[^ ]+)$/\1/p; s/^FROM ([^ ]+:[^ ]+).*/\1/p' docker-compose.yml envoy/Dockerfile examples/Dockerfile | sort -u)
if [ "$named" != "$expected" ]; then
  say "images differ: < from versions.env, > in docker-compose.yml and the Dockerfiles"
  diff <(echo "$expected") <(echo "$named") >&2 || true
  exit 1
fi
if ! grep -q "^ENV RUSTUP_TOOLCHAIN=$rust\$" envoy/Dockerfile; then
  say "envoy/Dockerfile: RUSTUP_TOOLCHAIN is not $rust, the version of rust-toolchain.toml"
  exit 1
fi

# This project's own version. Its images are those whose name begins with mcp-observability/.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
chart=k8s/helm/mcp-observability
while read -r file found; do
  [ "$found" = "$version" ] || { say "$file has the version $found; Cargo.toml has $version"; exit 1; }
done < <(
  sed -nE "s,^(version|appVersion): ,$chart/Chart.yaml ,p" "$chart/Chart.yaml"
  sed -nE "s,.*repository: mcp-observability/[a-z]+\, tag: ([^}]+)\}.*,$chart/values.yaml \1,p" "$chart/values.yaml"
  grep -A1 'newName: mcp-observability/' k8s/base/kustomization.yaml | sed -nE 's,^ +newTag: ,k8s/base/kustomization.yaml ,p'
)
[ "${1:-}" != --list ] || echo "$named"
