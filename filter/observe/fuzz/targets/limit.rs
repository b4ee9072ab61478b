//! The input is a rule, a number of bytes for the rule's value in the shared data, these bytes, and bodies of a few sessions at
//! times that go forth and back. A session that the bytes do not mention never exceeds the rate; a refused one is not told to wait
//! for longer than its tokens take to come back; the value stays below its bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::charge;
use mcp_observe::{Config, InMemory, SharedData, Time, Versioned};
use std::cell::RefCell;

/// Shared data that begins with a value under every key.
struct Prepared<'a> {
    value: &'a [u8],
    memory: InMemory,
    longest: RefCell<usize>,
}

/// The latest change, and 1,024 buckets.
const MAX_VALUE_BYTES: usize = 8 + 1024 * 24;
/// Less than the hour by which a stored time may be ahead of the clock.
const BEGIN: u64 = 1 << 41;

impl SharedData for Prepared<'_> {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.memory.read(key).or_else(|| {
            self.memory.write(key, self.value, None);
            self.memory.read(key)
        })
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut longest = self.longest.borrow_mut();
        *longest = value.len().max(*longest);
        self.memory.write(key, value, version)
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(([requests, interval, burst, length], rest)) = input.split_first_chunk() else { return };
    let (requests, interval_ms, burst) = (u64::from(*requests) + 1, u64::from(*interval) + 100, u64::from(*burst) + 1);
    let (value, bodies) = rest.split_at_checked(usize::from(*length) * 8).unwrap_or((rest, &[]));
    let config = format!(
        r#"{{"rate_limit":{{"rules":[{{"method":"tools/call","per":"session","requests":{requests},
        "interval_ms":{interval_ms},"burst":{burst}}}]}}}}"#
    );
    let config = Config::from_json(config.as_bytes(), &|_| None).expect("the configuration is valid");
    let shared = Prepared { value, memory: InMemory::default(), longest: RefCell::default() };
    let (mut now, mut earliest, mut latest, mut passed) = (BEGIN, BEGIN, BEGIN, [0; 4]);
    for [body, steps @ ..] in bodies.as_chunks::<3>().0 {
        let step = i64::from(i16::from_le_bytes(*steps)) * 16;
        now = now.saturating_add_signed(step).clamp(BEGIN, BEGIN + 3_000_000_000);
        (earliest, latest) = (earliest.min(now), latest.max(now));
        let (session, size) = (usize::from(body % 4), u64::from(body / 4) + 1);
        let wait = charge(&config, session as u64, size as usize, Time(now * 1_000), &shared);
        match wait.expect("the configuration has a rule") {
            0 => passed[session] += size,
            // The table's time may be ahead by as much as the clock went back.
            wait => assert!(wait <= (burst + size) * interval_ms / requests + 1, "{wait}"),
        }
    }
    // Such a value counts as empty as soon as the clock goes back far enough.
    let is_ahead = value.first_chunk().is_some_and(|time| u64::from_le_bytes(*time) > BEGIN + 3_600_000_000);
    let is_mentioned = |session: u64| is_ahead || value.windows(8).any(|bytes| bytes == session.to_le_bytes());
    for (session, passed) in (0..).zip(passed).filter(|(session, _)| !is_mentioned(*session)) {
        let most = burst * interval_ms * 1_000 + (latest - earliest + 1) * requests;
        assert!(passed * interval_ms * 1_000 <= most, "{session}: {passed}");
    }
    assert!(*shared.longest.borrow() <= MAX_VALUE_BYTES);
});
