//! One token bucket, in whole numbers.
//!
//! Time is in microseconds. `used` is in units of which one request takes as many as the interval has microseconds, and each
//! microsecond gives back as many as the rule has requests. So no rate is rounded. A full bucket has
//! `burst` times the interval; the largest is 8.64e16, which is far below 2^64.
//!
//! **Bound:** in any time, a bucket lets through at most `burst + rate * (time + 1 microsecond)` requests. Clocks show whole
//! microseconds, so two times may seem to be up to one microsecond closer than they are. Without that microsecond a caller at
//! exactly the rate would be refused now and then.

use crate::config::rate_limit::Rule;

/// How fast a bucket fills, and how many tokens it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Units that a microsecond gives back.
    requests: u64,
    /// Units that one request takes.
    interval: u64,
    /// Units that can be in use.
    capacity: u64,
}

/// The state of a bucket. A full one is the same as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// When it was changed, in microseconds.
    pub(super) at: u64,
    /// Units in use at that time.
    pub(super) used: u64,
}

/// A bucket has not enough tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// How many of the requests are over the limit.
    pub(super) requests: u64,
    /// Microseconds until the bucket has enough. More requests than `burst` never pass; then it is the time in which as many
    /// tokens come back as are missing.
    pub(super) wait: u64,
}

// === impl Rate ===

impl Rate {
    pub(super) fn of(rule: &Rule) -> Self {
        let (requests, interval) = (u64::from(rule.requests), u64::from(rule.interval_ms) * 1_000);
        // The tolerance of one microsecond.
        let capacity = u64::from(rule.burst) * interval + requests;
        Self { requests, interval, capacity }
    }

    /// Units in use at `now`. A bucket that [`take`](Self::take) cannot have returned counts as full.
    fn used(&self, bucket: Bucket, now: u64) -> u64 {
        let elapsed = now.checked_sub(bucket.at).filter(|_| bucket.used <= self.capacity);
        elapsed.map_or(0, |elapsed| bucket.used.saturating_sub(elapsed.saturating_mul(self.requests)))
    }

    pub(super) fn is_full(&self, bucket: Bucket, now: u64) -> bool {
        self.used(bucket, now) == 0
    }

    /// Takes a token for each request, or none. The times of a bucket do not go back.
    pub(super) fn take(&self, bucket: Bucket, now: u64, requests: u64) -> Result<Bucket, Over> {
        let used = self.used(bucket, now);
        let wanted = used.saturating_add(requests.saturating_mul(self.interval));
        if wanted <= self.capacity {
            return Ok(Bucket { at: now, used: wanted });
        }
        let fits = (self.capacity - used) / self.interval;
        let wait = (wanted - self.capacity).div_ceil(self.requests);
        Err(Over { requests: requests.saturating_sub(fits), wait })
    }

    /// Puts back what [`take`](Self::take) took at the time `then`, without what came back by itself since.
    pub(super) fn give_back(&self, bucket: Bucket, then: u64, requests: u64) -> Bucket {
        let came_back = bucket.at.saturating_sub(then).saturating_mul(self.requests);
        let taken = requests.saturating_mul(self.interval).saturating_sub(came_back);
        Bucket { used: bucket.used.saturating_sub(taken), ..bucket }
    }
}
