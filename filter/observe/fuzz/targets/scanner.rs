//! The input is JSON or other bytes. Any chunking gives the same events, at most one per byte and one for the end. One complete
//! document is also one for `serde_json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::scan;
use mcp_observe_fuzz::chunks::{EVERY, cut};
use serde::de::IgnoredAny;

fuzz_target!(|input: &[u8]| {
    let expected = scan([input]);
    for chunking in EVERY {
        assert_eq!(scan(cut(input, chunking)), expected, "{chunking:?}");
    }
    assert!(expected.lines.len() <= input.len() + 1);
    // The scanner differs from the grammar: it accepts a byte order mark and several documents, and it limits the depth.
    let has_mark = input.windows(3).any(|window| window == b"\xef\xbb\xbf");
    if expected.too_deep || expected.documents > 1 || has_mark {
        return;
    }
    let is_document = expected.documents == 1 && !expected.broken;
    assert_eq!(serde_json::from_slice::<IgnoredAny>(input).is_ok(), is_document);
});
