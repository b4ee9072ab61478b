//! Bytes to lines, with a bound.
//!
//! Cost: each byte is searched once, and copied once out of the buffer of reads. A line has an allocation of its own, so that
//! a short line that is kept does not keep the bytes of others. A long line grows by doubling.

use bytes::Bytes;
use memchr::memchr;
use std::io;
use std::ops::Range;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of one read: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Reads lines of at most `limit` bytes, without their line breaks (LF or CRLF).
pub(super) struct Lines {
    chunk: Box<[u8]>,
    unread: Range<usize>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    limit: usize,
}

/// What the bytes that were read contain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Line(Bytes),
    /// No whole line is left.
    More,
    /// The line is longer than the limit.
    TooLong,
}

// === impl Lines ===

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { chunk: vec![0; CHUNK].into(), unread: 0..0, partial: Vec::new(), limit }
    }

    /// The next line of what was read.
    pub(super) fn next(&mut self) -> Next {
        let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let end = memchr(b'\n', unread);
        let part = unread.get(..end.unwrap_or(unread.len())).unwrap_or_default();
        self.unread.start += end.map_or(part.len(), |end| end + 1);
        if end.is_some() && self.partial.is_empty() {
            let line = part.strip_suffix(b"\r").unwrap_or(part);
            return if line.len() > self.limit { Next::TooLong } else { Next::Line(Bytes::copy_from_slice(line)) };
        }
        self.partial.extend_from_slice(part);
        if end.is_some() {
            return Next::Line(self.rest()).within(self.limit);
        }
        // The last byte may be the CR of the line break.
        if self.partial.len() > self.limit.saturating_add(1) { Next::TooLong } else { Next::More }
    }

    /// Reads. Returns the number of bytes, 0 at the end. To be called when [`Self::next`] has returned [`Next::More`]. If the
    /// future is dropped, nothing is lost.
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let length = from.read(&mut self.chunk).await?;
        self.unread = 0..length;
        Ok(length)
    }

    /// The line that has begun, as far as it came.
    pub(super) fn rest(&mut self) -> Bytes {
        let mut line = std::mem::take(&mut self.partial);
        line.pop_if(|last| *last == b'\r');
        line.shrink_to_fit();
        line.into()
    }
}

// === impl Next ===

impl Next {
    fn within(self, limit: usize) -> Self {
        match self {
            Self::Line(line) if line.len() > limit => Self::TooLong,
            next => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Lines, Next};
    use bytes::Bytes;

    /// The lines of a text that comes in parts of `size` bytes, and what is left at its end.
    async fn lines(text: &[u8], size: usize, limit: usize) -> (Vec<Bytes>, Result<Bytes, ()>) {
        let mut lines = Lines::new(limit);
        let mut found = vec![];
        for part in text.chunks(size) {
            assert_eq!(lines.read(&mut &*part).await.unwrap(), part.len());
            loop {
                match lines.next() {
                    Next::Line(line) => found.push(line),
                    Next::More => break,
                    Next::TooLong => return (found, Err(())),
                }
            }
        }
        (found, Ok(lines.rest()))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn lines_are_the_same_wherever_reads_end() {
        for size in 1..20 {
            let (found, rest) = run(lines(b"one\ntwo\r\n\n\r\nthr\ree\nfour", size, 100));
            assert_eq!(found, ["one", "two", "", "", "thr\ree"], "{size}");
            assert_eq!(rest, Ok(Bytes::from("four")));
        }
    }

    #[test]
    fn line_of_the_limit_is_read_and_a_longer_one_is_refused() {
        for size in [1, 2, 3, 100] {
            for good in [&b"12345\n"[..], b"12345\r\n", b"x\n12345\r\n", b"12345"] {
                assert!(run(lines(good, size, 5)).1.is_ok(), "{good:?} {size}");
            }
            for long in [&b"123456\n"[..], b"123456\r\n", b"x\n123456\r\n", b"1234567"] {
                assert!(run(lines(long, size, 5)).1.is_err(), "{long:?} {size}");
            }
        }
    }

    #[test]
    fn long_line_is_read_in_parts() {
        let mut text = vec![b'x'; 10_000_000];
        text.push(b'\n');
        let (found, rest) = run(lines(&text, CHUNK, 10_000_000));
        assert_eq!(found.iter().map(Bytes::len).collect::<Vec<_>>(), [10_000_000]);
        assert_eq!(rest, Ok(Bytes::new()));
    }
}
