# Each recipe runs one script, or one command after the check of what it needs. `make help` lists the recipes.
.DEFAULT_GOAL := help
.PHONY: help filter image release sidecar demo example-weather example-postgres example-agent-sdk-server example-stdio dev stack dashboard k8s-rules
.PHONY: test test-slow test-stack test-integration test-compose test-k8s test-istio test-fresh test-release test-all
.PHONY: loadtest fuzz bench fmt clippy docs clean

help: ## list the recipes
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{ printf "%-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

filter: ## build the filter and print the path of mcp_observability.wasm
	@scripts/build-filter.sh

image: ## write the module as an OCI image layout, target/image, with digest, SBOM and how to push it
	@scripts/image.sh

release: ## write all artefacts of a release, target/release-artefacts: programs, chart, images, SBOMs, checksums
	@scripts/release.sh

sidecar: ## build the launcher and print its path, target/release/mcp-sidecar
	@scripts/build-sidecar.sh

demo: ## run a real MCP server behind the sidecar and print the series; KEEP=1 leaves it running
	@scripts/demo.sh

example-weather: ## the same as demo
	@scripts/example.sh weather

example-postgres: ## a real PostgreSQL behind a read-only MCP server, with the sidecar in front
	@scripts/example.sh postgres

example-agent-sdk-server: ## an agent as an MCP server, with the sidecar in front
	@scripts/example.sh agent-sdk-server

example-stdio: ## a server on standard input and output, started and served by the sidecar
	@scripts/example.sh stdio

dev: ## run the weather server behind the sidecar; rebuild and restart on change
	@scripts/dev.sh

stack: ## run sidecar, collector and Prometheus with clients until Ctrl-C; ONCE=1 ends after the table
	@scripts/stack.sh

dashboard: ## write grafana/dashboards/*.json from the code in grafana/dashboard
	@scripts/dashboard.sh

k8s-rules: ## write k8s/monitoring/prometheusrule.yaml from collector/rules
	@scripts/k8s-rules.sh

test: ## run all checks and the tests of one sidecar; at most 25 minutes from nothing on 2 cores
	@scripts/test.sh

test-slow: ## run the tests that take minutes: idle connections, and the allocator in Miri
	@scripts/test.sh slow

test-stack: ## test sidecars, collector and Prometheus together, and the rules; builds the collector and Prometheus once
	@scripts/test.sh stack

test-integration: ## test the release's artefacts and its scripts, the module's OCI image, the load test, the examples, more SDKs and servers on standard input and output; builds the SDKs' programs once
	@scripts/test.sh integration

test-compose: ## build, start and call docker-compose.yml on a real Docker engine; skipped where none can start
	@scripts/test.sh compose

test-k8s: ## apply the Kubernetes manifests to a real API server and run their pods' processes; builds it once
	@scripts/test.sh k8s

test-istio: ## apply the manifests for Istio to a real istiod and run proxies under Istio's own agent; builds both once
	@scripts/test.sh istio

test-fresh: ## run make demo with a Rust of its own that lacks the targets; installs that Rust
	@scripts/test.sh fresh

test-release: ## write the artefacts of a release, and run each in an empty root
	@scripts/test.sh release

test-all: ## run all sets of tests (.ci/run); as root on Debian install missing packages; at most 60 minutes from nothing on 2 cores
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

clean: ## remove build outputs; the cache of downloads stays
	@scripts/prerequisites.sh rust && cargo clean
