//! Runs a module that measures itself inside Envoy and logs a line `probe <nanoseconds> <name>` for each measurement.

use crate::envoy::{Envoy, Filter};
use crate::load::Load;
use crate::rounds::Plan;
use crate::upstream::{self, Stage};
use crate::workload::Workload;
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::sync::Arc;

/// Sends the requests of the plan's first scenario one after the other. Returns the values of each probe, in the order of their
/// first lines.
pub(crate) async fn run(plan: &Plan, module: PathBuf) -> Result<Vec<(String, Vec<f64>)>> {
    let scenario = plan.scenarios.first().map_or("small_json", String::as_str);
    let workload = Workload::new(scenario)?;
    let stage = Arc::new(Stage::new(vec![workload]));
    let upstream = upstream::start(stage.clone()).await?;
    let envoy = Envoy::start(&plan.envoy, plan.cpu, Filter::Wasm(module, None), upstream).await?;
    Load::connect(stage, envoy.address, 1).await?.run(0, plan.rounds).await?;
    let mut probes: Vec<(String, Vec<f64>)> = Vec::new();
    for line in envoy.log()?.lines() {
        let Some((_, probe)) = line.split_once(": probe ") else { continue };
        let Some((nanoseconds, name)) = probe.split_once(' ') else { continue };
        let value = nanoseconds.parse()?;
        match probes.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => probes.push((name.to_owned(), vec![value])),
        }
    }
    ensure!(!probes.is_empty(), "the module logged no probe");
    Ok(probes)
}
