//! Lines of the client, bounded.
//!
//! CR before LF is dropped, blank lines are skipped, and a last line needs no LF. Memory: the line that is being read.

use bytes::Bytes;
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Reads lines.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    /// The line so far: [`Lines::next`] may be dropped before the line is complete.
    line: Vec<u8>,
}

// === impl Lines ===

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, reader), limit, line: Vec::new() }
    }

    /// The next line that is not blank; `None` at the end.
    ///
    /// # Errors
    ///
    /// The input cannot be read, or a line has more than `limit` bytes.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            // One more than the limit, for LF.
            let room = self.limit.saturating_add(1).saturating_sub(self.line.len());
            (&mut self.reader).take(room as u64).read_until(b'\n', &mut self.line).await?;
            let is_end = self.line.last() != Some(&b'\n');
            if is_end && self.line.len() > self.limit {
                let reason = format!("a line of more than {} bytes", self.limit);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            let mut line = std::mem::take(&mut self.line);
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line.into()));
            }
            if is_end {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    async fn lines(text: &str, limit: usize) -> (Vec<String>, Option<String>) {
        let mut lines = Lines::new(text.as_bytes(), limit);
        let mut found = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => found.push(String::from_utf8(line.to_vec()).unwrap()),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn lines_end_with_lf_or_crlf_or_the_input() {
        let (found, error) = lines("a\r\n\n  \nb c\nlast", 10).await;
        assert_eq!((found, error), (vec!["a".to_owned(), "b c".to_owned(), "last".to_owned()], None));
        assert_eq!(lines("", 10).await, (vec![], None));
    }

    #[tokio::test]
    async fn line_over_the_limit_is_an_error() {
        let (found, error) = lines("0123456789\n0123456789a\n", 10).await;
        assert_eq!(found, ["0123456789"]);
        assert_eq!(error.as_deref(), Some("a line of more than 10 bytes"));
    }
}
