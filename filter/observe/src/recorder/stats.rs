//! Series and their values between two flushes.
//!
//! Counters and gauges are gathered here and handed to the host by [`Stats::flush`], histograms at once. A series is
//! defined at the host once and its id kept: defining is what costs.
//!
//! **Memory:** about 150 bytes per series; the budgets of [`crate::recorder::budget`] bound how many there are.

use super::series::{Series, Value, key};
use crate::host::Metrics;
use crate::recorder::families::FamilyName;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

/// A series and what it gathered since the last flush.
#[derive(Debug)]
struct Slot {
    series: Series,
    id: Option<u32>,
    added: i64,
    level: Option<u64>,
    queued: bool,
}

/// All series of one plugin in one VM.
#[derive(Debug, Default)]
pub(super) struct Stats {
    slots: FxHashMap<u128, Slot>,
    queue: Vec<u128>,
}

// === impl Stats ===

impl Stats {
    /// Adds to a counter or gauge; an amount of 0 makes the series exist.
    pub(super) fn add(&mut self, family: FamilyName, values: &[Value], amount: i64) {
        self.gather(family, values).added += amount;
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, family: FamilyName, values: &[Value], level: u64) {
        self.gather(family, values).level = Some(level);
    }

    /// Records a value in a histogram now. `name` makes the stat's name where the host does not know it yet.
    pub(super) fn record(
        &mut self,
        family: FamilyName,
        values: &[Value],
        value: u64,
        name: impl FnOnce(&Series) -> String,
        metrics: &dyn Metrics,
    ) {
        let slot = self.slots.entry(key(family, values)).or_insert_with(|| Slot::new(family, values));
        if let Some(id) = slot.define(name, metrics) {
            metrics.record(id, value);
        }
    }

    /// Whether there is such a series.
    pub(super) fn has(&self, family: FamilyName, values: &[Value]) -> bool {
        self.slots.contains_key(&key(family, values))
    }

    /// Hands everything gathered to the host.
    pub(super) fn flush(&mut self, name: impl Fn(&Series) -> String, metrics: &dyn Metrics) {
        for key in self.queue.drain(..) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.queued = false;
            slot.flush(&name, metrics);
        }
    }

    /// Hands what one series gathered to the host, ahead of the others.
    pub(super) fn flush_one(
        &mut self,
        family: FamilyName,
        values: &[Value],
        name: impl Fn(&Series) -> String,
        metrics: &dyn Metrics,
    ) {
        if let Some(slot) = self.slots.get_mut(&key(family, values)) {
            slot.flush(name, metrics);
        }
    }

    fn gather(&mut self, family: FamilyName, values: &[Value]) -> &mut Slot {
        let key = key(family, values);
        let slot = match self.slots.entry(key) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => place.insert(Slot::new(family, values)),
        };
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push(key);
        }
        slot
    }
}

// === impl Slot ===

impl Slot {
    fn new(family: FamilyName, values: &[Value]) -> Self {
        Self { series: Series::new(family, values), id: None, added: 0, level: None, queued: false }
    }

    fn flush(&mut self, name: impl Fn(&Series) -> String, metrics: &dyn Metrics) {
        let Some(id) = self.define(name, metrics) else { return };
        if let Some(level) = self.level.take() {
            metrics.record(id, level);
        }
        // The host refuses a counter's increment by 0.
        let added = std::mem::take(&mut self.added);
        if added != 0 {
            metrics.add(id, added);
        }
    }

    fn define(&mut self, name: impl FnOnce(&Series) -> String, metrics: &dyn Metrics) -> Option<u32> {
        if self.id.is_none() {
            self.id = metrics.define(self.series.family(), &name(&self.series));
        }
        self.id
    }
}
