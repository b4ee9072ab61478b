//! Clocks that differ between workers, or go back.

use super::bounds::RATES;
use super::{limiter, passes, rate, session};
use crate::limit::table::Table;
use crate::shared_data::InMemory;
use crate::test;

/// Whatever the clocks show, no time counts twice: in all, a bucket lets through what it does from the earliest to the latest
/// time. The buckets of other sessions become full meanwhile, and are dropped.
#[test]
fn time_that_is_shown_twice_counts_once() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..200 {
        let (requests, interval_ms, _) = RATES[round % RATES.len()];
        let size = random.u64(1..5);
        let limiter = limiter(&[&rate(requests, interval_ms, size, r#","per":"session""#)]);
        let shared = InMemory::default();
        let begin = 1_u64 << 40;
        // Less than the hour by which a stored time may be ahead.
        let span = (random.u64(1..10) * interval_ms * 1_000 / requests).clamp(1, 3_600_000_000);
        let (mut passed, mut now, mut earliest, mut latest) = ([0_u64; 3], begin, begin, begin);
        for _ in 0..300 {
            now = if random.bool() { begin + random.u64(0..=span) } else { (now + random.u64(..3)).min(begin + span) };
            (earliest, latest) = (earliest.min(now), latest.max(now));
            let caller = random.usize(0..3);
            passed[caller] += u64::from(passes(&limiter, &session(caller as u64 + 1), now, &shared));
        }
        let most = size + (latest - earliest + 1) * requests / (interval_ms * 1_000);
        assert!(passed.iter().all(|passed| *passed <= most), "{passed:?} of {most}; {requests} per {interval_ms} ms");
    }
}

/// A worker puts back what it took, but the token came back by itself before another worker took it.
#[test]
fn token_that_came_back_is_not_put_back_again() {
    let limiter = limiter(&[&rate(1, 100, 1, "")]);
    let rate = &limiter.limits[0].rate;
    for (later, passes_after) in [(100_000, false), (0, true)] {
        let mut value = Vec::new();
        assert!(Table::new(rate, 0, &mut value).take(7, 1).is_ok());
        assert_eq!(Table::new(rate, later, &mut value).take(7, 1).is_ok(), !passes_after);
        Table::new(rate, 0, &mut value).give_back(7, 1, 0);
        assert_eq!(Table::new(rate, later, &mut value).take(7, 1).is_ok(), passes_after, "{later}");
    }
}

#[test]
fn worker_whose_clock_is_behind_is_not_refused_for_that() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 100, 2, "")]));
    let caller = session(1);
    assert!(passes(&limiter, &caller, 1_000_000, &shared));
    assert!(passes(&limiter, &caller, 999_990, &shared));
    assert!(!passes(&limiter, &caller, 1_000_000, &shared));
    assert!(passes(&limiter, &caller, 1_100_000, &shared));
}
