use super::{Coding, Decoder, FREE_BYTES, MAX_RATIO, Unread, WINDOW};
use crate::test;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

/// The decoded bytes, the error, and whether the content is truncated.
#[derive(Debug, PartialEq)]
struct Decoded {
    bytes: Vec<u8>,
    unread: Option<Unread>,
    is_cut: bool,
}

fn decode_by(coding: Coding, content: &[u8], mut size: impl FnMut() -> usize) -> Decoded {
    let mut decoder = Decoder::new(coding);
    let mut decoded = Decoded { bytes: Vec::new(), unread: None, is_cut: false };
    let mut rest = content;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size().clamp(1, rest.len()));
        if let Err(unread) = decoder.push(now, &mut |bytes| decoded.bytes.extend_from_slice(bytes)) {
            assert_eq!(decoded.unread.replace(unread), None, "said once");
        }
        rest = later;
    }
    decoded.is_cut = decoder.is_cut();
    decoded
}

fn decode(coding: Coding, content: &[u8]) -> Decoded {
    decode_by(coding, content, || usize::MAX)
}

fn whole(bytes: &[u8]) -> Decoded {
    Decoded { bytes: bytes.to_vec(), unread: None, is_cut: false }
}

/// A gzip member with these flags and optional fields.
fn member(flags: u8, fields: &[u8], text: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3];
    member.extend_from_slice(fields);
    member.extend(compress_to_vec(text, 6));
    member.extend_from_slice(b"checksum");
    member
}

fn gzip(text: &[u8]) -> Vec<u8> {
    member(0, b"", text)
}

/// Text with far and near repetitions and stretches that do not repeat.
fn text(random: &mut fastrand::Rng, size: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < size {
        match random.u8(0..4) {
            0 => text.extend((0..random.usize(1..300)).map(|_| random.u8(..))),
            1 => text.extend(std::iter::repeat_n(random.u8(..), random.usize(1..3000))),
            _ if text.is_empty() => text.push(b'{'),
            _ => {
                let from = random.usize(0..text.len());
                let copy = text[from..].iter().copied().take(random.usize(1..400)).collect::<Vec<_>>();
                text.extend(copy);
            }
        }
    }
    text
}

