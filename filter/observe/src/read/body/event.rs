//! One event of a stream: its parts are kept until its end shows whether the event is a message.

use super::Part;
use crate::label::SkipReason;
use crate::read::message::Message;
use crate::text::Text;

/// Bytes kept of one event until it is dispatched.
pub(super) const MAX_EVENT_BYTES: usize = 21 * 1024;
/// Longest address in an `endpoint` event that is read.
pub(super) const MAX_ENDPOINT_BYTES: usize = 2048;
/// Bytes kept of one event in a compressed body, where the decoder takes the rest of the memory.
pub(super) const MAX_INFLATED_EVENT_BYTES: usize = 5 * 1024;

/// The current event. Only its end shows whether it is a message.
#[derive(Clone, Debug)]
pub(super) struct Event {
    parts: Vec<PendingPart>,
    /// Bytes of the parts that were kept and of those that were not.
    bytes: usize,
    pub(super) max_bytes: usize,
    /// At least one part was not kept.
    overflowed: bool,
    /// The `id` field.
    pub(super) id: Option<Text>,
    /// An earlier event of the stream, or this one, has an id.
    pub(super) has_ids: bool,
    /// The event's data, where an `endpoint` event is wanted.
    pub(super) endpoint: Option<Text>,
}

/// A part that is kept until the end of its event.
#[derive(Clone, Debug)]
enum PendingPart {
    Message(Box<Message>),
    Skipped(SkipReason),
}

// === impl Event ===

impl Default for Event {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            bytes: 0,
            max_bytes: MAX_EVENT_BYTES,
            overflowed: false,
            id: None,
            has_ids: false,
            endpoint: None,
        }
    }
}

impl Event {
    pub(super) fn push(&mut self, part: Part<'_>) {
        let (size, part) = match part {
            Part::Message(message) => (message.retained(), PendingPart::Message(Box::new(std::mem::take(message)))),
            Part::Skipped(reason) => (size_of::<PendingPart>(), PendingPart::Skipped(reason)),
            Part::Event { .. } | Part::Endpoint(_) => return,
        };
        self.bytes += size;
        if self.bytes <= self.max_bytes {
            self.parts.push(part);
        } else if !std::mem::replace(&mut self.overflowed, true) {
            self.parts.push(PendingPart::Skipped(SkipReason::TooLong));
        }
    }

    pub(super) fn emit(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        for part in self.parts.drain(..) {
            match part {
                PendingPart::Message(mut message) => out(Part::Message(&mut message)),
                PendingPart::Skipped(reason) => out(Part::Skipped(reason)),
            }
        }
    }

    pub(super) fn restart(&mut self) {
        self.parts.clear();
        self.bytes = 0;
        self.overflowed = false;
        self.id = None;
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.restart(MAX_ENDPOINT_BYTES);
        }
    }
}
