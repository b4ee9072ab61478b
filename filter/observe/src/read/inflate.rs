//! Decodes `gzip` and `deflate` content, chunk by chunk, for reading only.
//!
//! The decoded bytes of a chunk are passed on at once: the text of an event that the server flushed is passed on with
//! the chunk that brought it. `gzip` is RFC 1952 with all optional fields and any number of members; `deflate` is zlib's
//! wrapper or, as browsers accept it, raw DEFLATE. Bytes after the end of the content are ignored.
//!
//! **What it does not do:** verify checksums and lengths (the client does); read preset dictionaries, other codings or several
//! codings of one body.
//!
//! **Cost:** the tables of `miniz_oxide` (under 12 KiB) and a window of 4 KiB, for longer content of DEFLATE's 32 KiB: under
//! 45 KiB in all, under 50 KiB while the window grows, nothing before the first byte of content. Time is proportional to the bytes on the
//! wire and the bytes decoded. Each byte on the wire may produce at most [`MAX_RATIO`] decoded bytes, in addition to
//! [`FREE_BYTES`] and one window; content that produces more ends as [`Unread::Bomb`].

mod gzip;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use self::gzip::{Header, Step};

/// Decoded bytes that each byte on the wire may produce. JSON rarely exceeds 30; DEFLATE's maximum is 1032.
const MAX_RATIO: u64 = 128;
/// Decoded bytes that any content may produce: a small response may be highly repetitive.
const FREE_BYTES: u64 = 256 * 1024;
/// The initial window: most responses are no longer.
const FIRST_WINDOW: usize = 4 * 1024;
/// DEFLATE's longest distance.
const WINDOW: usize = 32 * 1024;
/// Bytes after the last block of a gzip member: checksum and length.
const GZIP_TRAILER_BYTES: u8 = 8;
/// The length fields of the empty stored block with which a flush ends.
const FLUSH_MARK: u32 = 0x0000_ffff;

/// A supported coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

/// Why the rest of some content is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The content is not valid in its coding.
    Broken,
    /// The content grows beyond [`MAX_RATIO`].
    Bomb,
}

/// Decodes one body.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    state: State,
    inflater: Option<Box<Inflater>>,
    /// The last four bytes on the wire.
    tail: u32,
}

/// What the next byte is part of.
#[derive(Clone, Debug)]
enum State {
    /// Before a gzip member. After the first member, other bytes may follow.
    GzipHeader {
        header: Header,
        is_first: bool,
    },
    GzipTrailer {
        left: u8,
    },
    /// Before `deflate` content, with the first of the two bytes that show its form.
    DeflateStart {
        first: Option<u8>,
    },
    Blocks {
        is_gzip: bool,
    },
    End,
    Unread,
}

/// DEFLATE itself: tables and window.
#[derive(Clone)]
struct Inflater {
    core: DecompressorOxide,
    window: Vec<u8>,
    position: usize,
    taken: u64,
    given: u64,
}

/// The progress of [`Inflater::inflate`].
enum Blocks {
    /// All input is used.
    Partial,
    /// The last block ended after this many bytes of the input.
    Ended(usize),
    Unread(Unread),
}

// === impl Coding ===

