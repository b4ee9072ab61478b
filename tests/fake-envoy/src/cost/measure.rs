//! Runs exchanges and counts.
//!
//! Fuel, host calls and host allocations are those of the filter. The footprint is that of its traced copy, in a
//! second process that runs the same exchange.

use crate::{Cost, Exchange, Fault, Footprint, Framing, Host, Plugin, Trace, Vm, recorded};

/// Without the gauge that a plugin sets while it is configured.
const CONFIGURATION: &str = "{\"availability\":\"off\"}";

/// What one run was counted as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The name of the row.
    pub name: String,
    /// Of the filter.
    pub cost: Cost,
    /// Of the traced copy.
    pub footprint: Footprint,
    /// What the footprint was computed from.
    pub trace: Trace,
}

/// Every recorded exchange, and a tick.
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

/// The second run of an exchange on a worker, and the tick after it: the first one defines the series it meets,
/// which happens once in the life of a worker.
///
/// # Errors
///
/// If the filter cannot be built or traced, or fails.
pub fn measure(name: &str, exchange: &Exchange) -> Result<[Measured; 2], Fault> {
    let (plain, traced) = (Host::new()?, Host::traced()?);
    let (vm, copy) = (warm(&plain, exchange)?, warm(&traced, exchange)?);
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

/// A worker that has seen the exchange once.
fn warm(host: &Host, exchange: &Exchange) -> Result<Vm, Fault> {
    let vm = host.start(&Plugin::new(CONFIGURATION))?;
    vm.play(exchange, Framing::Http1)?;
    vm.tick()?;
    Ok(vm)
}
