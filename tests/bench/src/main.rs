//! Measures the cost of the filter inside a real Envoy. `make bench` runs it through `scripts/bench.sh`.
//!
//! Envoy is pinned to one CPU. Start this program on another (`taskset -c 1`), because the load and the upstream run in its
//! only thread. The measured value is the processor time of the Envoy process per request.

mod envoy;
mod exports;
mod load;
mod probes;
mod report;
mod rounds;
mod stdio;
mod upstream;
mod workload;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use envoy::Filter;
use rounds::{Plan, Variant};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use workload::SCENARIOS;

#[derive(Parser)]
#[command(about = "Measures what the filter costs inside a real Envoy")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Envoy's binary.
    #[arg(long, global = true, env = "ENVOY_BIN", default_value = "envoy")]
    envoy: PathBuf,
    /// The CPU that Envoy is pinned to.
    #[arg(long, global = true, env = "ENVOY_CPU", default_value_t = 0)]
    cpu: usize,
    /// Keep-alive connections of the load.
    #[arg(long, global = true, default_value_t = 16, value_parser = 1..=upstream::MAX_LANES as i64)]
    connections: i64,
    /// Times that all Envoys are started.
    #[arg(long, global = true, env = "STARTS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    starts: u16,
    /// Rounds over all Envoys per scenario and start.
    #[arg(long, global = true, env = "ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only this scenario; may be repeated
    #[arg(long, global = true, env = "SCENARIO", value_delimiter = ',', value_parser = workload::names())]
    scenario: Vec<String>,
    /// A tenth of the requests: a trial run, not a measurement
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Compares plain Envoy, the empty filter, this project's filter, and Envoy's own MCP filter.
    Compare {
        /// The module of the empty filter.
        #[arg(long)]
        empty: PathBuf,
        /// The module of this project.
        #[arg(long)]
        ours: PathBuf,
        /// Where to write the medians.
        #[arg(long)]
        json: PathBuf,
    },
    /// Compares plain Envoy and any modules, each as NAME=FILE.
    Variants {
        #[arg(required = true)]
        modules: Vec<String>,
    },
    /// Compares this project's filter without and with a rate limit that refuses nothing.
    RateLimit {
        /// The module of this project.
        ours: PathBuf,
    },
    /// Compares bridges from HTTP to a program on standard input and output.
    Stdio {
        /// The program behind each bridge.
        #[arg(long)]
        program: PathBuf,
        /// Each as NAME=COMMAND; `{port}`, `{free}` and `{program}` in the command are replaced.
        #[arg(required = true)]
        bridges: Vec<String>,
    },
    /// Writes a module without some of its exported functions.
    WithoutExports {
        from: PathBuf,
        to: PathBuf,
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Runs a module that measures itself and logs the results.
    Probe { module: PathBuf },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { command, options } = Arguments::parse();
    let plan = options.plan();
    match command {
        Command::Compare { empty, ours, json } => compare(&plan, empty, ours, &json).await,
        Command::Variants { modules } => variants(&plan, &modules).await,
        Command::RateLimit { ours } => rate_limit(&plan, ours).await,
        Command::Stdio { program, bridges } => compare_bridges(&plan, &program, &bridges).await,
        Command::WithoutExports { from, to, names } => {
            let module = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
            Ok(fs::write(to, exports::without(&module, &names)?)?)
        }
        Command::Probe { module } => report::print_probes(&probes::run(&plan, module).await?),
    }
}

// === impl Options ===

impl Options {
    fn plan(self) -> Plan {
        let Self { envoy, cpu, connections, starts, rounds, scenario, quick } = self;
        let usual = SCENARIOS.iter().filter(|(_, usual)| *usual).map(|(name, _)| (*name).to_owned());
        Plan {
            envoy,
            cpu,
            connections: connections as usize,
            starts: starts.into(),
            rounds: rounds.into(),
            scenarios: if scenario.is_empty() { usual.collect() } else { scenario },
            hurry: if quick { 10 } else { 1 },
        }
    }
}

async fn compare(plan: &Plan, empty: PathBuf, ours: PathBuf, json: &Path) -> Result<()> {
    let four = [
        Variant::new("plain", Filter::None),
        Variant::new("empty", Filter::Wasm(empty, None)),
        Variant::new("ours", Filter::Wasm(ours, None)),
        Variant::new("native", Filter::Native),
    ];
    let findings = rounds::measure(plan, &four).await?;
    report::print_table(&findings);
    report::print_added(&findings);
    let text = serde_json::to_string_pretty(&report::json(&findings))?;
    fs::write(json, text + "\n").with_context(|| format!("writing {}", json.display()))
}

/// Buckets of one rule: the bound of the filter.
const BUCKETS: usize = 1024;

async fn rate_limit(plan: &Plan, ours: PathBuf) -> Result<()> {
    // More than a run sends in one session. What is taken does not come back during the run, so no bucket is dropped.
    let rule =
        json!({"method": "tools/call", "per": "session", "requests": 1, "interval_ms": 86_400_000, "burst": 1_000_000});
    let limited = Filter::Wasm(ours.clone(), Some(json!({"rate_limit": {"rules": [rule]}})));
    let full = Variant { sessions: BUCKETS - plan.connections, ..Variant::new("1,024 buckets", limited.clone()) };
    let three = [Variant::new("no rule", Filter::Wasm(ours, None)), Variant::new("one rule", limited), full];
    report::print_table(&rounds::measure(plan, &three).await?);
    Ok(())
}

async fn compare_bridges(plan: &Plan, program: &Path, bridges: &[String]) -> Result<()> {
    let mut named = Vec::new();
    for bridge in bridges {
        let (name, command) = bridge.split_once('=').with_context(|| format!("'{bridge}' is not NAME=COMMAND"))?;
        named.push((name.to_owned(), command.to_owned()));
    }
    let program = program.canonicalize().with_context(|| format!("program {}", program.display()))?;
    let Plan { cpu, starts, rounds, hurry, .. } = *plan;
    stdio::compare(&stdio::Plan { cpu, starts, rounds, hurry, program, bridges: named }).await
}

async fn variants(plan: &Plan, modules: &[String]) -> Result<()> {
    let mut variants = vec![Variant::new("plain", Filter::None)];
    for module in modules {
        let (name, file) = module.split_once('=').with_context(|| format!("'{module}' is not NAME=FILE"))?;
        ensure!(Path::new(file).is_file(), "no module {file}");
        variants.push(Variant::new(name, Filter::Wasm(file.into(), None)));
    }
    report::print_table(&rounds::measure(plan, &variants).await?);
    Ok(())
}
