//! The input is decompressed with both codings, whether it is compressed or not; and it is compressed and decompressed again. Any
//! chunking gives the same result, the output is bounded in proportion to the input, and memory is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::{inflate, measure};
use mcp_observe_fuzz::chunks::{Chunking, EVERY, cut};
use mcp_observe_fuzz::memory::peak_bytes;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// The bound in the module's documentation.
const MAX_RATIO: u64 = 128;
const FREE_BYTES: u64 = 256 * 1024;
const WINDOW: u64 = 32 * 1024;
const MAX_MEMORY: usize = 50 * 1024;

fuzz_target!(|input: &[u8]| {
    for coding in ["gzip", "deflate"] {
        check(coding, input);
    }
    read_back("deflate", &compress_to_vec(input, 6), input);
    read_back("deflate", &compress_to_vec_zlib(input, 1), input);
    let member = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", compress_to_vec(input, 9).as_slice(), &[0; 8]].concat();
    read_back("gzip", &member, input);
});

fn check(coding: &str, content: &[u8]) {
    let expected = inflate(coding, [content]);
    let is_bomb = expected.as_ref().is_some_and(|inflated| inflated.unread.as_deref() == Some("Bomb"));
    for chunking in EVERY {
        let inflated = inflate(coding, cut(content, chunking));
        // The exact position at which a decompression bomb is refused does not matter.
        assert!(inflated == expected || is_bomb, "{coding} {chunking:?}");
    }
    let chunks = cut(content, Chunking::Pieces(700));
    let mut count = None;
    assert!(peak_bytes(|| count = measure(coding, chunks.iter().copied())) < MAX_MEMORY);
    assert!(count.is_some_and(|count| count <= FREE_BYTES + MAX_RATIO * content.len() as u64 + WINDOW));
}

fn read_back(coding: &str, content: &[u8], text: &[u8]) {
    check(coding, content);
    let inflated = inflate(coding, cut(content, Chunking::Pieces(9))).unwrap();
    let is_bomb = inflated.unread.as_deref() == Some("Bomb");
    assert!(inflated.bytes == text && !inflated.is_cut || is_bomb, "{coding}");
}
