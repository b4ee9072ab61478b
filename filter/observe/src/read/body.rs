//! The body of one HTTP message: JSON documents, or an event stream of them; the result is a sequence of [`Part`]s.
//!
//! **Cost:** about 1 KiB while a body is read, plus the messages of one event that is not dispatched yet, at most
//! [`event::MAX_EVENT_BYTES`]. A compressed body adds its decoder (`inflate`), and keeps less of an event: [`MAX_INFLATED_EVENT_BYTES`].

mod event;
pub(crate) mod pool;

use crate::digest::DigestKey;
use crate::label::SkipReason;
use crate::read::inflate::{Coding, Decoder};
use crate::read::json::{Broken, Ending, Progress, Scanner};
use crate::read::message::Message;
use crate::read::reader::{MessageVisitor, Messages, Reader};
use crate::read::sse::{EventName, Events, Framer};
use crate::text::Text;
use event::{Event, MAX_ENDPOINT_BYTES, MAX_INFLATED_EVENT_BYTES};

/// Bytes kept of the items of one list result in a compressed body.
const MAX_INFLATED_PUBLISHED_BYTES: usize = 4 * 1024;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`: one document, or several in a row.
    Json,
    /// `text/event-stream`.
    Sse,
}

/// A part of a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// A JSON object; [`Message::kind`] is its kind in JSON-RPC. A receiver that keeps the message takes it with `std::mem::take`.
    Message(&'a mut Message),
    /// A part that was not read.
    Skipped(SkipReason),
    /// An event with data was dispatched; its parts follow.
    Event {
        /// Digest of the event's id, if it has one.
        id: Option<u64>,
    },
    /// The `endpoint` event of HTTP+SSE; its data, of which [`MAX_ENDPOINT_BYTES`] are kept.
    Endpoint(&'a Text),
}

/// Reads one body.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    decoder: Option<Box<Decoder>>,
    documents: Documents,
    stream: Option<Box<Stream>>,
}

/// Reads documents one after the other.
#[derive(Clone, Debug, Default)]
struct Documents {
    scanner: Scanner,
    reader: Reader,
    broken: bool,
}

/// What an event stream needs beside its documents.
#[derive(Clone, Debug, Default)]
struct Stream {
    framer: Framer,
    event: Event,
}

/// Passes messages on as parts.
struct MessageParts<'a>(&'a mut dyn FnMut(Part<'_>));

/// Reads the events of a stream: their data as documents, their ids and the `endpoint` event.
struct EventReader<'a> {
    documents: &'a mut Documents,
    event: &'a mut Event,
    out: &'a mut dyn FnMut(Part<'_>),
}

// === impl Body ===

impl Body {
    /// Boxed at once, because it is large and a move would copy it.
    fn new(format: Format) -> Box<Self> {
        let mut body = Box::new(Self { decoder: None, documents: Documents::default(), stream: None });
        body.set_format(format);
        body
    }

    /// Sets the format of a new or cleared body.
    fn set_format(&mut self, format: Format) {
        self.stream = (format == Format::Sse).then(Box::default);
    }

    /// Makes this a body that has read nothing, and frees the memory that depends on what was read, but one buffer.
    fn clear(&mut self) {
        let Self { decoder, documents, stream } = self;
        (*decoder, *stream) = (None, None);
        documents.restart();
        documents.reader.clear();
    }

    /// Keeps the items of list results, with digests under this key; `None` keeps no items.
    pub(crate) fn set_lists(&mut self, key: Option<DigestKey>) {
        self.documents.reader.list_key = key;
    }

    /// Sets whether the members are kept that only access logs and spans show.
    pub(crate) fn set_attributes(&mut self, wanted: bool) {
        self.documents.reader.wants_attributes = wanted;
    }

    /// Reads `endpoint` events: the stream may be one of HTTP+SSE.
    pub(crate) fn set_endpoint(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.event.endpoint = Some(Text::start_of(Vec::new(), MAX_ENDPOINT_BYTES));
        }
    }

    /// The body is compressed. Call this before the first chunk.
    pub(crate) fn set_coding(&mut self, coding: Coding) {
        self.decoder = Some(Box::new(Decoder::new(coding)));
        self.documents.reader.max_published_bytes = MAX_INFLATED_PUBLISHED_BYTES;
        if let Some(stream) = &mut self.stream {
            stream.event.max_bytes = MAX_INFLATED_EVENT_BYTES;
        }
    }

    /// Reads a chunk and passes its parts to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        let Self { decoder, documents, stream } = self;
        let Some(decoder) = decoder else { return read(documents, stream, bytes, out) };
        let result = decoder.push(bytes, &mut |decoded| read(documents, stream, decoded, out));
        // If the text was broken before, the reason was reported then.
        if result.is_err() && !self.has_broken_text() {
            self.restart();
            out(Part::Skipped(SkipReason::ContentEncoding));
        }
    }

    /// The body ended. An event without its blank line is dropped, as a client drops it.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        if !self.is_done() && self.decoder.as_ref().is_some_and(|decoder| decoder.is_cut()) {
            self.restart();
            return out(Part::Skipped(SkipReason::Truncated));
        }
        match &mut self.stream {
            Some(stream) => stream.event.restart(),
            None => self.documents.finish(out),
        }
    }

    /// Drops what is not complete.
    fn restart(&mut self) {
        self.documents.restart();
        if let Some(stream) = &mut self.stream {
            stream.event.restart();
        }
    }

    /// No further part can follow: the content ended or is broken, or the JSON is broken and the body is no event stream (in
    /// a stream, the next event begins a new document).
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.as_ref().is_some_and(|decoder| decoder.is_done()) || self.has_broken_text()
    }

    fn has_broken_text(&self) -> bool {
        self.stream.is_none() && self.documents.broken
    }

    /// The stream has an event id, so the client may resume it with another exchange.
    pub(crate) fn has_event_ids(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.event.has_ids)
    }
}

/// Reads decoded text.
fn read(documents: &mut Documents, stream: &mut Option<Box<Stream>>, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
    match stream.as_deref_mut() {
        Some(Stream { framer, event }) => framer.push(bytes, &mut EventReader { documents, event, out }),
        None => documents.scan(bytes, out),
    }
}

// === impl Documents ===

impl Documents {
    fn scan(&mut self, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.broken {
            let mut visitor = MessageVisitor { reader: &mut self.reader, messages: &mut MessageParts(out) };
            match self.scanner.scan(rest, &mut visitor) {
                Progress::Partial => return,
                Progress::Complete(used) => rest = rest.get(used..).unwrap_or_default(),
                Progress::Broken(broken) => {
                    self.broken = true;
                    out(Part::Skipped(match broken {
                        Broken::Invalid => SkipReason::InvalidJson,
                        Broken::TooDeep => SkipReason::TooDeep,
                    }));
                }
            }
        }
    }

    fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        let mut visitor = MessageVisitor { reader: &mut self.reader, messages: &mut MessageParts(out) };
        if self.scanner.finish(&mut visitor) == Ending::Truncated {
            out(Part::Skipped(SkipReason::Truncated));
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.scanner.reset();
        self.reader.reset();
        self.broken = false;
    }
}

impl Messages for MessageParts<'_> {
    fn message(&mut self, message: &mut Message) {
        (self.0)(Part::Message(message));
    }

    fn no_message(&mut self) {
        (self.0)(Part::Skipped(SkipReason::NotJsonRpc));
    }
}

// === impl EventReader ===

impl Events for EventReader<'_> {
    fn data(&mut self, bytes: &[u8]) {
        if let Some(endpoint) = &mut self.event.endpoint {
            endpoint.push(bytes);
        }
        self.documents.scan(bytes, &mut |part| self.event.push(part));
    }

    fn dispatch(&mut self, name: EventName, data: bool) {
        match name {
            EventName::Message => {
                if data {
                    (self.out)(Part::Event { id: self.event.id.as_ref().map(Text::digest) });
                }
                self.documents.finish(&mut |part| self.event.push(part));
                self.event.emit(self.out);
            }
            EventName::Endpoint => {
                if let Some(endpoint) = &self.event.endpoint {
                    (self.out)(Part::Endpoint(endpoint));
                }
            }
            EventName::Other => {}
        }
        self.event.restart();
        self.documents.restart();
    }

    fn begin_id(&mut self) {
        self.event.id = None;
    }

    fn id(&mut self, bytes: &[u8]) {
        self.event.has_ids = true;
        self.event.id.get_or_insert_default().push(bytes);
    }
}

#[cfg(test)]
mod tests;
