//! A histogram of durations, added up from Envoy's buckets, and its quantiles.

use super::parse::Sample;
use std::collections::BTreeMap;

/// Observations per bucket, by the bucket's upper bound in microseconds. The last bound is `u64::MAX`.
///
/// The page has the number of observations up to each bound. They are kept so, and added by bound. The series of a page have the
/// same bounds; those of two Envoys may differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    up_to: BTreeMap<u64, f64>,
}

// === impl Histogram ===

impl Histogram {
    /// Adds a sample whose name ends with `_bucket`.
    pub(super) fn add_bucket(&mut self, sample: &Sample<'_>) {
        // A float becomes the nearest integer that there is, so infinity becomes the last bound.
        let Ok(bound) = sample.label("le").parse::<f64>() else { return };
        *self.up_to.entry(bound as u64).or_default() += sample.value;
    }

    /// Adds the histogram of another page. A bound that one of them lacks has there the value of a line between its neighbours, as
    /// for a quantile.
    pub(super) fn add(&mut self, other: &Self) {
        if self.up_to.is_empty() {
            self.clone_from(other);
        } else if !other.up_to.is_empty() {
            let last = self.last_bound().max(other.last_bound());
            let (one, other) = (self.reaching(last), other.reaching(last));
            let bounds = one.up_to.keys().chain(other.up_to.keys());
            self.up_to = bounds.map(|bound| (*bound, one.at(*bound) + other.at(*bound))).collect();
        }
    }

    /// The last bound that is a number; 0 without one.
    fn last_bound(&self) -> u64 {
        self.up_to.keys().rev().find(|bound| **bound != u64::MAX).copied().unwrap_or(0)
    }

    /// The histogram for a sum whose last bound is this one. If it is beyond the own last bound, observations above that one count
    /// as just above it: a quantile there is that bound, and it stays so in the sum.
    fn reaching(&self, last: u64) -> Self {
        let mut reaching = self.clone();
        let own = self.last_bound();
        if own < last {
            reaching.up_to.insert(own.saturating_add(1), self.total());
        }
        reaching
    }

    /// The number of observations up to a bound, linear inside the bucket.
    fn at(&self, bound: u64) -> f64 {
        let above = self.up_to.range(bound..).next();
        let (lower, below) = self.up_to.range(..bound).next_back().map_or((0, 0.0), |(lower, below)| (*lower, *below));
        match above {
            Some((upper, observations)) if *upper == bound => *observations,
            // The last bucket has no upper bound: its observations are not below this one.
            Some((upper, observations)) if *upper != u64::MAX => {
                below + (observations - below) * (bound - lower) as f64 / (upper - lower) as f64
            }
            _ => below,
        }
    }

    /// All observations.
    pub(super) fn total(&self) -> f64 {
        self.up_to.values().copied().fold(0.0, f64::max)
    }

    /// A quantile in microseconds, linear inside its bucket as Prometheus computes it; `None` without observations.
    ///
    /// The last bucket has no upper bound, so the result is at most its lower bound.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.total();
        if rank <= 0.0 {
            return None;
        }
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, observations) in &self.up_to {
            if *observations >= rank {
                let upper = if *bound == u64::MAX { lower } else { *bound as f64 };
                return Some(lower + (upper - lower) * (rank - below) / (observations - below));
            }
            (below, lower) = (*observations, *bound as f64);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use crate::top::parse::samples;

    /// The histogram with so many observations up to 1, 2 and 5 ms, and in all.
    fn histogram(up_to: [u32; 4]) -> Histogram {
        with_bounds(&["1000", "2000", "5000", "+Inf"], &up_to)
    }

    fn with_bounds(bounds: &[&str], up_to: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        for (bound, observations) in bounds.iter().zip(up_to) {
            let line = format!("mcp_a_bucket{{le=\"{bound}\"}} {observations}");
            histogram.add_bucket(&samples(&line).next().unwrap());
        }
        histogram
    }

    #[test]
    fn quantile_is_linear_inside_its_bucket() {
        let found = histogram([0, 10, 20, 20]);
        assert_eq!(found.quantile(0.5), Some(2000.0));
        assert_eq!(found.quantile(0.25), Some(1500.0));
        assert_eq!(found.quantile(0.95), Some(4700.0));
    }

    #[test]
    fn quantile_above_the_last_bound_is_that_bound() {
        assert_eq!(histogram([0, 0, 0, 3]).quantile(0.95), Some(5000.0));
    }

    #[test]
    fn histogram_without_observations_has_no_quantile() {
        assert_eq!(histogram([0; 4]).quantile(0.5), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn histograms_are_added_by_bound() {
        let mut sum = histogram([10, 10, 10, 10]);
        sum.add(&histogram([0, 0, 10, 10]));
        assert_eq!(sum.quantile(0.5), Some(1000.0));
        assert_eq!(sum, histogram([10, 10, 20, 20]));
    }

    #[test]
    fn histograms_with_different_bounds_have_a_quantile_between_theirs() {
        let one = histogram([0, 100, 100, 100]);
        let other = with_bounds(&["500", "1500", "3000", "10000", "+Inf"], &[0, 0, 100, 100, 100]);
        assert_eq!((one.quantile(0.95), other.quantile(0.95)), (Some(1950.0), Some(2925.0)));
        for (first, second) in [(&one, &other), (&other, &one)] {
            let mut sum = first.clone();
            sum.add(second);
            assert_eq!(sum.total(), 200.0);
            // 50 of the one and none of the other up to 1.5 ms; 100 and 33.3 up to 2 ms; all up to 3 ms.
            assert_eq!(sum.at(1500), 50.0);
            assert_eq!(sum.quantile(0.95).map(f64::round), Some(2850.0));
        }
    }

    #[test]
    fn observations_above_the_last_bound_stay_near_it() {
        let slow = with_bounds(&["1000", "+Inf"], &[0, 100]);
        let quick = with_bounds(&["500", "2000", "3600000000", "+Inf"], &[100, 100, 100, 100]);
        let (mut sum, mut other_way) = (slow.clone(), quick.clone());
        sum.add(&quick);
        other_way.add(&slow);
        assert_eq!(sum, other_way);
        assert_eq!(sum.quantile(0.95).map(f64::round), Some(1001.0));
        sum.add(&slow);
        assert_eq!((sum.total(), sum.quantile(0.95).map(f64::round)), (300.0, Some(1001.0)));
    }

    #[test]
    fn empty_histogram_adds_nothing() {
        let mut sum = Histogram::default();
        sum.add(&histogram([0, 10, 10, 10]));
        sum.add(&Histogram::default());
        assert_eq!(sum, histogram([0, 10, 10, 10]));
    }
}
