//! Where the messages of one session go, without I/O: calls of the client, streams to it, and what waits.
//!
//! - An answer goes to the stream of its request, progress to the stream of the request with its token.
//! - Requests and other notifications of the program go to the newest open GET stream, else to the newest stream of an open
//!   call, else they wait for the next stream. A cancel notification follows the request that it cancels.
//! - Events have the id `STREAM-SEQUENCE`. What was sent is kept for a while, so that a client whose stream broke gets the
//!   rest with `Last-Event-ID`.
//!
//! Specification: MCP 2025-03-26 to 2025-11-25, basic/transports. **What this does not do:** decide that a session is over.
//! Bounds: [`ASKED`], and those of `calls.rs`, `streams.rs` and `kept.rs`.

mod calls;
mod kept;
mod streams;

use crate::bridge::event::{self, StreamId};
use crate::bridge::reply::{code, error_text};
use crate::message::{Id, Kind, Message, Place};
use bytes::Bytes;
use calls::Calls;
pub(super) use calls::{CALLS, Cancelled, ID_BYTES, NotOpened, Opened};
use kept::Waiting;
use std::collections::HashMap;
use std::task::{Context, Poll};
pub(super) use streams::Reader;
use streams::Streams;

/// Requests of the program whose stream is remembered.
const ASKED: usize = 1024;

/// The state of one session's streams.
#[derive(Debug, Default)]
pub(super) struct Router {
    calls: Calls,
    streams: Streams,
    /// Streams that are open for what the program sends unasked, in the order in which they were opened.
    gets: Vec<StreamId>,
    /// The requests of the program that the client has not answered.
    asked: HashMap<Id, StreamId>,
    waiting: Waiting,
}

/// What became of a message of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// It goes to a stream.
    Stream(StreamId),
    /// It waits for a stream.
    Waits,
    /// It answers no open request.
    Unknown,
}

// === impl Router ===

impl Router {
    /// The router of a session of HTTP+SSE, and its only stream.
    pub(super) fn plain() -> (Self, Reader) {
        let mut router = Self::default();
        router.streams.is_plain = true;
        let reader = router.get(None);
        (router, reader)
    }

    /// Clients of 2025-11-25 know events without data.
    pub(super) fn set_version(&mut self, version: &str) {
        self.streams.primes = version >= "2025-11-25" && !self.streams.is_plain;
    }

    /// The client sent messages: their requests are open from now on, and are answered on a new stream.
    pub(super) fn post(&mut self, messages: &[Message]) -> Result<(Reader, Vec<Opened>), NotOpened> {
        let stream = StreamId::Post(self.streams.next_number());
        let opened = self.call(messages, stream)?;
        let reader = self.streams.open(stream);
        self.send_what_waits(stream);
        Ok((reader, opened))
    }

    /// The client sent messages whose answers belong on `stream`. All their requests are opened, or none.
    pub(super) fn call(&mut self, messages: &[Message], stream: StreamId) -> Result<Vec<Opened>, NotOpened> {
        let mut opened = Vec::new();
        for message in messages {
            let Kind::Request(_, id) = message.kind() else { continue };
            let number = self.streams.next_number();
            match self.calls.open(message, id, stream, number) {
                Ok(call) => {
                    self.streams.add_call(stream);
                    opened.push(call);
                }
                Err(not_opened) => {
                    for call in &opened {
                        self.close_call(&call.id);
                    }
                    self.streams.end_if_answered(stream);
                    return Err(not_opened);
                }
            }
        }
        Ok(opened)
    }

    /// The client opens a stream for what the program sends unasked, or takes up the stream of an event that it got.
    pub(super) fn get(&mut self, last_event: Option<&str>) -> Reader {
        let reader = match last_event.and_then(event::parse_id) {
            Some((stream, sequence)) => self.streams.reopen(stream, sequence),
            None => {
                let stream = StreamId::Get(self.streams.next_number());
                self.streams.open(stream)
            }
        };
        if let stream @ StreamId::Get(_) = reader.stream {
            self.gets.retain(|open| *open != stream);
            self.gets.push(stream);
            self.send_what_waits(stream);
        }
        reader
    }

