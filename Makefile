# Every recipe is one script, or one command after what it needs; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help filter image sidecar demo example-weather example-postgres example-agent-sdk-server dev stack dashboard loadtest
.PHONY: test test-slow test-stack compose-test k8s-test istio-test test-fresh k8s-rules test-all fuzz bench fmt clippy docs clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{ printf "%-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

filter: ## build the filter and print the path of mcp_observability.wasm
	@scripts/build-filter.sh

image: ## write the module as an OCI image layout, target/image, with digest, SBOM and how to push it
	@scripts/image.sh

sidecar: ## build the launcher and print its path, target/release/mcp-sidecar
	@scripts/build-sidecar.sh

demo: ## show what the sidecar says about a real MCP server; KEEP=1 leaves it running
	@scripts/demo.sh

example-weather: ## the same as demo
	@scripts/example.sh weather

example-postgres: ## a real PostgreSQL behind a read-only MCP server, with the sidecar in front
	@scripts/example.sh postgres

example-agent-sdk-server: ## an agent as an MCP server, with the sidecar in front
	@scripts/example.sh agent-sdk-server

dev: ## run the weather server behind the sidecar; rebuild and restart on change
	@scripts/dev.sh

stack: ## run sidecar, collector and Prometheus with clients until Ctrl-C; ONCE=1 ends after the table
	@scripts/stack.sh

dashboard: ## write grafana/dashboards/*.json from the code in grafana/dashboard
	@scripts/dashboard.sh

k8s-rules: ## write k8s/monitoring/prometheusrule.yaml from collector/rules
	@scripts/k8s-rules.sh

test: ## run every check and test; at most 25 minutes from nothing on 2 cores
	@scripts/test.sh

test-slow: ## run what takes minutes of waiting, on idle connections for one
	@scripts/test.sh slow

test-stack: ## run image, load test, examples, the pipeline to Prometheus and more SDKs; builds the collector and Prometheus once
	@scripts/test.sh stack

compose-test: ## build, start and call docker-compose.yml on a real Docker engine; skipped where none can start
	@scripts/test.sh compose

k8s-test: ## apply the Kubernetes manifests to a real API server and run their pods' processes; builds it once
	@scripts/test.sh k8s

istio-test: ## apply the manifests for Istio to a real istiod and run proxies under Istio's own agent; builds both once
	@scripts/test.sh istio

test-fresh: ## run make demo with a Rust of its own that lacks the targets; installs that Rust
	@scripts/test.sh fresh

test-all: ## run everything, and as root on Debian install the packages that it needs; at most 60 minutes from nothing on 2 cores
	@.ci/run

loadtest: ## drive load through a sidecar and compare counts; URL, METRICS, CONCURRENCY, TOTAL
	@scripts/loadtest.sh

fuzz: ## fuzz the core for MINUTES (6 unless given), all targets in turn
	@scripts/fuzz.sh $(or $(MINUTES),6)

bench: ## compare CPU, throughput and memory with plain Envoy and others; writes target/bench.json
	@scripts/bench.sh

fmt: ## format the Rust code
	@scripts/prerequisites.sh rust-all && cargo fmt --all

clippy: ## lint with warnings denied
	@scripts/check-clippy.sh

docs: ## build the Rust documentation with warnings denied
	@scripts/check-docs.sh

clean: ## remove what was built; what was fetched stays in the cache
	@scripts/prerequisites.sh rust && cargo clean
