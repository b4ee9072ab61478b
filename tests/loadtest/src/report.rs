//! The report at the end.

use crate::load::{Done, REPORTED};
use crate::rate_limit::Rule;
use crate::series::Compared;
use crate::settings::Settings;
use crate::tally::{Limited, Measured, Tally};
use crate::world::World;
use std::collections::BTreeMap;

/// Prints the target, the throughput, the latencies and the failures.
pub(crate) fn print_load(world: &World, settings: &Settings, done: &Done) {
    let offer = &done.offer;
    let rate = done.requests as f64 / done.took.as_secs_f64();
    println!("{} by {} over {}", world.url, offer.version, offer.dialect.transport.name());
    println!(
        "{} requests of the mix by {} clients in {:.1} s: {rate:.0}/s (seed {}, {} tools, {} resources)",
        done.requests,
        settings.concurrency,
        done.took.as_secs_f64(),
        settings.seed,
        offer.tools_called(),
        offer.resources(),
    );
    for (tool, reason) in &offer.left_out {
        println!("left out: {tool} {reason}");
    }
    world.tally(|tally| {
        println!();
        print_times(tally);
        print_failures(tally);
    });
}

fn print_times(tally: &Tally) {
    println!(
        "{:<16} {:>9} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "method", "requests", "failed", "p50", "p90", "p95", "p99", "max"
    );
    for (method, Measured { microseconds, .. }) in rows(tally) {
        let at = |quantile| milliseconds(microseconds.value_at_quantile(quantile));
        let failed = tally.measured.get(&method).map_or(0, Measured::failed);
        println!(
            "{:<16} {:>9} {failed:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
            method.name(),
            microseconds.len(),
            at(0.5),
            at(0.9),
            at(0.95),
            at(0.99),
            milliseconds(microseconds.max()),
        );
    }
}

fn print_failures(tally: &Tally) {
    let mut failures = BTreeMap::new();
    for (method, measured) in rows(tally) {
        for (&(outcome, code), &count) in &measured.failures {
            let code = code.map_or(String::new(), |code| code.to_string());
            failures.insert((method.name(), outcome.name(), code), count);
        }
    }
    if failures.is_empty() {
        return;
    }
    println!("\n{:<16} {:<22} {:>8} {:>9}", "method", "not ok", "code", "requests");
    for ((method, outcome, code), count) in failures {
        println!("{method:<16} {outcome:<22} {code:>8} {count:>9}");
    }
}

fn rows(tally: &Tally) -> impl Iterator<Item = (crate::message::Method, &Measured)> {
    REPORTED.into_iter().filter_map(|method| Some((method, tally.measured.get(&method)?)))
}

/// Prints what became of the requests that the rule covers. Returns whether it admitted at most `most`.
pub(crate) fn print_limited(rule: &Rule, limited: Limited, most: u128) -> bool {
    let Limited { admitted, refused, .. } = limited;
    let is_over = u128::from(admitted) > most;
    let mark = if is_over { "  too many" } else { "" };
    println!("\nrule {}: {admitted} requests admitted, {refused} refused; it may admit {most}{mark}", rule.name);
    !is_over
}

/// Prints both values of every series. Returns whether all are equal.
pub(crate) fn print_comparison(compared: &[Compared]) -> bool {
    let width = compared.iter().map(|one| one.series.to_string().len()).max().unwrap_or(0);
    println!("\n{:<width$} {:>9} {:>9}", "series", "sent", "sidecar");
    for one in compared {
        let mark = if one.differs() { "  differs" } else { "" };
        println!("{:<width$} {:>9} {:>9}{mark}", one.series, one.sent, one.seen);
    }
    let differing = compared.iter().filter(|one| one.differs()).count();
    if differing > 0 {
        println!("\n{differing} of {} series differ", compared.len());
    } else {
        println!("\nall {} series are equal", compared.len());
    }
    differing == 0
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.1} ms", microseconds as f64 / 1000.0)
}
