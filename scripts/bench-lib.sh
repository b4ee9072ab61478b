# shellcheck shell=bash
# Sourced by bench.sh, bench-variants.sh and bench-rate-limit.sh, after lib.sh: builds the load generator and pins it to a CPU.

# prepare_bench: builds the load generator and gets Envoy.
prepare_bench() {
  scripts/prerequisites.sh rust c python node bench cache
  [ "$(nproc)" -ge 2 ] || { say "benchmarks need two CPUs: one for Envoy, one for load and upstream"; exit 1; }
  ENVOY_BIN=$(scripts/get.sh envoy)
  export ENVOY_BIN
  step "Building the load" cargo build --quiet --release --locked -p bench
}

# build_modules: builds the modules for comparison.
build_modules() {
  step "Building the modules to compare with" \
    cargo build --quiet --release --locked -p bench-filters --examples --target wasm32-wasip1
  # shellcheck disable=SC2034 # used by the scripts that source this
  modules=$CARGO_TARGET_DIR/wasm32-wasip1/release/examples
}

# bench ARGUMENTS...: runs the load generator on CPU 1; it pins each Envoy to CPU 0.
bench() { taskset -c "${LOAD_CPU:-1}" "$CARGO_TARGET_DIR/release/bench" "$@"; }
