//! Computes medians and ratios, and prints the tables.
//!
//! A ratio is computed in each round. The tables have the median of these ratios and their quartiles. If the machine is slow for a
//! while, both sides of a round are slow.

use crate::rounds::{Findings, Sample, ScenarioSamples};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// A ratio over the rounds: its median and quartiles.
struct Spread {
    low: f64,
    middle: f64,
    high: f64,
}

// === impl Spread ===

impl Spread {
    /// `None` if there is no value, or every divisor is zero.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self { low: quantile(&sorted, 0.25)?, middle: quantile(&sorted, 0.5)?, high: quantile(&sorted, 0.75)? })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.2} ({:.2}-{:.2})", self.middle, self.low, self.high)
    }
}

// === impl ScenarioSamples ===

impl ScenarioSamples {
    fn cpu(&self, variant: usize) -> Vec<f64> {
        self.by_variant.get(variant).map_or(Vec::new(), |samples| samples.iter().map(|sample| sample.cpu).collect())
    }

    fn quantile(&self, variant: usize, share: f64, value: impl Fn(&Sample) -> f64) -> f64 {
        let values = self.by_variant.get(variant).map_or(&[][..], Vec::as_slice);
        quantile(&sorted(values.iter().map(value)), share).unwrap_or(f64::NAN)
    }

    /// For each round: (top - base) / (bottom - base); without a base: top / bottom.
    fn ratio(&self, top: usize, bottom: usize, base: Option<usize>) -> Option<Spread> {
        let (top, bottom) = (self.cpu(top), self.cpu(bottom));
        let base = base.map_or_else(|| vec![0.0; top.len()], |base| self.cpu(base));
        let rounds = top.iter().zip(&bottom).zip(&base);
        Spread::of(rounds.map(|((top, bottom), base)| (top - base) / (bottom - base)))
    }
}

/// Prints one line per scenario and variant; the first variant is the base of the ratios, and `p10` is the
/// processor time of the quietest rounds.
pub(crate) fn print_table(findings: &Findings) {
    println!(
        "{:<18} {:<22} {:>10} {:>8} {:>10} {:>18} {:>9}",
        "scenario", "filter", "us/request", "p10", "requests/s", "to the first", "RSS MiB"
    );
    for scenario in &findings.scenarios {
        for (position, (variant, resident)) in findings.variants.iter().zip(&findings.resident).enumerate() {
            let ratio = scenario.ratio(position, 0, None).map_or(String::new(), |ratio| ratio.to_string());
            println!(
                "{:<18} {variant:<22} {:>10.1} {:>8.1} {:>10.0} {ratio:>18} {resident:>9.0}",
                scenario.scenario,
                scenario.quantile(position, 0.5, |sample| sample.cpu),
                scenario.quantile(position, 0.1, |sample| sample.cpu),
                scenario.quantile(position, 0.5, |sample| sample.requests_per_second),
            );
        }
        println!();
    }
}

/// Prints what the project's filter adds to plain Envoy, compared with what the empty and the native filter add.
pub(crate) fn print_added(findings: &Findings) {
    println!("{:<18} {:>22} {:>22} {:>22}", "scenario", "ours/plain", "added: ours/empty", "added: ours/native");
    let [plain, empty, ours, native] = FOUR;
    for scenario in &findings.scenarios {
        let show = |ratio: Option<Spread>| ratio.map_or(String::new(), |ratio| ratio.to_string());
        println!(
            "{:<18} {:>22} {:>22} {:>22}",
            scenario.scenario,
            show(scenario.ratio(ours, plain, None)),
            show(scenario.ratio(ours, empty, Some(plain))),
            show(scenario.ratio(ours, native, Some(plain))),
        );
    }
}

/// The indices of the variants in a comparison: plain, empty, ours (this project's filter), native (Envoy's MCP filter).
const FOUR: [usize; 4] = [0, 1, 2, 3];

/// Writes the medians of the processor time per request, for other programs.
pub(crate) fn json(findings: &Findings) -> Value {
    let scenarios = findings.scenarios.iter().map(|scenario| {
        let mut values = Map::new();
        for (position, variant) in findings.variants.iter().enumerate() {
            let median = scenario.quantile(position, 0.5, |sample| sample.cpu);
            values.insert(format!("{variant}_us"), json!((median * 100.0).round() / 100.0));
        }
        values.insert("rounds".to_owned(), json!(scenario.cpu(0).len()));
        (scenario.scenario.clone(), Value::Object(values))
    });
    Value::Object(scenarios.collect())
}

/// Prints the minimum, the median and the 99th percentile of each probe, in nanoseconds.
pub(crate) fn print_probes(probes: &[(String, Vec<f64>)]) -> Result<()> {
    println!("{:<56} {:>10} {:>10} {:>10}", "in the VM", "least ns", "median ns", "p99 ns");
    for (name, values) in probes {
        let sorted = sorted(values.iter().copied());
        let at = |share| quantile(&sorted, share).context("a probe without values");
        println!("{name:<56} {:>10.0} {:>10.0} {:>10.0}", at(0.0)?, at(0.5)?, at(0.99)?);
    }
    Ok(())
}

pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

/// NaN if there is no value.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(&sorted(values), 0.5).unwrap_or(f64::NAN)
}
