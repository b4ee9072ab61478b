//! Where the messages of one session go, without I/O: calls of the client, streams to it, and what waits.
//!
//! - An answer goes to the stream of its request, progress to the stream of the request with its token.
//! - Requests and other notifications of the program go to the newest open GET stream, else to the newest stream of an open
//!   call, else they wait for the next stream. A cancel notification follows the request that it cancels.
//! - Events have the id `STREAM-SEQUENCE`. What was sent is kept for a while, so that a client whose stream broke gets the
//!   rest with `Last-Event-ID`.
//!
//! Specification: MCP 2025-03-26 to 2025-11-25, basic/transports. **What this does not do:** decide that a session is over.
//! Bounds: [`STREAM_BYTES`], [`PAST_BYTES`], [`PAST_EVENTS`], [`ASKED`].

use crate::bridge::event::{self, StreamId};
use crate::message::{Id, Kind, Message, Place};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// While more bytes than this wait for the client of one stream, the program is not read.
const STREAM_BYTES: usize = 1 << 20;
/// Bytes of events of a session that are kept after they were sent, and of messages that wait for a stream. The newest stays in
/// any case.
const PAST_BYTES: usize = 4 << 20;
/// Events of a session that are kept after they were sent, and messages that wait for a stream.
const PAST_EVENTS: usize = 1000;
/// Requests of the program whose stream is remembered.
const ASKED: usize = 1024;

/// The state of one session's streams.
#[derive(Debug, Default)]
pub(super) struct Router {
    calls: HashMap<Id, Call>,
    tokens: HashMap<Id, StreamId>,
    streams: BTreeMap<StreamId, Stream>,
    /// Streams that are open for requests of the program, in the order in which they were opened.
    gets: Vec<StreamId>,
    asked: HashMap<Id, StreamId>,
    waiting: Kept,
    past: Kept,
    /// The last number that a stream, an attachment, a call or an event got.
    number: u64,
    room: Option<Waker>,
    dropped: bool,
    /// Whether each stream begins with an event without data, whose id its client can take it up with.
    primes: bool,
    /// Whether events have no ids, and cannot be taken up: HTTP+SSE.
    is_plain: bool,
}

/// A request of the client without an answer.
#[derive(Debug)]
struct Call {
    number: u64,
    stream: StreamId,
    token: Option<Id>,
}

/// A response stream that has a client or open calls.
#[derive(Debug, Default)]
struct Stream {
    calls: usize,
    queue: VecDeque<Event>,
    bytes: usize,
    /// Who reads it. A later reader takes the place of an earlier one.
    reader: Option<u64>,
    waker: Option<Waker>,
    is_over: bool,
}

/// An event, or a message that waits for a stream.
#[derive(Clone, Debug)]
struct Event {
    stream: StreamId,
    sequence: u64,
    message: Bytes,
}

/// Events in the order in which they came. The oldest are dropped.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    bytes: usize,
}

/// One who reads a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) stream: StreamId,
    number: u64,
}

