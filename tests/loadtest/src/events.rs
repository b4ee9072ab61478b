//! Reads events from the chunks of an event stream. Lines end with LF or CRLF, as all MCP SDKs write them, not with CR alone.

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `event` field; empty means `message`.
    pub(crate) name: String,
    /// The `data` fields, joined by LF.
    pub(crate) data: Vec<u8>,
}

/// The reader of one stream, with the incomplete event.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    event: Event,
}

// === impl Events ===

impl Events {
    /// The events with data that end in these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut complete = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                complete.extend(self.end_line());
            }
        }
        complete
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let ended = line.is_empty();
        if let Some(value) = field(line, b"data") {
            if !self.event.data.is_empty() {
                self.event.data.push(b'\n');
            }
            self.event.data.extend_from_slice(value);
        } else if let Some(value) = field(line, b"event") {
            self.event.name = String::from_utf8_lossy(value).into_owned();
        }
        self.line.clear();
        if !ended {
            return None;
        }
        let event = std::mem::take(&mut self.event);
        (!event.data.is_empty()).then_some(event)
    }
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::{Event, Events};

    const STREAM: &[u8] = b"id: 1\nretry: 3000\ndata: \n\n: ping\r\n\r\nevent: message\r\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata: b\n\ndata: cut";

    #[test]
    fn any_chunking_gives_the_same_events() {
        let expected = [
            Event { name: "message".to_owned(), data: b"{\"a\":\n1}".to_vec() },
            Event { name: String::new(), data: b"b".to_vec() },
        ];
        for size in 1..=STREAM.len() {
            let mut events = Events::default();
            let found: Vec<_> = STREAM.chunks(size).flat_map(|piece| events.push(piece)).collect();
            assert_eq!(found, expected, "pieces of {size}");
        }
    }
}
