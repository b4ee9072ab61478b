//! Sends load to each Envoy in turn, in several rounds, so that a slow minute of the machine affects all of them equally.

use crate::envoy::{Envoy, Filter};
use crate::load::Load;
use crate::upstream::{self, Stage};
use crate::workload::Workload;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;

/// The settings of a measurement.
pub(crate) struct Plan {
    pub(crate) envoy: PathBuf,
    pub(crate) cpu: usize,
    pub(crate) connections: usize,
    /// How many times all Envoys are started. The figures of one module differ by several microseconds between starts.
    pub(crate) starts: usize,
    /// Rounds per scenario and start.
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<String>,
    /// Divides the number of requests per Envoy and round.
    pub(crate) hurry: usize,
}

/// One filter under comparison.
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) filter: Filter,
    /// Sessions that are opened before the first round, besides one per connection.
    pub(crate) sessions: usize,
}

// === impl Variant ===

impl Variant {
    pub(crate) fn new(name: &str, filter: Filter) -> Self {
        Self { name: name.to_owned(), filter, sessions: 0 }
    }
}

/// The figures of one Envoy in one round.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Processor time of Envoy per request, in microseconds.
    pub(crate) cpu: f64,
    pub(crate) requests_per_second: f64,
}

/// All samples of one scenario, by variant and round.
pub(crate) struct ScenarioSamples {
    pub(crate) scenario: String,
    pub(crate) by_variant: Vec<Vec<Sample>>,
}

/// The result of a run.
pub(crate) struct Findings {
    pub(crate) variants: Vec<String>,
    pub(crate) scenarios: Vec<ScenarioSamples>,
    /// Resident memory of each Envoy after the last round, in MiB.
    pub(crate) resident: Vec<f64>,
}

struct Lane {
    name: String,
    envoy: Envoy,
    load: Load,
    sent: u64,
}

/// Starts one Envoy per variant, measures, and repeats this. Fails if a response is wrong or a filter did not run.
pub(crate) async fn measure(plan: &Plan, variants: &[Variant]) -> Result<Findings> {
    let workloads: Result<Vec<Workload>> = plan.scenarios.iter().map(|name| Workload::new(name)).collect();
    let stage = Arc::new(Stage::new(workloads?));
    let upstream = upstream::start(stage.clone()).await?;
    let none = |name: &String| ScenarioSamples { scenario: name.clone(), by_variant: vec![Vec::new(); variants.len()] };
    let mut scenarios: Vec<ScenarioSamples> = plan.scenarios.iter().map(none).collect();
    let mut resident = Vec::new();
    for count in 1..=plan.starts {
        eprintln!("start {count} of {}: {} rounds of each scenario", plan.starts, plan.rounds);
        resident = measure_once(plan, variants, &stage, upstream, &mut scenarios).await?;
    }
    let variants = variants.iter().map(|variant| variant.name.clone()).collect();
    Ok(Findings { variants, scenarios, resident })
}

/// Adds the samples of one start. Returns each Envoy's resident memory at its end, in MiB.
async fn measure_once(
    plan: &Plan,
    variants: &[Variant],
    stage: &Arc<Stage>,
    upstream: SocketAddr,
    scenarios: &mut [ScenarioSamples],
) -> Result<Vec<f64>> {
    let mut lanes = Vec::new();
    for variant in variants {
        let lane = start(plan, variant, stage.clone(), upstream).await;
        lanes.push(lane.with_context(|| format!("variant {}", variant.name))?);
    }
    for (position, samples) in scenarios.iter_mut().enumerate() {
        let requests = stage.workloads.get(position).map_or(1, |workload| workload.requests / plan.hurry);
        eprint!("  {}", samples.scenario);
        let added = rounds(plan.rounds, &mut lanes, position, requests, &mut samples.by_variant).await;
        eprintln!();
        added.with_context(|| format!("scenario {}", samples.scenario))?;
    }
    let mut resident = Vec::new();
    for (lane, variant) in lanes.iter().zip(variants) {
        let checked = lane.envoy.check_requests(lane.sent).await;
        checked.with_context(|| format!("variant {}", variant.name))?;
        resident.push(lane.envoy.resident_kib()? as f64 / 1024.0);
    }
    Ok(resident)
}

async fn start(plan: &Plan, variant: &Variant, stage: Arc<Stage>, upstream: SocketAddr) -> Result<Lane> {
    let envoy = Envoy::start(&plan.envoy, plan.cpu, variant.filter.clone(), upstream).await?;
    envoy.check_filter().await?;
    let mut load = Load::connect(stage, envoy.address, plan.connections).await?;
    load.open_sessions(variant.sessions).await?;
    Ok(Lane { name: variant.name.clone(), envoy, load, sent: variant.sessions as u64 })
}

async fn rounds(
    count: usize,
    lanes: &mut [Lane],
    scenario: usize,
    requests: usize,
    by_variant: &mut [Vec<Sample>],
) -> Result<()> {
    for lane in &mut *lanes {
        lane.visit(scenario, requests.div_ceil(4)).await?;
    }
    for _ in 0..count {
        for (lane, samples) in lanes.iter_mut().zip(&mut *by_variant) {
            samples.push(lane.visit(scenario, requests).await?);
        }
        eprint!(".");
    }
    Ok(())
}

// === impl Lane ===

impl Lane {
    async fn visit(&mut self, scenario: usize, requests: usize) -> Result<Sample> {
        let before = self.envoy.processor_time()?;
        let begin = Instant::now();
        let sent = self.load.run(scenario, requests).await;
        let sent =
            sent.with_context(|| format!("{}; Envoy's log: {}", self.name, self.envoy.log().unwrap_or_default()))?;
        let elapsed = begin.elapsed();
        let spent = self.envoy.processor_time()?.saturating_sub(before);
        self.sent += sent as u64;
        let sent = sent as f64;
        Ok(Sample { cpu: spent.as_secs_f64() * 1e6 / sent, requests_per_second: sent / elapsed.as_secs_f64() })
    }
}