/// A request with the id of an open one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Duplicate(pub(super) Id);

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
        let mut router = Self { is_plain: true, ..Self::default() };
        let reader = router.get(None);
        (router, reader)
    }

    /// The client sent messages: their requests are open from now on, and are answered on a new stream.
    pub(super) fn post(&mut self, messages: &[Message]) -> Result<Reader, Duplicate> {
        let stream = StreamId::Post(self.next());
        self.call(messages, stream)?;
        let reader = self.read(stream);
        self.prime(reader);
        self.send_what_waits(stream);
        Ok(reader)
    }

    /// Clients of 2025-11-25 know events without data.
    pub(super) fn set_version(&mut self, version: &str) {
        self.primes = version >= "2025-11-25";
    }

    /// The client sent messages whose answers belong on `stream`.
    pub(super) fn call(&mut self, messages: &[Message], stream: StreamId) -> Result<(), Duplicate> {
        let mut opened = Vec::new();
        for message in messages {
            let Kind::Request(_, id) = message.kind() else { continue };
            if self.calls.contains_key(id) {
                for id in &opened {
                    self.close_call(id);
                }
                return Err(Duplicate(id.clone()));
            }
            let token = message.value(Place::RequestToken);
            if let Some(token) = &token {
                self.tokens.insert(token.clone(), stream);
            }
            let number = self.next();
            self.calls.insert(id.clone(), Call { number, stream, token });
            self.streams.entry(stream).or_default().calls += 1;
            opened.push(id.clone());
        }
        Ok(())
    }

    /// The client opens a stream for what the program sends unasked, or takes up the stream of an event that it got.
    pub(super) fn get(&mut self, last_event: Option<&str>) -> Reader {
        let Some((stream, sequence)) = last_event.and_then(event::parse_id) else {
            let stream = StreamId::Get(self.next());
            let reader = self.read(stream);
            self.prime(reader);
            self.listen(stream);
            return reader;
        };
        let later = self.past.events.iter().filter(|event| event.stream == stream && event.sequence > sequence);
        let later: VecDeque<_> = later.cloned().collect();
        let entry = self.streams.entry(stream).or_default();
        // What its earlier reader did not take was never among the past events, and comes after them.
        entry.bytes += later.iter().map(|event| event.message.len()).sum::<usize>();
        entry.queue = later.into_iter().chain(std::mem::take(&mut entry.queue)).collect();
        let reader = self.read(stream);
        if let StreamId::Get(_) = stream {
            self.listen(stream);
        }
        reader
    }

    fn listen(&mut self, stream: StreamId) {
        self.gets.retain(|open| *open != stream);
        self.gets.push(stream);
        self.send_what_waits(stream);
    }

    fn read(&mut self, stream: StreamId) -> Reader {
        let number = self.next();
        let entry = self.streams.entry(stream).or_default();
        entry.reader = Some(number);
        entry.is_over = matches!(stream, StreamId::Post(_)) && entry.calls == 0;
        wake(&mut entry.waker);
        Reader { stream, number }
    }

    fn prime(&mut self, reader: Reader) {
        if !self.primes {
            return;
        }
        let event = Event { stream: reader.stream, sequence: self.next(), message: Bytes::new() };
        if let Some(stream) = self.streams.get_mut(&reader.stream) {
            stream.queue.push_back(event);
        }
    }

    /// The next event for a reader, as text. `None`: the stream is over, or has another reader.
    pub(super) fn poll_next(&mut self, reader: Reader, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(stream) = self.streams.get_mut(&reader.stream).filter(|stream| stream.reader == Some(reader.number))
        else {
            return Poll::Ready(None);
        };
        let Some(event) = stream.queue.pop_front() else {
            if stream.is_over {
                self.streams.remove(&reader.stream);
                return Poll::Ready(None);
            }
            stream.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        stream.bytes -= event.message.len();
        if stream.bytes <= STREAM_BYTES {
            wake(&mut self.room);
        }
        if self.is_plain {
            return Poll::Ready(Some(event::text_without_id(&event.message)));
        }
        let text = event::text(event.stream, event.sequence, &event.message);
        self.past.push(event);
        Poll::Ready(Some(text))
    }

    /// A reader is gone. What it did not take can be taken up later.
    pub(super) fn leave(&mut self, reader: Reader) {
        let Some(stream) = self.streams.get_mut(&reader.stream).filter(|stream| stream.reader == Some(reader.number))
        else {
            return;
        };
        stream.reader = None;
        stream.bytes = 0;
        for event in std::mem::take(&mut stream.queue) {
            self.past.push(event);
        }
        if stream.calls == 0 {
            self.streams.remove(&reader.stream);
        }
        self.gets.retain(|open| *open != reader.stream);
        wake(&mut self.room);
    }

    /// Whether any client reads.
    pub(super) fn has_readers(&self) -> bool {
        self.streams.values().any(|stream| stream.reader.is_some())
    }

    /// Ready when each stream has room for a message.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.streams.values().all(|stream| stream.bytes <= STREAM_BYTES) {
            return Poll::Ready(());
        }
        self.room = Some(context.waker().clone());
        Poll::Pending
    }

    /// The program sent a message.
    pub(super) fn route(&mut self, message: &Message) -> Routed {
        let stream = match message.kind() {
            Kind::Result(id) | Kind::Error(Some(id)) => {
                return self.close_call(id).map_or(Routed::Unknown, |stream| self.answer(stream, message.text()));
            }
            Kind::Notification(method) if method == "notifications/progress" => {
                message.value(Place::ProgressToken).and_then(|token| self.tokens.get(&token).copied())
            }
            Kind::Notification(method) if method == "notifications/cancelled" => {
                message.value(Place::CancelledRequest).and_then(|id| self.asked.remove(&id))
            }
            Kind::Request(..) | Kind::Notification(_) | Kind::Error(None) => None,
        };
        let stream = stream.filter(|stream| self.streams.contains_key(stream)).or_else(|| self.unasked());
        if let (Kind::Request(_, id), Some(stream)) = (message.kind(), stream)
            && self.asked.len() < ASKED
        {
            self.asked.insert(id.clone(), stream);
        }
        let Some(stream) = stream else {
            let event = Event { stream: StreamId::Get(0), sequence: 0, message: message.text().clone() };
            self.dropped |= self.waiting.push(event);
            return Routed::Waits;
        };
        self.push(stream, message.text());
        Routed::Stream(stream)
    }

    /// Whether a message that waited was dropped since the last call.
    pub(super) fn has_dropped(&mut self) -> bool {
        std::mem::take(&mut self.dropped)
    }

    /// The client answered a request of the program.
    pub(super) fn answered(&mut self, message: &Message) {
        if let Kind::Result(id) | Kind::Error(Some(id)) = message.kind() {
            self.asked.remove(id);
        }
    }

    /// The number of an open call. It tells the call from a later one with the same id.
    pub(super) fn call_number(&self, id: &Id) -> Option<u64> {
        self.calls.get(id).map(|call| call.number)
    }

    /// A cancelled call got no answer: its stream is over.
    pub(super) fn give_up(&mut self, id: &Id, number: u64) {
        if self.call_number(id) == Some(number)
            && let Some(stream) = self.close_call(id)
        {
            self.end_if_answered(stream);
        }
    }

    /// All calls are answered by an error, and all streams are over.
    pub(super) fn end(&mut self, reason: &str) {
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            if let Some(stream) = self.close_call(&id) {
                self.answer(stream, &crate::bridge::reply::error_text(id.text(), -32000, reason).into());
            }
        }
        for stream in self.streams.values_mut() {
            stream.is_over = true;
            wake(&mut stream.waker);
        }
        self.gets.clear();
        wake(&mut self.room);
    }

    fn answer(&mut self, stream: StreamId, message: &Bytes) -> Routed {
        self.push(stream, message);
        self.end_if_answered(stream);
        Routed::Stream(stream)
    }

    fn close_call(&mut self, id: &Id) -> Option<StreamId> {
        let call = self.calls.remove(id)?;
        if let Some(token) = call.token
            && self.tokens.get(&token) == Some(&call.stream)
        {
            self.tokens.remove(&token);
        }
        let stream = self.streams.get_mut(&call.stream)?;
        stream.calls -= 1;
        Some(call.stream)
    }

    fn end_if_answered(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.calls == 0) else { return };
        if stream.reader.is_none() {
            self.streams.remove(&id);
        } else if matches!(id, StreamId::Post(_)) {
            stream.is_over = true;
            wake(&mut stream.waker);
        }
    }

    /// The stream for a message that belongs to no call.
    fn unasked(&self) -> Option<StreamId> {
        let calls = || self.streams.iter().rev().find(|(_, stream)| stream.reader.is_some() && !stream.is_over);
        self.gets.last().copied().or_else(|| calls().map(|(id, _)| *id))
    }

    fn send_what_waits(&mut self, stream: StreamId) {
        for event in std::mem::take(&mut self.waiting).events {
            if let Ok(message) = Message::read(&event.message)
                && let Kind::Request(_, id) = message.kind()
            {
                self.asked.insert(id.clone(), stream);
            }
            self.push(stream, &event.message);
        }
    }

    fn push(&mut self, id: StreamId, message: &Bytes) {
        let event = Event { stream: id, sequence: self.next(), message: message.clone() };
        match self.streams.get_mut(&id) {
            Some(stream) if stream.reader.is_some() => {
                stream.bytes += event.message.len();
                stream.queue.push_back(event);
                wake(&mut stream.waker);
            }
            _ => {
                self.past.push(event);
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

// === impl Kept ===

impl Kept {
    /// Returns whether others had to be dropped.
    fn push(&mut self, event: Event) -> bool {
        self.bytes += event.message.len();
        self.events.push_back(event);
        let before = self.events.len();
        while self.events.len() > 1 && (self.bytes > PAST_BYTES || self.events.len() > PAST_EVENTS) {
            self.bytes -= self.events.pop_front().map_or(0, |event| event.message.len());
        }
        self.events.len() < before
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
