//! The text of one event of a `text/event-stream`, and its id.

use bytes::{BufMut as _, Bytes, BytesMut};
use std::fmt;

/// A response stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StreamId {
    /// The response to a POST. It is over when its requests are answered.
    Post(u64),
    /// The response to a GET.
    Get(u64),
}

// === impl StreamId ===

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post(number) => write!(formatter, "p{number}"),
            Self::Get(number) => write!(formatter, "g{number}"),
        }
    }
}

/// Reads an event id that [`text`] wrote.
pub(super) fn parse_id(text: &str) -> Option<(StreamId, u64)> {
    let (stream, sequence) = text.split_once('-')?;
    let kind = stream.get(..1)?;
    let number = stream.get(1..)?.parse().ok()?;
    let stream = match kind {
        "p" => StreamId::Post(number),
        "g" => StreamId::Get(number),
        _ => return None,
    };
    Some((stream, sequence.parse().ok()?))
}

/// An event with an id. The data is one line.
pub(super) fn text(stream: StreamId, sequence: u64, data: &[u8]) -> Bytes {
    event(&format!("id: {stream}-{sequence}\n"), data)
}

/// An event without an id.
pub(super) fn text_without_id(data: &[u8]) -> Bytes {
    event("", data)
}

/// The first event of HTTP+SSE. It says where the client posts to.
pub(super) fn endpoint(uri: &str) -> Bytes {
    format!("event: endpoint\ndata: {uri}\n\n").into()
}

fn event(id: &str, data: &[u8]) -> Bytes {
    let name = if data.is_empty() { "" } else { "event: message\n" };
    let mut text = BytesMut::with_capacity(name.len() + id.len() + data.len() + 8);
    text.put_slice(name.as_bytes());
    text.put_slice(id.as_bytes());
    text.put_slice(b"data: ");
    text.put_slice(data);
    text.put_slice(b"\n\n");
    text.freeze()
}

#[cfg(test)]
mod tests {
    use super::{StreamId, parse_id, text, text_without_id};

    #[test]
    fn event_has_name_id_and_data() {
        assert_eq!(text(StreamId::Post(3), 17, b"{}"), "event: message\nid: p3-17\ndata: {}\n\n");
        assert_eq!(text(StreamId::Get(1), 2, b""), "id: g1-2\ndata: \n\n");
        assert_eq!(text_without_id(b"{}"), "event: message\ndata: {}\n\n");
    }

    #[test]
    fn id_is_read_as_written() {
        assert_eq!(parse_id("p3-17"), Some((StreamId::Post(3), 17)));
        assert_eq!(parse_id("g1-2"), Some((StreamId::Get(1), 2)));
        for other in ["", "p", "p3", "-", "p-1", "x1-1", "é1-1", "p1-x", "p1-1-1"] {
            assert_eq!(parse_id(other), None, "{other}");
        }
    }
}