impl Coding {
    /// The coding that a `Content-Encoding` names, if it is the only one and is supported.
    pub(crate) fn of(content_encoding: &[u8]) -> Option<Self> {
        let name = content_encoding.trim_ascii();
        if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            Some(Self::Gzip)
        } else if name.eq_ignore_ascii_case(b"deflate") {
            Some(Self::Deflate)
        } else {
            None
        }
    }
}

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new(coding: Coding) -> Self {
        let state = match coding {
            Coding::Gzip => State::GzipHeader { header: Header::default(), is_first: true },
            Coding::Deflate => State::DeflateStart { first: None },
        };
        Self { state, inflater: None, tail: 0 }
    }

    /// Decodes a chunk and passes the decoded bytes to `out`. After an error nothing more is decoded.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), Unread> {
        let last = bytes.get(bytes.len().saturating_sub(4)..).unwrap_or_default();
        self.tail = last.iter().fold(self.tail, |tail, &byte| tail << 8 | u32::from(byte));
        let mut rest = bytes;
        let mut result = Ok(());
        while !rest.is_empty() && !self.is_done() {
            match self.step(rest, out) {
                Ok(left) => rest = left,
                Err(unread) => {
                    self.state = State::Unread;
                    result = Err(unread);
                }
            }
        }
        if self.is_done() {
            self.inflater = None;
        }
        result
    }

    /// Further bytes are ignored.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::End | State::Unread)
    }

    /// Content that ends here is truncated. Content that ends directly after a flush is complete, and so is content
    /// without any byte.
    pub(crate) fn is_cut(&self) -> bool {
        match &self.state {
            State::GzipTrailer { .. } | State::End | State::Unread => false,
            State::GzipHeader { header, .. } => header.has_begun(),
            State::DeflateStart { first } => first.is_some(),
            State::Blocks { .. } => self.tail != FLUSH_MARK,
        }
    }

    /// Reads at least one of `bytes`. Returns the remaining ones.
    fn step<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(&[u8])) -> Result<&'a [u8], Unread> {
        let Some((&byte, tail)) = bytes.split_first() else { return Ok(bytes) };
        match &mut self.state {
            State::GzipHeader { header, is_first } => match header.push(byte) {
                Step::More => {}
                Step::Complete => self.begin_blocks(true),
                Step::Invalid if !*is_first && !header.is_sure() => self.state = State::End,
                Step::Invalid => return Err(Unread::Broken),
            },
            State::GzipTrailer { left: 1 } => {
                self.state = State::GzipHeader { header: Header::default(), is_first: false };
            }
            State::GzipTrailer { left } => *left -= 1,
            State::DeflateStart { first: None } => self.state = State::DeflateStart { first: Some(byte) },
            State::DeflateStart { first: Some(first) } => {
                let first = *first;
                self.begin_blocks(false);
                if !is_zlib(first, byte) {
                    self.blocks(&[first], out)?;
                    return self.blocks(bytes, out);
                }
            }
            State::Blocks { .. } => return self.blocks(bytes, out),
            State::End | State::Unread => return Ok(&[]),
        }
        Ok(tail)
    }

    fn begin_blocks(&mut self, is_gzip: bool) {
        self.state = State::Blocks { is_gzip };
        self.inflater.get_or_insert_default().core.init();
    }

    fn blocks<'a>(&mut self, bytes: &'a [u8], out: &mut dyn FnMut(&[u8])) -> Result<&'a [u8], Unread> {
        let Some(inflater) = &mut self.inflater else { return Ok(&[]) };
        match inflater.inflate(bytes, out) {
            Blocks::Partial => Ok(&[]),
            Blocks::Ended(used) => {
                let is_gzip = matches!(self.state, State::Blocks { is_gzip: true });
                self.state = if is_gzip { State::GzipTrailer { left: GZIP_TRAILER_BYTES } } else { State::End };
                Ok(bytes.get(used..).unwrap_or_default())
            }
            Blocks::Unread(unread) => Err(unread),
        }
    }
}

// === impl Inflater ===

impl Default for Inflater {
    fn default() -> Self {
        Self { core: DecompressorOxide::new(), window: vec![0; FIRST_WINDOW], position: 0, taken: 0, given: 0 }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Inflater {
    fn inflate(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> Blocks {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, taken, given) = decompress(&mut self.core, rest, &mut self.window, self.position, flags);
            used += taken;
            self.taken += taken as u64;
            self.given += given as u64;
            let end = self.position + given;
            if let Some(decoded) = self.window.get(self.position..end).filter(|decoded| !decoded.is_empty()) {
                out(decoded);
            }
            self.position = end;
            if self.position == self.window.len() {
                // Checked only when the window is full, so that the result does not depend on the size of chunks.
                if self.given > FREE_BYTES + self.taken * MAX_RATIO {
                    return Blocks::Unread(Unread::Bomb);
                }
                self.make_room();
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Blocks::Partial,
                TINFLStatus::Done => return Blocks::Ended(used),
                _ => return Blocks::Unread(Unread::Broken),
            }
        }
    }

    /// The window is full: it grows to DEFLATE's size at once, because each step of growth needs memory for two windows. From then
    /// on the oldest bytes are overwritten.
    fn make_room(&mut self) {
        if self.window.len() < WINDOW {
            self.window.resize(WINDOW, 0);
        } else {
            self.position = 0;
        }
    }
}

/// Whether `deflate` content begins with zlib's header (RFC 1950). Raw DEFLATE does not begin with these bytes: they would be
/// a stored block with non-zero padding.
fn is_zlib(first: u8, second: u8) -> bool {
    let has_dictionary = second & 0x20 != 0;
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31) && !has_dictionary
}

#[cfg(test)]
mod tests;
