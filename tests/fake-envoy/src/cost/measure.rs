//! Runs exchanges and counts.
//!
//! Fuel, host calls and host allocations are counted on the filter. The footprint is that of the filter's traced
//! copy, which runs the same exchange in a second [`Host`].

use crate::{Cost, Exchange, Fault, Footprint, Framing, Host, Pause, Plugin, Trace, Vm, recorded};

/// Without `mcp_upstream_available`, which exchanges set by default.
const CONFIGURATION: &str = "{\"availability\":\"off\"}";

/// The counts of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The name of the row.
    pub name: String,
    /// Counted on the filter.
    pub cost: Cost,
    /// Counted on the traced copy.
    pub footprint: Footprint,
    /// The trace from which the footprint was computed.
    pub trace: Trace,
}

/// Measures every recorded exchange, and the tick after `small_json`.
///
/// # Errors
///
/// If one cannot be measured.
pub fn measure_all() -> Result<Vec<Measured>, Fault> {
    let mut all = Vec::new();
    for (name, exchange) in recorded()? {
        let [run, tick] = measure(&name, &exchange)?;
        all.push(run);
        if name == "small_json" {
            all.push(tick);
        }
    }
    Ok(all)
}

/// Measures the second run of an exchange on a worker, and the tick after it. The first run defines the series of the
/// exchange, which happens once in the life of a worker.
///
/// # Errors
///
/// If the filter cannot be built or traced, or fails.
pub fn measure(name: &str, exchange: &Exchange) -> Result<[Measured; 2], Fault> {
    measure_with(name, CONFIGURATION, &[], exchange)
}

/// [`measure`] with this configuration, on a worker that saw the exchanges `before`.
pub(super) fn measure_with(
    name: &str,
    configuration: &str,
    before: &[&Exchange],
    exchange: &Exchange,
) -> Result<[Measured; 2], Fault> {
    let (plain, traced) = (Host::new()?, Host::traced()?);
    let warm = |host| warm(host, configuration, before, exchange);
    let (vm, copy) = (warm(&plain)?, warm(&traced)?);
    let run = |name: String, run: &dyn Fn(&Vm) -> Result<(), Fault>| {
        let before = vm.cost();
        run(&vm)?;
        let cost = vm.cost().since(&before);
        let ((), trace) = copy.trace(run)?;
        Ok(Measured { name, cost, footprint: Footprint::of(&trace, traced.functions()), trace })
    };
    Ok([
        run(name.to_owned(), &|vm| vm.play(exchange, Framing::Http1).map(drop))?,
        run(format!("tick after {name}"), &Vm::tick)?,
    ])
}

/// A worker after the exchanges `before`, the first run of the exchange, and a tick.
fn warm(host: &Host, configuration: &str, before: &[&Exchange], exchange: &Exchange) -> Result<Vm, Fault> {
    let vm = host.start(&Plugin::new(configuration).pausing(Pause::HoldsHeaders))?;
    for exchange in before.iter().chain(&[exchange]) {
        vm.play(exchange, Framing::Http1)?;
    }
    vm.tick()?;
    Ok(vm)
}
