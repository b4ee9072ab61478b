//! Visits the Envoys in turn, round after round, so that a slow minute of the machine hits all alike.

use crate::envoy::{Envoy, Filter};
use crate::load::Load;
use crate::upstream::{self, Stage};
use crate::workload::Workload;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;

/// How to measure.
pub(crate) struct Plan {
    pub(crate) envoy: PathBuf,
    pub(crate) cpu: usize,
    pub(crate) connections: usize,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<String>,
    /// Divides the requests of each visit.
    pub(crate) hurry: usize,
}

/// One filter under comparison.
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) filter: Filter,
}

/// What one visit to one Envoy showed.
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

/// Everything that a run found.
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

/// Starts one Envoy per variant, measures, and fails if one answer was wrong or one filter did not run.
pub(crate) async fn measure(plan: &Plan, variants: &[Variant]) -> Result<Findings> {
    let workloads: Result<Vec<Workload>> = plan.scenarios.iter().map(|name| Workload::new(name)).collect();
    let stage = Arc::new(Stage::new(workloads?));
    let upstream = upstream::start(stage.clone()).await?;
    let mut lanes = Vec::new();
    for variant in variants {
        let lane = start(plan, variant, stage.clone(), upstream).await;
        lanes.push(lane.with_context(|| format!("variant {}", variant.name))?);
    }
    let mut scenarios = Vec::new();
    for (position, name) in plan.scenarios.iter().enumerate() {
        let requests = stage.workloads.get(position).map_or(1, |workload| workload.requests / plan.hurry);
        eprint!("{name}, {} rounds:", plan.rounds);
        let by_variant = rounds(plan.rounds, &mut lanes, position, requests).await;
        eprintln!();
        let by_variant = by_variant.with_context(|| format!("scenario {name}"))?;
        scenarios.push(ScenarioSamples { scenario: name.clone(), by_variant });
    }
    let mut resident = Vec::new();
    for (lane, variant) in lanes.iter().zip(variants) {
        let checked = lane.envoy.check_requests(lane.sent).await;
        checked.with_context(|| format!("variant {}", variant.name))?;
        resident.push(lane.envoy.resident_kib()? as f64 / 1024.0);
    }
    let variants = variants.iter().map(|variant| variant.name.clone()).collect();
    Ok(Findings { variants, scenarios, resident })
}

async fn start(plan: &Plan, variant: &Variant, stage: Arc<Stage>, upstream: SocketAddr) -> Result<Lane> {
    eprintln!("starting Envoy: {}", variant.name);
    let envoy = Envoy::start(&plan.envoy, plan.cpu, variant.filter.clone(), upstream).await?;
    envoy.check_filter().await?;
    let load = Load::connect(stage, envoy.address, plan.connections).await?;
    Ok(Lane { name: variant.name.clone(), envoy, load, sent: 0 })
}

async fn rounds(count: usize, lanes: &mut [Lane], scenario: usize, requests: usize) -> Result<Vec<Vec<Sample>>> {
    let mut by_variant = vec![Vec::new(); lanes.len()];
    for lane in &mut *lanes {
        lane.visit(scenario, requests.div_ceil(10)).await?;
    }
    for round in 0..count {
        for (lane, samples) in lanes.iter_mut().zip(&mut by_variant) {
            samples.push(lane.visit(scenario, requests).await?);
        }
        eprint!(" {}", round + 1);
    }
    Ok(by_variant)
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
