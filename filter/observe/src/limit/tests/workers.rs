//! Several workers that share one store and write between the reads and writes of each other.

use super::{call, counts, limiter, rate};
use crate::host::{SharedData, Time, Versioned};
use crate::label::RateLimitOutcome;
use crate::limit::{Caller, LimitedRequest, RateLimiter};
use crate::shared_data::InMemory;
use crate::test;
use std::cell::{Cell, RefCell};

/// One store for several workers. Before and after each read and write of one worker, another may charge a body.
struct Interleaved<'a> {
    store: InMemory,
    limiter: &'a RateLimiter,
    random: RefCell<fastrand::Rng>,
    now: Cell<u64>,
    /// Workers whose charge is not complete.
    depth: Cell<u32>,
    /// Bodies that passed: when, for which caller, and how many requests.
    passed: RefCell<Vec<(u64, u64, u64)>>,
    failed_writes: Cell<u32>,
}

/// The most workers that are in a charge at the same time.
const WORKERS: u32 = 4;

impl Interleaved<'_> {
    fn charge(&self) {
        let (caller, size) = self.with_random(|random| (random.u64(1..3), random.usize(1..4)));
        let requests: Vec<LimitedRequest> = vec![call("add"); size];
        let subject = Caller { session: Some(caller), ..Caller::default() };
        self.depth.set(self.depth.get() + 1);
        let decision = self.limiter.charge(None, &subject, &requests, Time(self.now.get() * 1_000), self);
        self.depth.set(self.depth.get() - 1);
        assert!(decision.counts.iter().all(|count| count.outcome != RateLimitOutcome::NoRoom));
        if decision.refused.is_none() {
            self.passed.borrow_mut().push((self.now.get(), caller, size as u64));
        }
    }

    fn others(&self) {
        while self.depth.get() < WORKERS && self.with_random(|random| random.u8(..) < 40) {
            self.charge();
        }
    }

    fn with_random<T>(&self, choose: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        choose(&mut self.random.borrow_mut())
    }
}

impl SharedData for Interleaved<'_> {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.others();
        let value = self.store.read(key);
        self.others();
        value
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        self.others();
        let is_written = self.with_random(|random| random.u8(..) > 20) && self.store.write(key, value, version);
        self.failed_writes.set(self.failed_writes.get() + u32::from(!is_written));
        self.others();
        is_written
    }
}

fn interleaved(limiter: &RateLimiter, seed: u64) -> Interleaved<'_> {
    Interleaved {
        store: InMemory::default(),
        limiter,
        random: RefCell::new(fastrand::Rng::with_seed(seed)),
        now: Cell::new(1_000),
        depth: Cell::new(0),
        passed: RefCell::default(),
        failed_writes: Cell::new(0),
    }
}

/// Rules of all bodies: requests, milliseconds, burst, and whether each session has its bucket.
const RULES: [(u64, u64, u64, bool); 3] = [(7, 100, 9, true), (5, 100, 12, false), (30, 100, 6, true)];

fn rules() -> RateLimiter {
    let rule = |(requests, interval_ms, burst, by_session): &(u64, u64, u64, bool)| {
        rate(*requests, *interval_ms, *burst, if *by_session { r#","per":"session""# } else { "" })
    };
    let rules: Vec<String> = RULES.iter().map(rule).collect();
    limiter(&rules.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn workers_together_never_exceed_the_rate_in_any_time() {
    let limiter = rules();
    let mut failed_writes = 0;
    for seed in 0..40 {
        let workers = interleaved(&limiter, seed);
        for _ in 0..150 {
            workers.charge();
            let step = workers.with_random(|random| if random.u8(..) < 20 { 200_000 } else { random.u64(..12_000) });
            workers.now.set(workers.now.get() + step);
        }
        failed_writes += workers.failed_writes.get();
        let passed = workers.passed.borrow();
        for (requests, interval_ms, burst, by_session) in RULES {
            for caller in if by_session { 1..3 } else { 0..1 } {
                let events: Vec<_> = passed.iter().filter(|(_, of, _)| !by_session || *of == caller).collect();
                for (index, (from, ..)) in events.iter().enumerate() {
                    let mut count = 0;
                    for (to, _, size) in &events[index..] {
                        count += size;
                        let most = burst * interval_ms * 1_000 + requests * (to - from + 1);
                        assert!(count * interval_ms * 1_000 <= most, "seed {seed}: {count} from {from} to {to}");
                    }
                }
            }
        }
    }
    assert!(failed_writes > 2_000, "{failed_writes}");
}

/// Without any time, what failed attempts took has to be there again: exactly the tokens of the smallest bucket pass.
#[test]
fn failed_attempts_lose_no_token() {
    let limiter = rules();
    for seed in 0..100 {
        let workers = interleaved(&limiter, seed);
        for _ in 0..60 {
            workers.charge();
        }
        let passed = workers.passed.borrow();
        let of = |caller| passed.iter().filter(|(_, of, _)| *of == caller).map(|(.., size)| size).sum::<u64>();
        // Six for each session by rule 2, and twelve in all by rule 1.
        assert_eq!((of(1), of(2)), (6, 6), "seed {seed}");
    }
}

#[test]
fn store_that_refuses_lets_all_pass() {
    let (shared, limiter) = (InMemory::default(), rules());
    shared.refuse(true);
    for _ in 0..20 {
        let decision = limiter.charge(None, &Caller::default(), &[call("add"), call("add")], Time(0), &shared);
        assert_eq!(decision.refused, None);
        assert_eq!(counts(&decision), [0, 1, 2].map(|rule| (rule, RateLimitOutcome::NoRoom, 2)));
    }
    shared.refuse(false);
    let decision = limiter.charge(None, &Caller::default(), &[call("add")], Time(0), &shared);
    assert_eq!(counts(&decision), [0, 1, 2].map(|rule| (rule, RateLimitOutcome::Allowed, 1)));
}

/// A store that refuses one value only: what was taken from the others is given back each time.
#[test]
fn value_that_cannot_be_written_takes_no_token_of_other_rules() {
    struct RefusesOne<'a>(InMemory, &'a str);
    impl SharedData for RefusesOne<'_> {
        fn read(&self, key: &str) -> Option<Versioned> {
            self.0.read(key)
        }

        fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
            key != self.1 && self.0.write(key, value, version)
        }
    }
    let limiter = rules();
    let key = limiter.limits[2].key(None);
    let shared = RefusesOne(InMemory::default(), &key);
    let charge = |shared: &dyn SharedData| limiter.charge(None, &Caller::default(), &[call("add"); 6], Time(0), shared);
    assert_eq!(counts(&charge(&shared)), [0, 1, 2].map(|rule| (rule, RateLimitOutcome::NoRoom, 6)));
    assert_eq!(charge(&shared.0).refused, None);
    assert_eq!(charge(&shared.0).refused.map(|refused| refused.rule), Some(0));
}
