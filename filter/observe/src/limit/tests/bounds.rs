//! How much a rule lets through at most, how large its value gets, and what broken values do.

use super::{call, limiter, passes, rate, session};
use crate::host::{SharedData, Time};
use crate::limit::table::MAX_BUCKETS;
use crate::limit::{Caller, RateLimiter};
use crate::shared_data::InMemory;
use crate::test;

/// Rates at the limits of the configuration, and odd ones: requests, milliseconds, burst.
pub(super) const RATES: [(u64, u64, u64); 8] = [
    (1_000_000, 86_400_000, 1_000_000),
    (1, 86_400_000, 1_000_000),
    (1_000_000, 100, 1_000_000),
    (1, 100, 1),
    (7, 1_000, 1),
    (3, 100, 2),
    (999_983, 86_399_999, 5),
    (13, 777, 40),
];

/// How many requests pass at once, of at most `most`.
fn burst(limiter: &RateLimiter, now: u64, most: u64, shared: &InMemory) -> u64 {
    let fits = |count: u64| {
        let requests = vec![call("add"); count as usize];
        limiter.charge(None, &Caller::default(), &requests, Time(now * 1_000), shared).refused.is_none()
    };
    let mut passed = 0;
    for size in [100_000, 1_000, 10, 1] {
        while passed < most && fits(size) {
            passed += size;
        }
    }
    passed
}

/// Requests that the tolerance of one microsecond lets through beside the burst.
fn tolerance((requests, interval_ms, _): (u64, u64, u64)) -> u64 {
    requests / (interval_ms * 1_000)
}

#[test]
fn exactly_the_burst_passes_at_once_also_after_an_idle_hour() {
    for rule in RATES {
        let (requests, interval_ms, size) = rule;
        let (shared, limiter) = (InMemory::default(), limiter(&[&rate(requests, interval_ms, size, "")]));
        let tokens = size + tolerance(rule);
        assert_eq!(burst(&limiter, 0, 2_000_000, &shared), tokens, "{rule:?}");
        assert_eq!(burst(&limiter, 0, 10, &shared), 0, "{rule:?}");
        // A token that comes back within the tolerance of a microsecond counts too.
        let came_back = 3_600_000_001 * requests / (interval_ms * 1_000);
        let after = burst(&limiter, 3_600_000_000, 2_000_000, &shared);
        assert_eq!(after, came_back.min(tokens), "{rule:?}");
    }
}

#[test]
fn caller_at_exactly_the_rate_is_never_refused() {
    let mut random = fastrand::Rng::with_seed(5);
    for (requests, interval_ms, _) in RATES {
        let limiter = limiter(&[&rate(requests, interval_ms, 1, "")]);
        for start in [0, random.u64(..1 << 50), random.u64(..1 << 50)] {
            let shared = InMemory::default();
            for number in 0..2_000 {
                // The clock has whole nanoseconds, the buckets whole microseconds.
                let after = (number * interval_ms * 1_000_000).div_ceil(requests);
                let decision = limiter.charge(None, &Caller::default(), &[call("add")], Time(start + after), &shared);
                assert_eq!(decision.refused, None, "{requests} per {interval_ms} ms, request {number}");
            }
        }
    }
}

/// In the long run the rate is exact: a caller that is 1 % faster is refused once in about a hundred requests.
#[test]
fn caller_above_the_rate_is_held_to_it() {
    for (requests, interval_ms, size) in RATES {
        let (shared, limiter) = (InMemory::default(), limiter(&[&rate(requests, interval_ms, 1, "")]));
        let step = (interval_ms * 990_000).div_ceil(requests);
        let times = (0..20_000).map(|number| number * step);
        let passed = times.filter(|&time| passes(&limiter, &Caller::default(), time / 1_000, &shared)).count() as u64;
        let time = 19_999 * step / 1_000 + 1;
        let most = 1 + time * requests / (interval_ms * 1_000);
        assert!(passed <= most, "{requests} per {interval_ms} ms, {size}: {passed} of {most}");
        assert!(passed >= most * 49 / 100, "{requests} per {interval_ms} ms, {size}: {passed} of {most}");
    }
}