#[test]
fn coding_names_are_recognised() {
    for name in ["gzip", "x-gzip", " GZip ", "X-GZIP"] {
        assert_eq!(Coding::of(name.as_bytes()), Some(Coding::Gzip), "{name}");
    }
    assert_eq!(Coding::of(b"Deflate"), Some(Coding::Deflate));
    for name in ["br", "zstd", "compress", "gzip, deflate", "gzip,gzip", "identity", "", "gzipped"] {
        assert_eq!(Coding::of(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn every_form_is_inflated() {
    for size in [0, 1, 4_095, 4_096, 4_097, WINDOW - 1, WINDOW, WINDOW + 1, 300_000] {
        let text = text(&mut fastrand::Rng::with_seed(size as u64), size);
        assert_eq!(decode(Coding::Gzip, &gzip(&text)), whole(&text), "{size}");
        assert_eq!(decode(Coding::Deflate, &compress_to_vec(&text, 6)), whole(&text), "{size}");
        assert_eq!(decode(Coding::Deflate, &compress_to_vec(&text, 0)), whole(&text), "{size}");
        for level in 0..10 {
            assert_eq!(decode(Coding::Deflate, &compress_to_vec_zlib(&text, level)), whole(&text), "{size}");
        }
    }
}

#[test]
fn optional_gzip_fields_are_skipped() {
    let extra = [&[3, 1][..], &[0; 259]].concat();
    for (flags, fields) in [
        (1, b"".to_vec()),
        (2, b"cc".to_vec()),
        (4, extra.clone()),
        (4, vec![0, 0]),
        (8, b"name\0".to_vec()),
        (16, b"\0".to_vec()),
        (2 | 4 | 8 | 16, [extra.as_slice(), b"name\0comment\0cc"].concat()),
    ] {
        let content = member(flags, &fields, b"text");
        assert_eq!(decode(Coding::Gzip, &content), whole(b"text"), "{flags}");
        assert_eq!(decode_by(Coding::Gzip, &content, || 1), whole(b"text"), "{flags}");
    }
}

#[test]
fn gzip_members_are_joined_and_trailing_bytes_ignored() {
    let members = [gzip(b"one "), member(8, b"n\0", b"two "), gzip(b""), gzip(b"three")].concat();
    let expected = whole(b"one two three");
    assert_eq!(decode(Coding::Gzip, &members), expected);
    for garbage in ["\0\0\0", "garbage", "\u{1f}garbage"] {
        let content = [members.as_slice(), garbage.as_bytes()].concat();
        assert_eq!(decode(Coding::Gzip, &content), expected);
        assert_eq!(decode_by(Coding::Gzip, &content, || 1), expected);
    }
    let content = [compress_to_vec(b"one", 6).as_slice(), b"garbage"].concat();
    assert_eq!(decode(Coding::Deflate, &content), whole(b"one"));
}

#[test]
fn any_chunking_gives_the_same_text() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..300 {
        let size = random.usize(0..100_000);
        let text = text(&mut random, size);
        let (coding, mut content) = match round % 3 {
            0 => (Coding::Gzip, [gzip(&text), gzip(&text)].concat()),
            1 => (Coding::Deflate, compress_to_vec_zlib(&text, random.u8(0..10))),
            _ => (Coding::Deflate, compress_to_vec(&text, random.u8(0..10))),
        };
        // Every second content is damaged or cut.
        if round % 2 == 0 && !content.is_empty() {
            let at = random.usize(0..content.len());
            content[at] ^= 1 << random.u8(0..8);
            content.truncate(random.usize(at..content.len() + 1));
        }
        let expected = decode(coding, &content);
        assert_eq!(decode_by(coding, &content, || 1), expected);
        assert_eq!(decode_by(coding, &content, || random.usize(1..3_000)), expected);
    }
}

#[test]
fn flushed_content_is_returned_at_once() {
    let flags = create_comp_flags_from_zip_params(6, 15, 0);
    let mut compressor = CompressorOxide::new(flags);
    let mut flushed = |text: &[u8], flush| {
        let mut content = Vec::new();
        compress_to_output(&mut compressor, text, flush, |bytes| {
            content.extend_from_slice(bytes);
            true
        });
        content
    };
    let mut decoder = Decoder::new(Coding::Deflate);
    for event in ["data: {\"a\":1}\n\n", "data: {\"a\":2}\n\n", "data: {\"a\":2}\n\n"] {
        let content = flushed(event.as_bytes(), TDEFLFlush::Sync);
        let mut decoded = Vec::new();
        decoder.push(&content, &mut |bytes| decoded.extend_from_slice(bytes)).unwrap();
        assert_eq!(decoded, event.as_bytes());
        assert!(!decoder.is_cut(), "behind a flush nothing is missing");
    }
    let content = flushed(b"something else", TDEFLFlush::Finish);
    let (cut, rest) = content.split_at(content.len() / 2);
    decoder.push(cut, &mut |_| {}).unwrap();
    assert!(decoder.is_cut());
    decoder.push(rest, &mut |_| {}).unwrap();
    assert!(decoder.is_done() && !decoder.is_cut());
}

#[test]
fn cut_content_is_recognised_anywhere() {
    let content = gzip(b"some text, some text");
    assert!(!decode(Coding::Gzip, b"").is_cut, "nothing is missing from nothing");
    // After the blocks only the checksum is missing.
    for end in 1..content.len() {
        let decoded = decode(Coding::Gzip, &content[..end]);
        assert_eq!(decoded.is_cut, end < content.len() - 8, "{end}");
        assert_eq!(decoded.unread, None, "{end}");
    }
    for content in [compress_to_vec_zlib(b"some text", 6), compress_to_vec(b"some text", 6)] {
        assert!(decode(Coding::Deflate, &content[..1]).is_cut);
        assert!(decode(Coding::Deflate, &content[..content.len() / 2]).is_cut);
    }
}

#[test]
fn content_in_another_coding_is_broken() {
    let broken = |coding, content: &[u8]| decode(coding, content).unread == Some(Unread::Broken);
    assert!(broken(Coding::Gzip, b"{\"jsonrpc\":\"2.0\"}"));
    assert!(broken(Coding::Deflate, b"\x07 is a kind of block that does not exist"));
    assert!(broken(Coding::Gzip, &[0x1f, 0x8b, 7, 0]));
    assert!(broken(Coding::Gzip, &[0x1f, 0x8b, 8, 0x80]));
    assert!(broken(Coding::Gzip, &compress_to_vec_zlib(b"text", 6)));
    assert!(broken(Coding::Deflate, &gzip(b"text")));
    // zlib with a preset dictionary.
    assert!(broken(Coding::Deflate, &[0x78, 0xbb, 1, 2, 3, 4]));
    // The first member is good, the second is not.
    let second = [gzip(b"text"), vec![0x1f, 0x8b, 9]].concat();
    assert_eq!(decode(Coding::Gzip, &second).bytes, b"text");
    assert!(broken(Coding::Gzip, &second));
}

#[test]
fn decompression_bomb_stops_early() {
    let zeros = vec![0; 64 << 20];
    let content = compress_to_vec(&zeros, 9);
    for decoded in [decode(Coding::Deflate, &content), decode_by(Coding::Deflate, &content, || 7)] {
        assert_eq!(decoded.unread, Some(Unread::Bomb));
        let max = FREE_BYTES as usize + content.len() * MAX_RATIO as usize + WINDOW;
        assert!(decoded.bytes.len() <= max && decoded.bytes.len() < 1 << 20, "{}", decoded.bytes.len());
    }
    // A small response may be highly repetitive.
    let zeros = vec![b' '; FREE_BYTES as usize];
    assert_eq!(decode(Coding::Deflate, &compress_to_vec(&zeros, 9)), whole(&zeros));
}

#[test]
fn memory_is_bounded() {
    let mut decoder = Decoder::new(Coding::Gzip);
    let retained = |decoder: &Decoder| {
        decoder.inflater.as_ref().map_or(0, |inflater| size_of_val(inflater.as_ref()) + inflater.window.capacity())
    };
    assert_eq!(retained(&decoder), 0);
    let content = gzip(&text(&mut fastrand::Rng::with_seed(3), 1_000_000));
    let mut peak = 0;
    for chunk in content.chunks(999) {
        decoder.push(chunk, &mut |_| {}).unwrap();
        peak = peak.max(retained(&decoder));
    }
    assert!(peak > WINDOW && peak < 45 * 1024, "{peak}");
    let content = gzip(b"small");
    let (header, blocks) = content.split_at(10);
    let mut small = Decoder::new(Coding::Gzip);
    small.push(header, &mut |_| {}).unwrap();
    small.push(&blocks[..1], &mut |_| {}).unwrap();
    assert!(retained(&small) < 15 * 1024, "{}", retained(&small));
    let mut broken = Decoder::new(Coding::Gzip);
    broken.push(header, &mut |_| {}).unwrap();
    broken.push(b"\x07", &mut |_| {}).unwrap_err();
    assert_eq!(retained(&broken), 0);
}
