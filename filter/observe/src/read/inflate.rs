//! Inflates `gzip` and `deflate` content as it passes, for reading only.
//!
//! Chunks go in as they come, decoded slices come out at once: what a server flushed behind an event is handed on with
//! the chunk that brought it. `gzip` is RFC 1952 with all optional fields and any number of members; `deflate` is zlib's
//! wrapper or, as browsers take it too, none. What follows the end of the content is passed over.
//!
//! **What it does not do:** check checksums and lengths (the client does), preset dictionaries, other codings, several
//! codings on top of each other.
//!
//! **Cost:** the tables of `miniz_oxide` (under 12 KiB) and a window of 4 KiB, for longer content of DEFLATE's 32 KiB: under
//! 45 KiB in all, under 50 while the window changes, nothing before the first byte of content. Time goes with the bytes on the wire and
//! the bytes decoded. Of these at most [`MAX_RATIO`] come from each byte on the wire, beside the first
//! [`FREE_BYTES`] and one window; content that asks for more is given up as [`Unread::Bomb`].

mod gzip;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use self::gzip::{Header, Step};

/// Decoded bytes that each byte on the wire may stand for. JSON seldom passes 30; DEFLATE ends at 1032.
const MAX_RATIO: u64 = 128;
/// Decoded bytes that are free: a small answer may repeat itself as it likes.
const FREE_BYTES: u64 = 256 * 1024;
/// The window at first: most answers are no longer.
const FIRST_WINDOW: usize = 4 * 1024;
/// DEFLATE's longest distance.
const WINDOW: usize = 32 * 1024;
/// Bytes behind the last block of a gzip member: checksum and length.
const GZIP_TRAILER_BYTES: u8 = 8;
/// A flush ends with an empty stored block; these are its lengths.
const FLUSH_MARK: u32 = 0x0000_ffff;

/// A coding that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

/// Why the rest of some content is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Not what its coding promises.
    Broken,
    /// It grows out of proportion.
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
    /// In front of a gzip member; behind the first one, anything else may stand here.
    GzipHeader {
        header: Header,
        is_first: bool,
    },
    GzipTrailer {
        left: u8,
    },
    /// In front of `deflate` content, with the first of the two bytes that tell its form.
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

/// How far [`Inflater::inflate`] came.
enum Blocks {
    /// All input is used.
    Partial,
    /// The last block ended with so many bytes of the input.
    Ended(usize),
    Unread(Unread),
}

// === impl Coding ===

impl Coding {
    /// The coding that a `Content-Encoding` names, if it is one of these and the only one.
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

    /// Decodes a chunk and hands on what it held. After an error nothing more is decoded.
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

    /// Nothing that still comes will be decoded.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::End | State::Unread)
    }

    /// The content, if it ended here, was cut. Content that stops right behind a flush gave all it had, and so did content
    /// that never began.
    pub(crate) fn is_cut(&self) -> bool {
        match &self.state {
            State::GzipTrailer { .. } | State::End | State::Unread => false,
            State::GzipHeader { header, .. } => header.has_begun(),
            State::DeflateStart { first } => first.is_some(),
            State::Blocks { .. } => self.tail != FLUSH_MARK,
        }
    }

    /// Takes at least one of `bytes`; what is left of them.
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
                // Looked at here, and so seldom that the size of chunks makes no difference.
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

    /// The window is full: it grows to DEFLATE's size at once, as each step would hold two windows for a moment. From then
    /// on the oldest bytes are written over.
    fn make_room(&mut self) {
        if self.window.len() < WINDOW {
            self.window.resize(WINDOW, 0);
        } else {
            self.position = 0;
        }
    }
}

/// Whether `deflate` content begins with zlib's header (RFC 1950). Blocks without one never begin like this: it would be a
/// stored block with rubbish in its padding.
fn is_zlib(first: u8, second: u8) -> bool {
    let has_dictionary = second & 0x20 != 0;
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31) && !has_dictionary
}

#[cfg(test)]
mod tests;
