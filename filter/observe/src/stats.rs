//! Series and their values between two flushes.
//!
//! Counters and gauges are gathered here and handed to the host by [`Stats::flush`], histograms at once. A series is
//! defined at the host once and its id kept: defining is what costs.
//!
//! **Memory:** about 100 bytes per series; the budgets of [`crate::label`] bound how many there are.

use crate::family::FamilyName;
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// The host's metrics. All three ignore failures: telemetry must never harm traffic.
pub trait Metrics {
    /// Defines a stat; `None` if the host refused.
    fn define(&self, family: FamilyName, stat: &str) -> Option<u32>;
    /// Adds to a counter or gauge.
    fn add(&self, id: u32, amount: i64);
    /// Sets a gauge, or records a value in a histogram.
    fn record(&self, id: u32, value: u64);
}

/// What a series gathered since the last flush.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    id: Option<u32>,
    added: i64,
    level: Option<u64>,
    queued: bool,
}

/// All series of one plugin in one VM. `S` names a series.
#[derive(Debug)]
pub(crate) struct Stats<S> {
    slots: FxHashMap<S, Slot>,
    queue: Vec<S>,
}

// === impl Stats ===

impl<S: Copy + Eq + Hash> Stats<S> {
    pub(crate) fn new() -> Self {
        Self { slots: FxHashMap::default(), queue: Vec::new() }
    }

    /// Adds to a counter or gauge; an amount of 0 makes the series exist.
    pub(crate) fn add(&mut self, series: S, amount: i64) {
        self.slot(series).added += amount;
    }

    /// Sets a gauge.
    pub(crate) fn set(&mut self, series: S, level: u64) {
        self.slot(series).level = Some(level);
    }

    /// Records a value in a histogram now.
    pub(crate) fn record(
        &mut self,
        series: S,
        value: u64,
        define: impl FnOnce() -> Option<u32>,
        metrics: &dyn Metrics,
    ) {
        let slot = self.slots.entry(series).or_default();
        if slot.id.is_none() {
            slot.id = define();
        }
        if let Some(id) = slot.id {
            metrics.record(id, value);
        }
    }

    /// Hands everything gathered to the host.
    pub(crate) fn flush(&mut self, define: impl Fn(S) -> Option<u32>, metrics: &dyn Metrics) {
        for series in self.queue.drain(..) {
            let Some(slot) = self.slots.get_mut(&series) else { continue };
            slot.queued = false;
            if slot.id.is_none() {
                slot.id = define(series);
            }
            let Some(id) = slot.id else { continue };
            if let Some(level) = slot.level.take() {
                metrics.record(id, level);
            }
            // The host refuses a counter's increment by 0.
            let added = std::mem::take(&mut slot.added);
            if added != 0 {
                metrics.add(id, added);
            }
        }
    }

    fn slot(&mut self, series: S) -> &mut Slot {
        let slot = self.slots.entry(series).or_default();
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push(series);
        }
        slot
    }
}
