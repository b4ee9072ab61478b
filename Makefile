# Every recipe is one script or one command; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help filter sidecar demo dev test test-slow test-all loadtest fuzz bench fmt clippy docs clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

filter: ## build the filter and print the path of mcp_observability.wasm
	@scripts/build-filter.sh

sidecar: ## build the launcher, target/release/mcp-sidecar
	@cargo build --release --locked -p mcp-sidecar

demo: ## show what the sidecar says about a real MCP server; KEEP=1 leaves it running
	@scripts/demo.sh

dev: ## run the weather server behind the sidecar; rebuild and restart on change
	@scripts/dev.sh

test: ## run every check and test; at most 25 minutes from nothing on 2 cores
	@scripts/test.sh

test-slow: ## run only what test-all adds
	@scripts/test.sh slow

test-all: test test-slow ## run everything, minutes of waiting on idle connections included

loadtest: ## drive load through a sidecar and compare counts; URL, METRICS, CONCURRENCY, TOTAL
	@scripts/loadtest.sh

fuzz: ## fuzz the core for MINUTES (6 unless given), all targets in turn
	@scripts/fuzz.sh $(or $(MINUTES),6)

bench: ## compare CPU, throughput and memory with plain Envoy and others; writes target/bench.json
	@scripts/bench.sh

fmt: ## format the Rust code
	@cargo fmt --all

clippy: ## lint with warnings denied
	@scripts/check-clippy.sh

docs: ## build the Rust documentation with warnings denied
	@scripts/check-docs.sh

clean: ## remove what was built; what was fetched stays in the cache
	@cargo clean
