//! The values of all series between two flushes.
//!
//! Changes of counters and gauges, and the samples of histograms, are gathered here until [`Stats::flush`] hands them to the
//! host. A series is defined at the host once, because defining is expensive; its id is kept.
//!
//! **Cost:** a series is found without a hash table if it is one of the two latest of its family ([`Stats::latest`]). Most
//! operations change the same series as the one before.
//! **Memory:** about 100 bytes per series, 32 of them in [`SeriesSlot`], and [`MAX_SAMPLES`] samples of 16 bytes. The budgets of
//! [`super::budget`] bound the number of series.

use super::families::FamilyName;
use super::label_texts::LabelTexts;
use super::series::Series;
use crate::host::Metrics;
use rustc_hash::FxHashMap;

/// How many samples are gathered at most: 4 KiB. A call of a tool has three samples. If the samples of another observation may
/// not fit, all values are flushed ([`Stats::is_full`]).
pub(super) const MAX_SAMPLES: usize = 256;
/// How many samples one observation has at most: the three of a call of a tool, and that of the histogram for `semconv`.
const SAMPLES_PER_OBSERVATION: usize = 4;

/// A series, with what it gathered since the last flush. The alignment keeps each slot within one cache line.
#[derive(Debug)]
#[repr(align(32))]
struct SeriesSlot {
    series: Series,
    /// The sum of the changes since the last flush; with `is_set`, the value that a gauge was set to, plus later changes.
    value: i64,
    /// The host's id, if the series is defined.
    id: u32,
    is_defined: bool,
    is_set: bool,
    /// Whether the slot is in [`Stats::queue`].
    is_queued: bool,
}

const _: () = assert!(size_of::<SeriesSlot>() == 32);

/// One value of a histogram.
#[derive(Clone, Copy, Debug)]
struct Sample {
    slot: u32,
    value: u64,
}

const _: () = assert!(MAX_SAMPLES * size_of::<Sample>() == 4096);

/// All series of one plugin in one VM. A slot is identified by its index.
#[derive(Debug)]
pub(super) struct Stats {
    /// The slots that were used last, two for each family, see [`latest_index`]. An index has two bytes, so that an
    /// exchange touches fewer cache lines. So only the first 65,536 slots can be here.
    latest: [u16; 2 * FamilyName::ALL.len()],
    slots: Vec<SeriesSlot>,
    /// The slots of changed counters and gauges.
    queue: Vec<u32>,
    samples: Vec<Sample>,
    indices: FxHashMap<Series, u32>,
}

// === impl Stats ===

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            latest: [0; _],
            slots: Vec::new(),
            queue: Vec::new(),
            samples: Vec::new(),
            indices: FxHashMap::default(),
        }
    }

    /// Changes a counter or gauge; a change of 0 makes the series exist.
    #[inline(never)]
    pub(super) fn change(&mut self, series: Series, change: i64) {
        if let Some(slot) = self.queued_slot(series) {
            slot.value += change;
        }
    }

    /// Sets a gauge.
    #[inline(never)]
    pub(super) fn set(&mut self, series: Series, level: u64) {
        if let Some(slot) = self.queued_slot(series) {
            slot.value = i64::try_from(level).unwrap_or(i64::MAX);
            slot.is_set = true;
        }
    }

    /// Adds a sample to a histogram.
    #[inline(never)]
    pub(super) fn record(&mut self, series: Series, value: u64) {
        let slot = self.index(series);
        self.samples.push(Sample { slot, value });
    }

    /// Whether the samples of another observation may not fit.
    pub(super) fn is_full(&self) -> bool {
        self.samples.len() + SAMPLES_PER_OBSERVATION > MAX_SAMPLES
    }

    #[cfg(test)]
    pub(super) fn samples_capacity(&self) -> usize {
        self.samples.capacity()
    }

    /// Whether the series exists in this VM.
    pub(super) fn contains(&self, series: Series) -> bool {
        self.indices.contains_key(&series)
    }

    /// Hands all changes and samples to the host.
    pub(super) fn flush(&mut self, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        let Self { slots, queue, samples, .. } = self;
        for index in queue.drain(..) {
            if let Some(slot) = slots.get_mut(index as usize) {
                slot.is_queued = false;
                slot.flush(texts, metrics);
            }
        }
        for Sample { slot, value } in samples.drain(..) {
            if let Some(id) = slots.get_mut(slot as usize).and_then(|slot| slot.define(texts, metrics)) {
                metrics.record(id, value);
            }
        }
    }

    /// Hands the changes of one series to the host at once.
    pub(super) fn flush_one(&mut self, series: Series, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        let index = self.index(series);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.flush(texts, metrics);
        }
    }

    /// The slot of a counter or gauge. Adds it to the queue, if it is not in it.
    fn queued_slot(&mut self, series: Series) -> Option<&mut SeriesSlot> {
        let index = self.index(series);
        let slot = self.slots.get_mut(index as usize)?;
        if !std::mem::replace(&mut slot.is_queued, true) {
            self.queue.push(index);
        }
        Some(slot)
    }

    /// The slot of a series; a new one if the series is new.
    fn index(&mut self, series: Series) -> u32 {
        let index = self.latest.get(latest_index(series)).copied().unwrap_or_default();
        match self.slots.get(usize::from(index)) {
            Some(slot) if slot.series == series => index.into(),
            _ => self.look_up(series),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, series: Series) -> u32 {
        let Self { latest, slots, indices, .. } = self;
        let index = *indices.entry(series).or_insert_with(|| {
            slots.push(SeriesSlot::new(series));
            (slots.len() - 1) as u32
        });
        if let (Some(latest), Ok(index)) = (latest.get_mut(latest_index(series)), u16::try_from(index)) {
            *latest = index;
        }
        index
    }
}

/// The index of a series in [`Stats::latest`]. A family has two, because most exchanges count bytes in both directions.
#[inline]
fn latest_index(series: Series) -> usize {
    2 * series.family() + usize::from(series.is_odd())
}

// === impl SeriesSlot ===

impl SeriesSlot {
    fn new(series: Series) -> Self {
        Self { series, value: 0, id: 0, is_defined: false, is_set: false, is_queued: false }
    }

    fn flush(&mut self, texts: LabelTexts<'_>, metrics: &dyn Metrics) {
        let Some(id) = self.define(texts, metrics) else { return };
        let value = std::mem::take(&mut self.value);
        if std::mem::take(&mut self.is_set) {
            metrics.record(id, value.try_into().unwrap_or_default());
        } else if value != 0 {
            // Envoy refuses to increment a counter by 0.
            metrics.add(id, value);
        }
    }

    /// The host's id; `None` if the host refuses the series.
    fn define(&mut self, texts: LabelTexts<'_>, metrics: &dyn Metrics) -> Option<u32> {
        if !self.is_defined {
            let family = FamilyName::of(self.series)?;
            self.id = metrics.define(family.kind(), family.name(), &texts.labels(self.series))?;
            self.is_defined = true;
        }
        Some(self.id)
    }
}