#[test]
fn refused_caller_passes_after_the_time_it_was_told() {
    let mut random = fastrand::Rng::with_seed(6);
    for (requests, interval_ms, size) in RATES {
        let (shared, limiter) = (InMemory::default(), limiter(&[&rate(requests, interval_ms, size, "")]));
        let mut now = 0;
        burst(&limiter, now, 2_000_000, &shared);
        for _ in 0..50 {
            let batch = vec![call("add"); random.usize(1..=size.min(100) as usize)];
            let charge = |now| limiter.charge(None, &Caller::default(), &batch, Time(now), &shared).refused;
            if let Some(refused) = charge(now) {
                let wait = refused.retry_after_ms * 1_000_000;
                // Not much longer than needed.
                let early = charge((now + wait).saturating_sub(2_000_000));
                assert!(refused.retry_after_ms < 3 || early.is_some(), "{wait}");
                now += wait;
                assert_eq!(charge(now), None, "{requests} per {interval_ms} ms, {} requests", batch.len());
            }
            now += random.u64(..1_000_000);
        }
    }
}

#[test]
fn invented_sessions_get_no_more_than_the_buckets_of_the_table() {
    let (requests, interval_ms, size) = (5, 1_000, 3);
    let (shared, limiter) =
        (InMemory::default(), limiter(&[&rate(requests, interval_ms, size, r#","per":"session""#)]));
    // Without optimisation, 100,000 take most of a minute.
    let sessions = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let (mut passed, mut now, mut largest) = (0_u64, 0, 0);
    for number in 0..sessions {
        now += 2;
        passed += u64::from(passes(&limiter, &session(number + 1), now, &shared));
        if number == 2 * MAX_BUCKETS as u64 {
            largest = shared.size();
        }
    }
    let most = MAX_BUCKETS as u64 * (size + (now + 1) * requests / (interval_ms * 1_000));
    assert!(passed <= most, "{passed} of {most}");
    // The bound is reached: the sessions take over used buckets.
    assert!(passed >= MAX_BUCKETS as u64 * size, "{passed} of {most}");
    assert_eq!(shared.size(), largest);
    assert!(largest < 24 * MAX_BUCKETS + 100, "{largest}");
    // When the buckets are full again, one new session drops all of them.
    assert!(passes(&limiter, &session(1), now + 10_000_000, &shared));
    assert!(shared.size() < 200, "{}", shared.size());
}

#[test]
fn session_in_use_keeps_its_bucket_beside_invented_ones() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 86_400_000, 2, r#","per":"session""#)]));
    let passed: usize = (0..3_000)
        .map(|number| {
            let _ = passes(&limiter, &session(1_000 + number), number, &shared);
            usize::from(number % 1_000 == 0 && passes(&limiter, &session(1), number, &shared))
        })
        .sum();
    assert_eq!(passed, 2);
}

#[test]
fn broken_value_counts_as_empty() {
    let limiter = limiter(&[&rate(1, 86_400_000, 1, "")]);
    let key = limiter.limits[0].key(None);
    let ahead = |bytes: &[u8]| [&u64::MAX.to_le_bytes(), bytes].concat();
    for value in [vec![], vec![0], vec![0; 7], vec![0; 9], vec![255; 31], ahead(&[]), ahead(&[0; 24]), vec![1; 40_008]]
    {
        let shared = InMemory::default();
        assert!(shared.write(&key, &value, None));
        assert!(passes(&limiter, &Caller::default(), 5, &shared), "{value:?}");
        assert!(!passes(&limiter, &Caller::default(), 5, &shared), "{value:?}");
    }
    // More units in use than the bucket has, and a change after the latest one.
    for (at, used) in [(5_u64, u64::MAX), (6, 1)] {
        let shared = InMemory::default();
        let value = [5, 0, at, used].map(u64::to_le_bytes).concat();
        assert!(shared.write(&key, &value, None));
        assert!(passes(&limiter, &Caller::default(), 5, &shared), "{at} {used}");
    }
}

#[test]
fn changed_bytes_of_a_value_never_refuse_for_longer_than_a_full_bucket_takes() {
    let mut random = fastrand::Rng::with_seed(8);
    let limiter = limiter(&[&rate(1, 1_000, 2, r#","per":"session""#)]);
    let key = limiter.limits[0].key(None);
    for _ in 0..2_000 {
        let shared = InMemory::default();
        for number in 1..5 {
            passes(&limiter, &session(number), number, &shared);
        }
        let stored = shared.read(&key).unwrap();
        let mut value = stored.bytes;
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..value.len());
            value[at] = random.u8(..);
        }
        value.truncate(value.len() - random.usize(..10) / 9);
        assert!(shared.write(&key, &value, Some(stored.version)));
        for number in 1..5 {
            let decision = limiter.charge(None, &session(number), &[call("add")], Time(10_000), &shared);
            assert!(decision.refused.is_none_or(|refused| refused.retry_after_ms <= 2_000), "{value:?}");
        }
        // One hour is how far a stored time may be ahead.
        assert!(passes(&limiter, &session(1), 3_600_000_000 + 4_000_000, &shared), "{value:?}");
    }
}
