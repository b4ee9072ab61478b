//! The input is a stream of events. Any chunking gives the same events as a parser of the whole text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::{Framed, frame};
use mcp_observe_fuzz::chunks::{EVERY, cut};

fuzz_target!(|input: &[u8]| {
    let expected = read_whole(input);
    for chunking in EVERY {
        assert_eq!(frame(cut(input, chunking)), expected, "{chunking:?}");
    }
});

/// The algorithm of the standard, line by line.
fn read_whole(stream: &[u8]) -> Vec<Framed> {
    let mut events = Vec::new();
    let (mut name, mut data) = (&b""[..], None::<Vec<u8>>);
    for line in lines(stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream)) {
        if line.is_empty() {
            let name = match std::mem::take(&mut name) {
                b"" | b"message" => "message",
                b"endpoint" => "endpoint",
                _ => "other",
            };
            events.extend(data.take().map(|data| Framed { name, data }));
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = value,
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            _ => {}
        }
    }
    events
}

/// Complete lines.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        lines.push(&rest[..end]);
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    lines
}
