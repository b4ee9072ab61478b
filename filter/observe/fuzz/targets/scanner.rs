//! The input is JSON, or not. Any chunking says the same, in no more lines than there are bytes and one for the end, and one
//! whole document is one for `serde_json` as well.
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
    // What the scanner does beyond the grammar: a byte order mark, several documents, a limit of depth.
    let has_mark = input.windows(3).any(|window| window == b"\xef\xbb\xbf");
    if expected.too_deep || expected.documents > 1 || has_mark {
        return;
    }
    let is_document = expected.documents == 1 && !expected.broken;
    assert_eq!(serde_json::from_slice::<IgnoredAny>(input).is_ok(), is_document);
});
