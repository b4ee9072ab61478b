//! Decodes `text/event-stream` (WHATWG HTML, "Server-sent events") from chunks that are cut anywhere. It does no I/O.
//!
//! CR, LF and CRLF end a line in any mix, a byte order mark may come first, comments are skipped. As the standard has it, an
//! event without its blank line is not dispatched, and an event without data only moves the last event id.
//!
//! **What it does not do:** wait and connect again, which `retry` and the last event id are for. Cost: one pass, and one copy of
//! the data. An event holds at most `limit` bytes.

use bytes::{Buf, Bytes};
use memchr::memchr2;
use std::time::Duration;

/// One event with data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The event's name is `message`, or it has none.
    pub(super) is_message: bool,
    /// The data, its lines joined by LF.
    pub(super) data: Bytes,
}

/// An event has more bytes than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The decoder of one stream.
#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    line: Vec<u8>,
    /// The first line may begin with a byte order mark.
    is_first_line: bool,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    data: Option<Vec<u8>>,
    name: Vec<u8>,
    id: Option<Vec<u8>>,
    last_id: Option<Vec<u8>>,
    retry: Option<Duration>,
}

// === impl Decoder ===

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            is_first_line: true,
            after_cr: false,
            data: None,
            name: Vec::new(),
            id: None,
            last_id: None,
            retry: None,
        }
    }

    /// Reads from `chunk` until an event is complete or the chunk is empty.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Event>, TooLong> {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
                chunk.advance(1);
                continue;
            }
            let end = memchr2(b'\r', b'\n', chunk);
            let part = chunk.split_to(end.unwrap_or(chunk.len()));
            if self.line.len() + part.len() + self.data.as_ref().map_or(0, Vec::len) > self.limit {
                return Err(TooLong);
            }
            self.line.extend_from_slice(&part);
            if end.is_some() {
                self.after_cr = chunk.first() == Some(&b'\r');
                chunk.advance(1);
                if let Some(event) = self.end_line() {
                    return Ok(Some(event));
                }
            }
        }
        Ok(None)
    }

    /// The id to resume after: that of the last event whose blank line came.
    pub(super) fn last_id(&self) -> Option<&[u8]> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How long the server asked to wait before the stream is opened again.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let mut rest = line.as_slice();
        if std::mem::take(&mut self.is_first_line) {
            rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
        }
        if rest.is_empty() {
            return self.dispatch();
        }
        let colon = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        let (field, value) = rest.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        self.field(field, value.strip_prefix(b" ").unwrap_or(value));
        None
    }

    fn field(&mut self, field: &[u8], value: &[u8]) {
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            },
            b"event" => self.name = value.to_vec(),
            b"id" if !value.contains(&0) => self.id = Some(value.to_vec()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                self.retry = milliseconds.map(Duration::from_millis);
            }
            // Comments have an empty name. The standard ignores unknown fields.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let data = self.data.take().filter(|data| !data.is_empty())?;
        Some(Event { is_message: name.is_empty() || name == b"message", data: data.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Event, TooLong};
    use bytes::Bytes;
    use std::time::Duration;

    /// All events of a stream that comes in chunks of `size` bytes.
    fn events(decoder: &mut Decoder, text: &[u8], size: usize) -> Vec<(bool, String)> {
        let mut found = Vec::new();
        for chunk in text.chunks(size) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(Event { is_message, data }) = decoder.next(&mut chunk).unwrap() {
                found.push((is_message, String::from_utf8(data.to_vec()).unwrap()));
            }
            assert!(chunk.is_empty());
        }
        found
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let text = "\u{feff}: ping\r\n\r\ndata: {\"é\":1}\r\n\r\nevent: message\rid: 7\rdata:a\rdata:  b\r\rdata\ndata:\n\n\
                    event: endpoint\ndata: /message\n\nid: 8\ndata: \n\nunknown: x\ndata: last\r\n\r\ndata: not complete\n";
        for size in 1..text.len() {
            let mut decoder = Decoder::new(100);
            let found = events(&mut decoder, text.as_bytes(), size);
            let expected = [(true, "{\"é\":1}"), (true, "a\n b"), (true, "\n"), (false, "/message"), (true, "last")];
            assert_eq!(found, expected.map(|(is_message, data)| (is_message, data.to_owned())), "{size}");
            assert_eq!(decoder.last_id(), Some(b"8".as_slice()));
        }
    }

    #[test]
    fn id_counts_once_its_event_is_complete() {
        let mut decoder = Decoder::new(100);
        events(&mut decoder, b"id: 1\ndata: x\n\nid: 2\ndata: y\n", 100);
        assert_eq!(decoder.last_id(), Some(b"1".as_slice()));
        events(&mut decoder, b"\n", 1);
        assert_eq!(decoder.last_id(), Some(b"2".as_slice()));
        events(&mut decoder, b"data: an event without id keeps it\n\n", 100);
        assert_eq!(decoder.last_id(), Some(b"2".as_slice()));
        events(&mut decoder, b"id: 3\0\ndata: z\n\n", 100);
        assert_eq!(decoder.last_id(), Some(b"2".as_slice()));
        events(&mut decoder, b"id\ndata: an empty id takes it away\n\n", 100);
        assert_eq!(decoder.last_id(), None);
    }

    #[test]
    fn retry_is_digits_only() {
        let mut decoder = Decoder::new(100);
        events(&mut decoder, b"retry: 250\n\n", 100);
        assert_eq!(decoder.retry(), Some(Duration::from_millis(250)));
        for text in ["retry: -1\n", "retry: 1.5\n", "retry:\n", "retry: 1 s\n"] {
            events(&mut decoder, text.as_bytes(), 100);
            assert_eq!(decoder.retry(), Some(Duration::from_millis(250)), "{text}");
        }
    }

    #[test]
    fn event_over_the_limit_is_refused() {
        let mut decoder = Decoder::new(20);
        assert_eq!(events(&mut decoder, b"data: 0123456789\n\n", 3).len(), 1);
        assert_eq!(decoder.next(&mut Bytes::from_static(b"data: 0123456789abcdef\n\n")), Err(TooLong));
        let mut decoder = Decoder::new(20);
        assert_eq!(decoder.next(&mut Bytes::from_static(b"data: 0123456789\ndata: 012345\n\n")), Err(TooLong));
    }
}
