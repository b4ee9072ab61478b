//! What an instrumented module reports while it runs (`instrument.rs`): functions, memory, allocations.
//!
//! The host adds what it writes into the module's memory and reads from it. Addresses are those of the module's
//! linear memory, so the lines and pages repeat; where the process has that memory does not matter.

use std::collections::{BTreeMap, BTreeSet};

use wasmtime::{Linker, Result};

use crate::guest::Call;
use crate::state::State;

/// Where an instrumented module imports its reports from, and their names.
pub(crate) const MODULE: &str = "trace";
pub(crate) const ENTER: &str = "enter";
pub(crate) const TOUCH: &str = "touch";
pub(crate) const ALLOCATOR: &str = "allocator";

/// Bytes of a cache line.
const LINE: u64 = 64;
/// Bytes of a page of the operating system.
const PAGE: u64 = 4096;

/// A function that a module defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name without mangling.
    pub name: String,
    /// Bytes of its body.
    pub code: usize,
}

/// What a module did in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// How often each function began, by its place among the functions that the module defines.
    pub calls: BTreeMap<u32, u64>,
    /// Lines of memory that were touched, by address divided by 64.
    pub lines: BTreeSet<u64>,
    /// Calls of the allocator. One that calls another of its functions is one call.
    pub allocations: u64,
    /// How many functions of the allocator are running.
    depth: i32,
}

// === impl Trace ===

impl Trace {
    /// How many pages of memory were touched.
    pub fn pages(&self) -> usize {
        self.lines.iter().map(|line| line * LINE / PAGE).collect::<BTreeSet<_>>().len()
    }

    /// Adds the lines of a range of memory.
    pub(crate) fn touch(&mut self, from: u64, size: u64) {
        if size > 0 {
            self.lines.extend(from / LINE..=(from + size - 1) / LINE);
        }
    }

    fn allocator(&mut self, step: i32) {
        self.allocations += u64::from(step > 0 && self.depth == 0);
        self.depth += step;
    }
}

/// Answers the reports. They are ignored while nothing is traced.
pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(MODULE, ENTER, |mut caller: Call<'_>, function: i32| {
        if let Some(trace) = &mut caller.data_mut().trace {
            *trace.calls.entry(function.cast_unsigned()).or_insert(0) += 1;
        }
    })?;
    linker.func_wrap(MODULE, TOUCH, |mut caller: Call<'_>, address: i32, offset: i32, size: i32| {
        let from = u64::from(address.cast_unsigned()) + u64::from(offset.cast_unsigned());
        caller.data_mut().touch(from, u64::from(size.cast_unsigned()));
        address
    })?;
    linker.func_wrap(MODULE, ALLOCATOR, |mut caller: Call<'_>, step: i32| {
        if let Some(trace) = &mut caller.data_mut().trace {
            trace.allocator(step);
        }
    })?;
    Ok(())
}
