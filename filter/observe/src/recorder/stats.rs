//! The values of all series between two flushes.
//!
//! Changes of counters and gauges are gathered here until [`Stats::flush`] hands them to the host. Histogram values go to
//! the host at once. A series is defined at the host once, because defining is expensive; its id is kept.
//!
//! **Memory:** about 100 bytes per series, 64 of them in the table. The budgets of [`super::budget`] bound the number of series.

use super::families::FamilyName;
use super::label_texts::LabelTexts;
use super::series::Series;
use crate::host::Metrics;
use rustc_hash::FxHashMap;

/// What a series gathered since the last flush.
#[derive(Debug, Default)]
struct Slot {
    /// The host's id; `None` until the series is defined.
    id: Option<u32>,
    /// Sum of the changes.
    change: i64,
    /// The level that a gauge was set to.
    level: Option<u64>,
    /// Whether the series is in [`Stats::queue`].
    is_queued: bool,
}

const _: () = assert!(size_of::<(Series, Slot)>() <= 64);

/// All series of one plugin in one VM.
#[derive(Debug, Default)]
pub(super) struct Stats {
    slots: FxHashMap<Series, Slot>,
    /// The series to flush.
    queue: Vec<Series>,
}

// === impl Stats ===

impl Stats {
    /// Changes a counter or gauge; a change of 0 makes the series exist.
    pub(super) fn change(&mut self, series: Series, change: i64) {
        self.gather(series).change += change;
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, series: Series, level: u64) {
        self.gather(series).level = Some(level);
    }

    /// Records a value in a histogram at once.
    pub(super) fn record(&mut self, series: Series, value: u64, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        if let Some(id) = self.slots.entry(series).or_default().define(series, texts, metrics) {
            metrics.record(id, value);
        }
    }

    /// Whether the series exists in this VM.
    pub(super) fn contains(&self, series: Series) -> bool {
        self.slots.contains_key(&series)
    }

    /// Hands all changes to the host.
    pub(super) fn flush(&mut self, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        for series in self.queue.drain(..) {
            let Some(slot) = self.slots.get_mut(&series) else { continue };
            slot.is_queued = false;
            slot.flush(series, texts, metrics);
        }
    }

    /// Hands the changes of one series to the host at once.
    pub(super) fn flush_one(&mut self, series: Series, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        if let Some(slot) = self.slots.get_mut(&series) {
            slot.flush(series, texts, metrics);
        }
    }

    fn gather(&mut self, series: Series) -> &mut Slot {
        let slot = self.slots.entry(series).or_default();
        if !std::mem::replace(&mut slot.is_queued, true) {
            self.queue.push(series);
        }
        slot
    }
}

// === impl Slot ===

impl Slot {
    fn flush(&mut self, series: Series, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        let Some(id) = self.define(series, texts, metrics) else { return };
        if let Some(level) = self.level.take() {
            metrics.record(id, level);
        }
        // Envoy refuses to increment a counter by 0.
        let change = std::mem::take(&mut self.change);
        if change != 0 {
            metrics.add(id, change);
        }
    }

    fn define(&mut self, series: Series, texts: LabelTexts<'_>, metrics: &dyn Metrics) -> Option<u32> {
        if self.id.is_none() {
            let family = FamilyName::of(series)?;
            self.id = metrics.define(family.kind(), family.name(), &texts.labels(series));
        }
        self.id
    }
}
