//! The input is a script of one exchange. Any chunking gives the same observations, memory stays below the bound, and gauges
//! return to 0. A rate limit finds the requests that are observed, or says that it did not read the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::{hold, id_texts, observe};
use mcp_observe::{Config, Correlation, HASH_KEY_BYTES, SharedData, Versioned};
use mcp_observe_fuzz::chunks::{Chunking, EVERY};
use mcp_observe_fuzz::memory::peak_bytes;
use mcp_observe_fuzz::proxy::{Playing, Tally};
use mcp_observe_fuzz::script::Script;
use std::cell::Cell;
use std::rc::Rc;

/// The bound of an exchange.
const MAX_MEMORY: usize = 64 * 1024;
/// Memory for a change of one slot of the store: read, decoded, written.
const SLOT_BYTES: usize = 3 * 8192;

/// An empty store, so that only the exchange's memory is measured.
struct Nothing;

impl SharedData for Nothing {
    fn read(&self, _: &str) -> Option<Versioned> {
        None
    }

    fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
        true
    }
}

fuzz_target!(|input: &[u8]| {
    let script = Script::one(input);
    check_held(script.request.body);
    let expected = play(&script, Chunking::Whole);
    for chunking in EVERY {
        assert_eq!(play(&script, chunking), expected, "{chunking:?}");
    }
    assert!(expected.observations <= 2 * input.len() + 16);
    assert_eq!(expected.exchanges[0], expected.exchanges[1]);
    assert_eq!(expected.streams[0], expected.streams[1]);
    assert!(expected.operations_ended <= expected.operations_started);
});

fn check_held(body: &[u8]) {
    let texts = id_texts(body);
    if let Some(requests) = hold(body) {
        assert_eq!(requests, observe(body));
        for text in texts {
            // Only JSON that is not UTF-8 has ids that are not JSON for `serde_json`.
            let is_text = std::str::from_utf8(text).is_ok();
            let id = serde_json::from_slice::<serde_json::Value>(text);
            assert!(!is_text || id.is_ok_and(|id| id.is_string() || id.is_number()) || has_no_value(text), "{text:?}");
        }
    }
}

/// `serde_json` refuses lone surrogates, and numbers that are too large for it.
fn has_no_value(text: &[u8]) -> bool {
    !text.starts_with(b"\"") || text.windows(3).any(|escape| escape.eq_ignore_ascii_case(b"\\ud"))
}

fn play(script: &Script<'_>, chunking: Chunking) -> Tally {
    let (config, now) = (Config::default(), Cell::new(1));
    let correlation = Correlation::new(Rc::new(Nothing), "fuzz", [7; HASH_KEY_BYTES], 0);
    let mut tally = Tally::default();
    let mut playing = Playing::new(script, chunking, &config, &correlation, &now);
    let held = peak_bytes(|| {
        playing.request(&mut tally);
        playing.response(&mut tally);
        playing.end(&mut tally);
    });
    let max = MAX_MEMORY + SLOT_BYTES + 3 * script.longest_header();
    assert!(held <= max, "{held} bytes held");
    tally
}