    /// Ready when a message waits for a reader, or none will come.
    pub(super) fn poll_first(&mut self, reader: Reader, context: &mut Context<'_>) -> Poll<()> {
        self.streams.poll_first(reader, context)
    }

    /// The answer, if it is the only message of a stream that is over. The stream is gone then.
    pub(super) fn take_answer(&mut self, reader: Reader) -> Option<Bytes> {
        self.streams.take_answer(reader)
    }

    /// The next event for a reader, as text. `None`: the stream is over, or has another reader.
    pub(super) fn poll_next(&mut self, reader: Reader, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.streams.poll_next(reader, context)
    }

    /// A reader is gone. What it did not take can be taken up later.
    pub(super) fn leave(&mut self, reader: Reader) {
        if self.streams.leave(reader) {
            self.gets.retain(|open| *open != reader.stream);
        }
    }

    /// Whether any client reads.
    pub(super) fn has_readers(&self) -> bool {
        self.streams.have_readers()
    }

    /// Ready when each stream has room for a message.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.streams.poll_room(context)
    }

    /// The program sent a message.
    pub(super) fn route(&mut self, message: &Message) -> Routed {
        let stream = match message.kind() {
            Kind::Result(id) | Kind::Error(Some(id)) => return self.answer(id, message.text()),
            Kind::Notification(method) if method == "notifications/progress" => {
                message.value(Place::ProgressToken).and_then(|token| self.calls.stream_of(&token))
            }
            Kind::Notification(method) if method == "notifications/cancelled" => {
                message.value(Place::CancelledRequest).and_then(|id| self.asked.remove(&id))
            }
            Kind::Request(..) | Kind::Notification(_) | Kind::Error(None) => None,
        };
        let stream = stream.filter(|stream| self.streams.contains(*stream));
        let Some(stream) = stream.or_else(|| self.gets.last().copied()).or_else(|| self.streams.newest()) else {
            self.waiting.push(message.text());
            return Routed::Waits;
        };
        self.send(stream, message);
        Routed::Stream(stream)
    }

    /// Whether a message that waited was dropped since the last call.
    pub(super) fn has_dropped(&mut self) -> bool {
        self.waiting.has_dropped()
    }

    /// The client answered a request of the program.
    pub(super) fn answered(&mut self, message: &Message) {
        if let Kind::Result(id) | Kind::Error(Some(id)) = message.kind() {
            self.asked.remove(id);
        }
    }

    /// The client cancelled a call.
    pub(super) fn cancel(&mut self, id: &Id) -> Cancelled {
        self.calls.cancel(id)
    }

    /// A cancelled call that has not come will not come.
    pub(super) fn forget_early(&mut self, id: &Id) {
        self.calls.forget_early(id);
    }

    /// A call gets no answer, because it was cancelled or not sent: it is not open any more.
    pub(super) fn give_up(&mut self, id: &Id, number: u64) {
        if self.calls.is_open(id, number)
            && let Some(stream) = self.close_call(id)
        {
            self.streams.end_if_answered(stream);
        }
    }

    /// All calls are answered by an error, but for cancelled ones, and all streams are over.
    pub(super) fn end(&mut self, reason: &str) {
        for id in self.calls.awaited() {
            self.answer(&id, &error_text(id.text(), code::SERVER, reason).into());
        }
        self.streams.end();
        self.gets.clear();
    }

    fn answer(&mut self, id: &Id, message: &Bytes) -> Routed {
        let Some(stream) = self.close_call(id) else { return Routed::Unknown };
        self.streams.answer(stream, message);
        Routed::Stream(stream)
    }

    fn close_call(&mut self, id: &Id) -> Option<StreamId> {
        let stream = self.calls.close(id)?;
        self.streams.remove_call(stream);
        Some(stream)
    }

    fn send_what_waits(&mut self, stream: StreamId) {
        for text in self.waiting.take() {
            // It was a message when it came.
            if let Ok(message) = Message::read(&text) {
                self.send(stream, &message);
            }
        }
    }

    fn send(&mut self, stream: StreamId, message: &Message) {
        if let Kind::Request(_, id) = message.kind()
            && self.asked.len() < ASKED
            && id.text().len() <= ID_BYTES
        {
            self.asked.insert(id.clone(), stream);
        }
        self.streams.push(stream, message.text());
    }
}

#[cfg(test)]
mod tests;
