//! The requests that are open at the shared program, without I/O: ids that are unique, and what waits for each client.
//!
//! The id and the progress token of a request are replaced by a number on the way to the program, and put back as they stood in
//! all that comes back: in answers, in progress, and in notifications with a subscription id, which is the id of a
//! `subscriptions/listen`. The first number is random, so that a client does not know the numbers of others.
//!
//! A log message has no such value. Programs send some for requests that did not ask for them (`logLevel` in `_meta`), so it
//! belongs to a request only if that one asked, and no other is open. Otherwise it is dropped, so that no other client gets it. The
//! same is true of all other notifications without a known token or subscription.
//!
//! Bound: [`WAITING_BYTES`] for each request, and one message more.

use crate::message::{Id, Kind, LOG_LEVEL, Message, Place};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// A client that leaves more than this unread loses its request.
const WAITING_BYTES: usize = 4 << 20;

/// A request of the program with a longer id is not answered.
const ID_BYTES: usize = 4096;

/// All open requests.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<u64, Call>,
    last: u64,
}

#[derive(Debug)]
struct Call {
    id: Box<str>,
    token: Option<Box<str>>,
    wants_logs: bool,
    lists_tools: bool,
    messages: VecDeque<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The client is gone. The call is kept for a while, because the program may still send for it.
    Left,
    /// No message comes after those that wait.
    Over,
}

/// What is to be done with a message of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// It waits for the client of this request.
    Call(u64),
    /// It belongs to no open request, or it cannot be known to which.
    Dropped,
    /// This is to be written to the program.
    Reply(Bytes),
    /// The client does not read: its request was dropped, and is to be cancelled.
    Cancel(u64),
}

// === impl Calls ===

impl Calls {
    /// `last` is the number before the first. It must be below 2^52: programs in JavaScript have no larger whole numbers.
    pub(super) fn new(last: u64) -> Self {
        Self { open: HashMap::new(), last }
    }

    /// A client sent a request. Returns its number, and the text for the program.
    pub(super) fn open(&mut self, request: &Message) -> (u64, Bytes) {
        self.last += 1;
        let number = self.last.to_string();
        let token = request.value(Place::RequestToken).and_then(|_| request.raw(Place::RequestToken));
        let mut places = vec![(Place::Id, number.as_str())];
        places.extend(token.map(|_| (Place::RequestToken, number.as_str())));
        let call = Call {
            id: request.raw(Place::Id).unwrap_or("null").into(),
            token: token.map(Into::into),
            wants_logs: request.meta(LOG_LEVEL).is_some(),
            lists_tools: request.method() == Some("tools/list"),
            messages: VecDeque::new(),
            bytes: 0,
            waker: None,
            state: State::Open,
        };
        self.open.insert(self.last, call);
        (self.last, request.with(&places))
    }

    /// The program sent a message.
    pub(super) fn route(&mut self, message: &Message) -> Routed {
        match message.kind() {
            Kind::Result(id) | Kind::Error(Some(id)) => self.answer(id, message),
            Kind::Error(None) => Routed::Dropped,
            Kind::Request(method, _) => match message.raw(Place::Id) {
                Some(id) if id.len() <= ID_BYTES => Routed::Reply(refuse(method, id)),
                _ => Routed::Dropped,
            },
            Kind::Notification(method) => self.notify(method, message),
        }
    }

    fn answer(&mut self, id: &Id, message: &Message) -> Routed {
        let Some((number, call)) = self.find(Some(id)) else { return Routed::Dropped };
        match call.state {
            State::Open => {}
            // A second answer: the first may still wait for the client.
            State::Over => return Routed::Dropped,
            State::Left => {
                self.open.remove(&number);
                return Routed::Dropped;
            }
        }
        let mut places = vec![(Place::Id, &*call.id)];
        if message.value(Place::ResultSubscription).as_ref() == Some(id) {
            places.push((Place::ResultSubscription, &*call.id));
        }
        let text = message.with(&places);
        call.state = State::Over;
        call.push(text);
        Routed::Call(number)
    }

