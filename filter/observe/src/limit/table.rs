//! The buckets of one rule as one value of the shared data: the time of the latest change, then records of a key and a bucket, in
//! no order.
//!
//! The time of a table does not go back. The clocks of two workers may differ by a little; the one that is behind takes the
//! table's time, so that no time counts twice.
//!
//! **Bound:** [`MAX_BUCKETS`], 24 KiB. A new key takes a full bucket's place, else that of the bucket that was used least
//! recently. Then it gets that bucket as it is, so that a caller that invents keys gets no more than the buckets of the table:
//! `MAX_BUCKETS` times what one bucket lets through.
//!
//! **Cost:** a known key costs a comparison for each record. A new key in a long table costs ten times as much.

use super::bucket::{Bucket, Over, Rate};

/// Buckets of a rule.
pub(super) const MAX_BUCKETS: usize = 1024;
/// The time of the latest change.
const TIME_BYTES: usize = 8;
/// Key, time and units in use, eight bytes each.
const RECORD_BYTES: usize = 3 * 8;

/// A time this far ahead of the clock, in microseconds, was not written by this process.
const MAX_AHEAD: u64 = 3_600_000_000;

type Record = [[u8; 8]; 3];

/// The buckets of a rule at one time.
pub(super) struct Table<'a> {
    rate: &'a Rate,
    /// In microseconds; not before the latest change.
    now: u64,
    value: &'a mut Vec<u8>,
}

// === impl Table ===

impl<'a> Table<'a> {
    /// The table of a value. A value that is not a table counts as empty.
    pub(super) fn new(rate: &'a Rate, now: u64, value: &'a mut Vec<u8>) -> Self {
        let latest = latest_change(value).filter(|latest| latest.saturating_sub(now) <= MAX_AHEAD);
        if latest.is_none() {
            value.clear();
            value.resize(TIME_BYTES, 0);
        }
        let now = latest.map_or(now, |latest| latest.max(now));
        if let Some(time) = value.first_chunk_mut() {
            *time = now.to_le_bytes();
        }
        Self { rate, now, value }
    }

    /// The time of the table.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Takes a token for each request from the bucket of `key`, or none.
    pub(super) fn take(&mut self, key: u64, requests: u64) -> Result<(), Over> {
        let place = self.find(key).or_else(|| self.place_for_new());
        let bucket = place.and_then(|place| self.all().get(place)).map(bucket_of).unwrap_or_default();
        let bucket = self.rate.take(bucket, self.now, requests)?;
        let record = record(key, bucket);
        match place.and_then(|place| self.all_mut().get_mut(place)) {
            Some(place) => *place = record,
            None => self.value.extend_from_slice(record.as_flattened()),
        }
        Ok(())
    }

    /// Puts back what [`take`](Self::take) took when the time of the table was `then`. A bucket that another key has now keeps it.
    pub(super) fn give_back(&mut self, key: u64, requests: u64, then: u64) {
        let rate = self.rate;
        let place = self.find(key);
        if let Some(place) = place.and_then(|place| self.all_mut().get_mut(place)) {
            *place = record(key, rate.give_back(bucket_of(place), then, requests));
        }
    }

    fn find(&self, key: u64) -> Option<usize> {
        let key = key.to_le_bytes();
        self.all().iter().position(|[other, ..]| *other == key)
    }

    /// Drops the full buckets. If no place is free after that, returns that of the bucket that was used least recently.
    #[inline(never)]
    fn place_for_new(&mut self) -> Option<usize> {
        let (rate, now) = (self.rate, self.now);
        let mut kept = 0;
        let records = self.all_mut();
        for place in 0..records.len() {
            if !rate.is_full(records.get(place).map(bucket_of).unwrap_or_default(), now) {
                records.swap(kept, place);
                kept += 1;
            }
        }
        self.value.truncate(TIME_BYTES + kept * RECORD_BYTES);
        if kept < MAX_BUCKETS {
            return None;
        }
        let times = self.all().iter().map(|record| bucket_of(record).at).enumerate();
        times.min_by_key(|(_, at)| *at).map(|(place, _)| place)
    }

    fn all(&self) -> &[Record] {
        self.value.get(TIME_BYTES..).map_or(&[], |records| records.as_chunks().0.as_chunks().0)
    }

    fn all_mut(&mut self) -> &mut [Record] {
        self.value.get_mut(TIME_BYTES..).map_or(&mut [], |records| records.as_chunks_mut().0.as_chunks_mut().0)
    }
}

/// The time of the latest change; `None` if the value is not a table.
fn latest_change(value: &[u8]) -> Option<u64> {
    let (time, records) = value.split_first_chunk()?;
    let is_list = records.len().is_multiple_of(RECORD_BYTES) && records.len() <= MAX_BUCKETS * RECORD_BYTES;
    is_list.then(|| u64::from_le_bytes(*time))
}

fn record(key: u64, bucket: Bucket) -> Record {
    [key, bucket.at, bucket.used].map(u64::to_le_bytes)
}

fn bucket_of([_, at, used]: &Record) -> Bucket {
    Bucket { at: u64::from_le_bytes(*at), used: u64::from_le_bytes(*used) }
}
