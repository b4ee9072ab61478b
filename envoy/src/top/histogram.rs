//! A histogram of durations, added up from Envoy's buckets, and its quantiles.

use super::parse::Sample;
use std::collections::BTreeMap;

/// Observations per bucket, by the bucket's upper bound in microseconds. The last bound is `u64::MAX`.
///
/// The page has the number of observations up to each bound. They are kept so, and added by bound: series of one family have
/// the same bounds.
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

    pub(super) fn add(&mut self, other: &Self) {
        for (bound, observations) in &other.up_to {
            *self.up_to.entry(*bound).or_default() += observations;
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
        let mut histogram = Histogram::default();
        for (bound, observations) in ["1000", "2000", "5000", "+Inf"].into_iter().zip(up_to) {
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
}
