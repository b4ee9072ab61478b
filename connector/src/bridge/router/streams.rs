//! The response streams of a session: events that wait for their clients, and events that were sent.
//!
//! Bounds: [`STREAM_BYTES`], and those of `kept.rs`.

use super::kept::{Event, Kept};
use crate::bridge::event::{self, StreamId};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// While more bytes than this wait for the client of one stream, the program is not read.
const STREAM_BYTES: usize = 1 << 20;

/// The streams that have a client or open calls, and what was sent on others.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    past: Kept,
    /// The last number that a stream, a reader or an event got.
    number: u64,
    room: Option<Waker>,
    /// Whether each stream begins with an event without data, whose id its client can take it up with.
    pub(super) primes: bool,
    /// Whether events have no ids, and cannot be taken up: HTTP+SSE.
    pub(super) is_plain: bool,
}

#[derive(Debug, Default)]
struct Stream {
    calls: usize,
    queue: VecDeque<Event>,
    bytes: usize,
    /// Who reads it. A later reader takes the place of an earlier one.
    reader: Option<u64>,
    waker: Option<Waker>,
    /// Whether a call was answered on it.
    is_answered: bool,
    is_over: bool,
}

/// One who reads a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bridge) struct Reader {
    pub(in crate::bridge) stream: StreamId,
    number: u64,
}

// === impl Streams ===

impl Streams {
    /// A number that nothing else has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// A reader of a new stream.
    pub(super) fn open(&mut self, id: StreamId) -> Reader {
        let reader = self.read(id);
        let event = Event { stream: id, sequence: self.next_number(), message: Bytes::new() };
        if self.primes
            && let Some(stream) = self.open.get_mut(&id)
        {
            stream.queue.push_back(event);
        }
        reader
    }

    /// A reader of what came after an event on its stream.
    pub(super) fn reopen(&mut self, id: StreamId, sequence: u64) -> Reader {
        // An event is either among the past ones or in a queue, so what the client gets twice is kept once.
        let mut later = self.past.take_later(id, sequence);
        let stream = self.open.entry(id).or_default();
        // What an earlier reader did not take comes after them.
        let (had, left): (VecDeque<_>, _) =
            std::mem::take(&mut stream.queue).into_iter().partition(|event| event.sequence <= sequence);
        later.extend::<VecDeque<_>>(left);
        stream.bytes = later.iter().map(|event| event.message.len()).sum();
        stream.queue = later;
        had.into_iter().for_each(|event| self.past.push(event));
        self.read(id)
    }

    fn read(&mut self, id: StreamId) -> Reader {
        let number = self.next_number();
        let stream = self.open.entry(id).or_default();
        stream.reader = Some(number);
        stream.is_over = matches!(id, StreamId::Post(_)) && stream.calls == 0;
        wake(&mut stream.waker);
        Reader { stream: id, number }
    }

    /// Ready when a message waits for a reader, or none will come.
    pub(super) fn poll_first(&mut self, reader: Reader, context: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = self.read_by(reader) else { return Poll::Ready(()) };
        if stream.is_over || stream.messages().next().is_some() {
            return Poll::Ready(());
        }
        stream.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The answer, if it is the only message of a stream that is over. The stream is gone then.
    pub(super) fn take_answer(&mut self, reader: Reader) -> Option<Bytes> {
        let stream = self.read_by(reader).filter(|stream| stream.is_over && stream.is_answered)?;
        let answer = stream.only_message()?.clone();
        self.open.remove(&reader.stream);
        wake(&mut self.room);
        Some(answer)
    }

    /// The next event for a reader, as text. `None`: the stream is over, or has another reader.
    pub(super) fn poll_next(&mut self, reader: Reader, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(stream) = self.read_by(reader) else { return Poll::Ready(None) };
        let Some(event) = stream.queue.pop_front() else {
            if stream.is_over {
                self.open.remove(&reader.stream);
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
        self.past.trim(0);
        Poll::Ready(Some(text))
    }

    /// A reader is gone. What it did not take can be taken up later. Returns whether it was the stream's reader.
    pub(super) fn leave(&mut self, reader: Reader) -> bool {
        let Some(stream) = self.read_by(reader) else { return false };
        stream.reader = None;
        stream.bytes = 0;
        let (left, calls) = (std::mem::take(&mut stream.queue), stream.calls);
        left.into_iter().for_each(|event| self.past.push(event));
        if calls == 0 {
            self.open.remove(&reader.stream);
        }
        wake(&mut self.room);
        true
    }

    fn read_by(&mut self, reader: Reader) -> Option<&mut Stream> {
        self.open.get_mut(&reader.stream).filter(|stream| stream.reader == Some(reader.number))
    }

    /// Whether any client reads.
    pub(super) fn have_readers(&self) -> bool {
        self.open.values().any(|stream| stream.reader.is_some())
    }

    /// Ready when each stream has room for a message.
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.open.values().all(|stream| stream.bytes <= STREAM_BYTES) {
            return Poll::Ready(());
        }
        self.room = Some(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.open.contains_key(&id)
    }

    /// The newest stream whose client reads, and which has open calls.
    pub(super) fn newest(&self) -> Option<StreamId> {
        let mut newest_first = self.open.iter().rev();
        newest_first.find(|(_, stream)| stream.reader.is_some() && !stream.is_over).map(|(id, _)| *id)
    }

    /// A call is open that is answered on this stream.
    pub(super) fn add_call(&mut self, id: StreamId) {
        self.open.entry(id).or_default().calls += 1;
    }

    /// A call is not open any more.
    pub(super) fn remove_call(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.calls -= 1;
        }
    }

    /// A stream is over if it has no open calls: after the answers of a POST, or if it has no reader.
    pub(super) fn end_if_answered(&mut self, id: StreamId) {
        let Some(stream) = self.open.get_mut(&id).filter(|stream| stream.calls == 0) else { return };
        if stream.reader.is_none() {
            self.open.remove(&id);
        } else if matches!(id, StreamId::Post(_)) {
            stream.is_over = true;
            wake(&mut stream.waker);
        }
    }

    /// Sends an answer on a stream. The stream is over if it has no other open calls.
    pub(super) fn answer(&mut self, id: StreamId, message: &Bytes) {
        self.push(id, message);
        if let Some(stream) = self.open.get_mut(&id) {
            stream.is_answered = true;
        }
        self.end_if_answered(id);
    }

    /// All streams are over.
    pub(super) fn end(&mut self) {
        for stream in self.open.values_mut() {
            stream.is_over = true;
            wake(&mut stream.waker);
        }
        wake(&mut self.room);
    }

    /// Sends a message on a stream. If its client is gone, the message can be taken up later.
    pub(super) fn push(&mut self, id: StreamId, message: &Bytes) {
        let event = Event { stream: id, sequence: self.next_number(), message: message.clone() };
        match self.open.get_mut(&id) {
            Some(stream) if stream.reader.is_some() => {
                stream.bytes += event.message.len();
                stream.queue.push_back(event);
                wake(&mut stream.waker);
            }
            _ => self.past.push(event),
        }
    }
}

// === impl Stream ===

impl Stream {
    /// What waits, without the event that the stream begins with.
    fn messages(&self) -> impl Iterator<Item = &Bytes> {
        self.queue.iter().map(|event| &event.message).filter(|message| !message.is_empty())
    }

    fn only_message(&self) -> Option<&Bytes> {
        let mut messages = self.messages();
        messages.next().filter(|_| messages.next().is_none())
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
