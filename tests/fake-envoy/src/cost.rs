//! The cost of an exchange in figures that do not depend on the machine, and the committed table of them.

mod features;
mod measure;
mod table;

use std::collections::BTreeMap;

use crate::{Function, Trace};

pub use features::measure_features;
pub use measure::{Measured, measure, measure_all};
pub use table::CostTable;

/// Fuel (one unit per executed instruction, roughly) and host calls by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// Wasm fuel.
    pub fuel: u64,
    /// Host calls.
    pub calls: BTreeMap<&'static str, u64>,
    /// Host calls for whose result the module had to allocate memory.
    pub host_allocations: u64,
}

/// How much of the caches the module needs, and how often it allocates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Distinct functions of the module that ran.
    pub functions: u64,
    /// Bytes of their bodies.
    pub code: u64,
    /// Distinct lines of 64 bytes of linear memory that were touched.
    pub lines: u64,
    /// Distinct pages of 4096 bytes of them.
    pub pages: u64,
    /// Calls of the module's allocator that return memory.
    pub allocations: u64,
}

// === impl Cost ===

impl Cost {
    /// This minus an earlier reading of the same VM.
    pub fn since(&self, earlier: &Self) -> Self {
        let rise = |(name, count): (&&'static str, &u64)| {
            let rise = count - earlier.calls.get(name).unwrap_or(&0);
            (rise > 0).then_some((*name, rise))
        };
        Self {
            fuel: self.fuel - earlier.fuel,
            calls: self.calls.iter().filter_map(rise).collect(),
            host_allocations: self.host_allocations - earlier.host_allocations,
        }
    }

    /// All host calls.
    pub fn total_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

// === impl Footprint ===

impl Footprint {
    /// What a trace shows of a module with these functions.
    pub fn of(trace: &Trace, functions: &[Function]) -> Self {
        let code = trace.calls.keys().filter_map(|index| functions.get(*index as usize)).map(|function| function.code);
        Self {
            functions: trace.calls.len() as u64,
            code: code.sum::<usize>() as u64,
            lines: trace.lines.len() as u64,
            pages: trace.pages() as u64,
            allocations: trace.allocations,
        }
    }
}