    fn notify(&mut self, method: &str, message: &Message) -> Routed {
        let place = match method {
            "notifications/progress" => Place::ProgressToken,
            "notifications/cancelled" => Place::CancelledRequest,
            _ => Place::Subscription,
        };
        let value = message.value(place);
        let found = if method == "notifications/message" && value.is_none() {
            self.only_one_if_it_wants_logs()
        } else {
            self.find(value.as_ref())
        };
        let Some((number, call)) = found.filter(|(_, call)| call.state == State::Open) else { return Routed::Dropped };
        let original = if place == Place::ProgressToken { call.token.as_deref() } else { Some(&*call.id) };
        let Some(original) = original else { return Routed::Dropped };
        if call.bytes > WAITING_BYTES {
            call.drop_all();
            call.state = State::Left;
            return Routed::Cancel(number);
        }
        let text = message.with(&[(place, original)]);
        if place == Place::CancelledRequest {
            call.state = State::Over;
        }
        call.push(text);
        Routed::Call(number)
    }

    fn find(&mut self, value: Option<&Id>) -> Option<(u64, &mut Call)> {
        let number = value?.text().parse().ok()?;
        self.open.get_mut(&number).map(|call| (number, call))
    }

    /// Calls whose clients are gone count too: what the program sends may be theirs.
    fn only_one_if_it_wants_logs(&mut self) -> Option<(u64, &mut Call)> {
        let mut open = self.open.iter_mut().filter(|(_, call)| call.state != State::Over);
        let (number, call) = open.next()?;
        (open.next().is_none() && call.wants_logs).then_some((*number, call))
    }

    /// Whether a call asked for the list of tools.
    pub(super) fn lists_tools(&self, number: u64) -> bool {
        self.open.get(&number).is_some_and(|call| call.lists_tools)
    }

    /// The next message for the client. `None`: no more come.
    pub(super) fn poll_next(&mut self, number: u64, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(call) = self.open.get_mut(&number) else { return Poll::Ready(None) };
        if let Some(message) = call.messages.pop_front() {
            call.bytes -= message.len();
            return Poll::Ready(Some(message));
        }
        if call.state == State::Open {
            call.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    /// The answer, if it is there and nothing waits before it.
    pub(super) fn take_answer(&mut self, number: u64) -> Option<Bytes> {
        let call = self.open.get_mut(&number).filter(|call| call.state == State::Over && call.messages.len() == 1)?;
        call.bytes = 0;
        call.messages.pop_front()
    }

    /// Whether no request is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether a message waits, or no more come.
    pub(super) fn poll_first(&mut self, number: u64, context: &mut Context<'_>) -> Poll<()> {
        match self.open.get_mut(&number) {
            Some(call) if call.state == State::Open && call.messages.is_empty() => {
                call.waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// The client is gone. Returns whether the request is to be cancelled: it has no answer yet.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let Some(call) = self.open.get_mut(&number) else { return false };
        if call.state == State::Open {
            call.state = State::Left;
            call.drop_all();
            return true;
        }
        if call.state == State::Over {
            self.open.remove(&number);
        }
        false
    }

    /// The program had time to end what it does for a cancelled request.
    pub(super) fn forget(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The program has ended: all that is open is answered by an error.
    pub(super) fn end(&mut self, code: i64, reason: &str) {
        for call in self.open.values_mut().filter(|call| call.state == State::Open) {
            call.state = State::Over;
            call.push(crate::bridge::reply::error_text(&call.id, code, reason).into());
        }
    }
}

// === impl Call ===

impl Call {
    fn push(&mut self, text: Bytes) {
        self.bytes += text.len();
        self.messages.push_back(text);
        self.wake();
    }

    fn drop_all(&mut self) {
        self.messages = VecDeque::new();
        self.bytes = 0;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The answer to a request of the program. Since 2026-07-28 servers send none.
fn refuse(method: &str, id: &str) -> Bytes {
    if method == "ping" {
        return format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#).into();
    }
    let reason = "a server of 2026-07-28 sends no requests: the result `input_required` is in their place";
    crate::bridge::reply::error_text(id, crate::bridge::reply::code::METHOD_NOT_FOUND, reason).into()
}

/// The notification that cancels a request at the program.
pub(super) fn cancel(number: u64) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number},"reason":"the client closed the response"}}}}"#
    )
    .into()
}

#[cfg(test)]
mod tests;
