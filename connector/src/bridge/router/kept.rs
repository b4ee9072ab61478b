//! Messages that are kept within bounds: events that were sent, and what waits for a stream.
//!
//! Bounds: [`PAST_BYTES`], [`PAST_EVENTS`].

use crate::bridge::event::StreamId;
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes of events of a session that are kept after they were sent, and of messages that wait for a stream. One that was not
/// sent stays in any case until the next comes.
const PAST_BYTES: usize = 4 << 20;
/// Events of a session that are kept after they were sent, and messages that wait for a stream.
const PAST_EVENTS: usize = 1000;

/// An event, or a message that waits for a stream.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) stream: StreamId,
    pub(super) sequence: u64,
    pub(super) message: Bytes,
}

/// Messages that wait for a stream. The oldest are dropped.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    kept: Kept,
    dropped: bool,
}

// === impl Waiting ===

impl Waiting {
    pub(super) fn push(&mut self, message: &Bytes) {
        let before = self.kept.events.len();
        self.kept.push(Event { stream: StreamId::Get(0), sequence: 0, message: message.clone() });
        self.dropped |= self.kept.events.len() <= before;
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        std::mem::take(&mut self.kept).events.into_iter().map(|event| event.message)
    }

    /// Whether a message was dropped since the last call.
    pub(super) fn has_dropped(&mut self) -> bool {
        std::mem::take(&mut self.dropped)
    }
}

/// Events in the order in which they came. The oldest are dropped.
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<Event>,
    bytes: usize,
}

// === impl Kept ===

impl Kept {
    pub(super) fn push(&mut self, event: Event) {
        self.bytes += event.message.len();
        self.events.push_back(event);
        self.trim(1);
    }

    /// Takes away the events of a stream after one of them.
    pub(super) fn take_later(&mut self, stream: StreamId, sequence: u64) -> VecDeque<Event> {
        let is_later = |event: &Event| event.stream == stream && event.sequence > sequence;
        let (later, kept) = std::mem::take(&mut self.events).into_iter().partition(is_later);
        self.events = kept;
        self.bytes = self.events.iter().map(|event| event.message.len()).sum();
        later
    }

    /// Drops the oldest beyond the bounds, but for `least`.
    pub(super) fn trim(&mut self, least: usize) {
        while self.events.len() > least && (self.bytes > PAST_BYTES || self.events.len() > PAST_EVENTS) {
            self.bytes -= self.events.pop_front().map_or(0, |event| event.message.len());
        }
    }
}
