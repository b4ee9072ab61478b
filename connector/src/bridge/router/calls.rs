//! The requests of the client that are open, and those that were cancelled before they came.
//!
//! Bounds: [`CALLS`], [`ID_BYTES`], [`EARLY`].

use crate::bridge::event::StreamId;
use crate::message::{Id, Message, Place};
use std::collections::HashMap;

/// Requests of the client that are open at a time.
pub(in crate::bridge) const CALLS: usize = 4096;
/// Longest id and progress token of the client, as JSON text, and longest id of a request of the program that is remembered.
pub(in crate::bridge) const ID_BYTES: usize = 4096;
/// Cancel notifications that wait for their requests. Further ones do not.
const EARLY: usize = 64;

/// The open calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<Id, Call>,
    tokens: HashMap<Id, StreamId>,
    /// Requests that were cancelled before they came: each POST has a connection of its own, and one may overtake another.
    early: Vec<Id>,
}

/// A request of the client without an answer.
#[derive(Debug)]
struct Call {
    number: u64,
    stream: StreamId,
    token: Option<Id>,
    is_cancelled: bool,
}

/// A call that was opened. The number tells it from a later one with the same id.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bridge) struct Opened {
    pub(in crate::bridge) id: Id,
    pub(in crate::bridge) number: u64,
    /// It was cancelled before it came.
    pub(in crate::bridge) is_cancelled: bool,
}

/// Why no call was opened.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bridge) enum NotOpened {
    /// A request has the id of an open one.
    Duplicate(Id),
    /// An id or a progress token is longer than [`ID_BYTES`].
    TooLong,
    /// So many are open that this one cannot be.
    TooMany(Id),
}

/// What a cancel notification is about.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::bridge) enum Cancelled {
    /// A call with this number, for the first time.
    Open(u64),
    /// A call that may come. It is waited for until [`Calls::forget_early`].
    Early,
    /// A call that was cancelled before, or is not waited for.
    Other,
}

// === impl Calls ===

impl Calls {
    /// A request came. It is answered on `stream`.
    pub(super) fn open(
        &mut self,
        message: &Message,
        id: &Id,
        stream: StreamId,
        number: u64,
    ) -> Result<Opened, NotOpened> {
        let is_long = |place| message.raw(place).is_some_and(|text| text.len() > ID_BYTES);
        if is_long(Place::Id) || is_long(Place::RequestToken) {
            return Err(NotOpened::TooLong);
        }
        if self.open.contains_key(id) {
            return Err(NotOpened::Duplicate(id.clone()));
        }
        if self.open.len() >= CALLS {
            return Err(NotOpened::TooMany(id.clone()));
        }
        let token = message.value(Place::RequestToken);
        if let Some(token) = &token {
            self.tokens.insert(token.clone(), stream);
        }
        let is_cancelled = self.forget_early(id);
        self.open.insert(id.clone(), Call { number, stream, token, is_cancelled });
        Ok(Opened { id: id.clone(), number, is_cancelled })
    }

    /// A request is not open any more. Returns its stream.
    pub(super) fn close(&mut self, id: &Id) -> Option<StreamId> {
        let call = self.open.remove(id)?;
        if let Some(token) = call.token
            && self.tokens.get(&token) == Some(&call.stream)
        {
            self.tokens.remove(&token);
        }
        Some(call.stream)
    }

    pub(super) fn is_open(&self, id: &Id, number: u64) -> bool {
        self.open.get(id).is_some_and(|call| call.number == number)
    }

    /// The stream of the request with this progress token.
    pub(super) fn stream_of(&self, token: &Id) -> Option<StreamId> {
        self.tokens.get(token).copied()
    }

    /// The client cancelled a request.
    pub(super) fn cancel(&mut self, id: &Id) -> Cancelled {
        match self.open.get_mut(id) {
            Some(call) if !call.is_cancelled => {
                call.is_cancelled = true;
                Cancelled::Open(call.number)
            }
            None if self.early.len() < EARLY && id.text().len() <= ID_BYTES && !self.early.contains(id) => {
                self.early.push(id.clone());
                Cancelled::Early
            }
            Some(_) | None => Cancelled::Other,
        }
    }

    /// A cancelled request that has not come will not come. Returns whether one was waited for.
    pub(super) fn forget_early(&mut self, id: &Id) -> bool {
        let before = self.early.len();
        self.early.retain(|early| early != id);
        self.early.len() < before
    }

    /// The open calls that were not cancelled.
    pub(super) fn awaited(&self) -> Vec<Id> {
        self.open.iter().filter(|(_, call)| !call.is_cancelled).map(|(id, _)| id.clone()).collect()
    }
}
