//! Frames `text/event-stream` (WHATWG HTML, "Server-sent events") from chunks that are cut anywhere.
//!
//! Data is passed on at once and never buffered, so an event may have any size. CR, LF and CRLF end a line in any mix,
//! fields come in any order, a byte order mark may come first, and comments are ignored. An event without its blank line is not
//! dispatched, as a client discards it.
//!
//! **What it does not do:** `retry`, reconnecting, ignoring an `id` with a NUL in it.
//!
//! **Cost:** one pass; under 64 bytes.

use memchr::memchr2;

/// Longest field or event name that is compared.
const NAME_BYTES: usize = 16;

/// The name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventName {
    /// `message`, or no name.
    Message,
    /// `endpoint`, the first event of HTTP+SSE.
    Endpoint,
    /// Any other name, which MCP does not define.
    Other,
}

/// Receives the parts of a stream.
pub(crate) trait Events {
    /// Part of the data of the event that is being read; lines are joined by `\n`.
    fn data(&mut self, bytes: &[u8]);
    /// The event ended with its blank line. `data` is whether it has a data field with a value.
    fn dispatch(&mut self, name: EventName, data: bool);
    /// An event id begins; it replaces an earlier id of the event.
    fn begin_id(&mut self);
    /// Part of the id, not empty.
    fn id(&mut self, bytes: &[u8]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first line, after this many bytes of a byte order mark.
    Start(u8),
    /// In a field's name.
    Field,
    /// After the colon: one space may follow.
    Space,
    Value,
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Data,
    Event,
    Id,
    Other,
}

/// A name of which only the beginning is kept.
#[derive(Clone, Debug, Default)]
struct Name {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

/// The framer.
#[derive(Clone, Debug)]
pub(crate) struct Framer {
    state: State,
    field: Field,
    name: Name,
    event: Name,
    /// Lines of data in this event.
    data_lines: u32,
    data: bool,
    /// The last byte was CR: an LF that follows belongs to it.
    carriage_return: bool,
    line_is_empty: bool,
}

// === impl Name ===

impl Name {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
            }
            self.length = self.length.saturating_add(1);
        }
    }

    /// The name; `?` if it is too long to be a known one.
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(b"?")
    }
}

// === impl Framer ===

impl Default for Framer {
    fn default() -> Self {
        Self {
            state: State::Start(0),
            field: Field::Other,
            name: Name::default(),
            event: Name::default(),
            data_lines: 0,
            data: false,
            carriage_return: false,
            line_is_empty: true,
        }
    }
}

impl Framer {
    /// Reads a chunk.
    pub(crate) fn push<E: Events>(&mut self, bytes: &[u8], events: &mut E) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if std::mem::take(&mut self.carriage_return) && byte == b'\n' {
                rest = tail;
                continue;
            }
            rest = match self.state {
                State::Start(seen) => self.byte_order_mark(seen, byte, rest, tail),
                State::Value | State::Comment => self.run(rest, events),
                State::Field | State::Space => {
                    self.structure(byte, events);
                    if self.state == State::Value && byte != b' ' { rest } else { tail }
                }
            };
        }
    }

    fn byte_order_mark<'a>(&mut self, seen: u8, byte: u8, rest: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
        let expected = match seen {
            0 => 0xef,
            1 => 0xbb,
            _ => 0xbf,
        };
        if byte == expected {
            self.state = if seen == 2 { State::Field } else { State::Start(seen + 1) };
            return tail;
        }
        // No byte order mark: a part of one is an unknown field name.
        self.state = State::Field;
        if seen > 0 {
            self.line_is_empty = false;
            self.name.push(b"?");
        }
        rest
    }

    /// A field's name, its colon and the space after it.
    fn structure<E: Events>(&mut self, byte: u8, events: &mut E) {
        match (self.state, byte) {
            (_, b'\r' | b'\n') => {
                if self.state == State::Field && !self.line_is_empty {
                    self.begin_value(events);
                }
                self.end_line(byte, events);
            }
            (State::Field, b':') if self.line_is_empty => {
                self.line_is_empty = false;
                self.state = State::Comment;
            }
            (State::Field, b':') => {
                self.begin_value(events);
                self.state = State::Space;
            }
            (State::Field, _) => {
                self.line_is_empty = false;
                self.name.push(&[byte]);
            }
            // The space is dropped; anything else is the value's first byte.
            _ => self.state = State::Value,
        }
    }

    fn begin_value<E: Events>(&mut self, events: &mut E) {
        self.field = match self.name.text() {
            b"data" => Field::Data,
            b"event" => Field::Event,
            b"id" => Field::Id,
            _ => Field::Other,
        };
        match self.field {
            Field::Data => {
                if self.data_lines > 0 {
                    events.data(b"\n");
                }
                self.data_lines = self.data_lines.saturating_add(1);
            }
            // The last event field of an event counts.
            Field::Event => self.event = Name::default(),
            Field::Id => events.begin_id(),
            Field::Other => {}
        }
    }

    /// The bytes of a value up to the end of its line.
    fn run<'a, E: Events>(&mut self, bytes: &'a [u8], events: &mut E) -> &'a [u8] {
        let length = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
        let (value, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if self.state == State::Value && !value.is_empty() {
            match self.field {
                Field::Data => {
                    self.data = true;
                    events.data(value);
                }
                Field::Event => self.event.push(value),
                Field::Id => events.id(value),
                Field::Other => {}
            }
        }
        let Some((&end, rest)) = rest.split_first() else { return &[] };
        self.end_line(end, events);
        rest
    }

    fn end_line<E: Events>(&mut self, byte: u8, events: &mut E) {
        self.carriage_return = byte == b'\r';
        self.state = State::Field;
        self.name = Name::default();
        if !std::mem::replace(&mut self.line_is_empty, true) {
            return;
        }
        let name = match self.event.text() {
            b"" | b"message" => EventName::Message,
            b"endpoint" => EventName::Endpoint,
            _ => EventName::Other,
        };
        if self.data_lines > 0 {
            events.dispatch(name, self.data);
        }
        self.event = Name::default();
        self.data_lines = 0;
        self.data = false;
    }
}

#[cfg(test)]
mod tests;
