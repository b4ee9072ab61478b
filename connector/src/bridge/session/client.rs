//! What the client of a session sends, and the responses that it gets.
//!
//! The response to a request is JSON if the answer is the first message and comes soon: that costs Envoy and the filter less than
//! an event stream of one event. A client that leaves before gets no answer later, because it has no event id.

use super::{Session, SessionEvents};
use crate::bridge::reply::{self, Refusal, Reply, code};
use crate::bridge::router::{CALLS, Cancelled, ID_BYTES, NotOpened, Opened, Router};
use crate::message::{Id, Kind, Message, Place};
use crate::program::Gone;
use bytes::Bytes;
use hyper::StatusCode;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

// === impl Session ===

impl Session {
    /// Messages of the client. `first` is how long the first message for a response is waited for: if it is the answer to the
    /// only request, the response is JSON. Without it the response is an event stream at once.
    pub(in crate::bridge) async fn post(
        self: &Rc<Self>,
        messages: Vec<Message>,
        first: Option<Duration>,
    ) -> Result<Reply, Refusal> {
        self.used.set(Instant::now());
        if let Some(stream) = self.stream {
            let opened = self.router.borrow_mut().call(&messages, stream)?;
            self.send_calls(&messages, opened).await.map_err(|Gone| Refusal::unknown_session())?;
            return Ok(reply::text(StatusCode::ACCEPTED, "Accepted"));
        }
        if messages.iter().any(|message| matches!(message.kind(), Kind::Request(..))) {
            let (reader, opened) = self.router.borrow_mut().post(&messages)?;
            let events = SessionEvents { session: self.clone(), reader };
            // If the program is gone, the stream gets errors as answers.
            let _ = self.send_calls(&messages, opened).await;
            if let Some(limit) = first {
                // A message that does not come in time comes on the stream.
                let _ = timeout(limit, events.first()).await;
                if let Some(answer) = events.take_answer() {
                    return Ok(reply::json(StatusCode::OK, answer));
                }
            }
            return Ok(reply::events(events));
        }
        self.send(&messages).await.map_err(|Gone| Refusal::unknown_session())?;
        Ok(reply::empty(StatusCode::ACCEPTED))
    }

    /// Writes messages to the program.
    pub(in crate::bridge) async fn send(self: &Rc<Self>, messages: &[Message]) -> Result<(), Gone> {
        self.send_calls(messages, Vec::new()).await
    }

    /// Writes messages to the program, among them the calls that were opened for them. If the future is dropped, because the client
    /// left, calls that the program will not see are not open any more.
    async fn send_calls(self: &Rc<Self>, messages: &[Message], opened: Vec<Opened>) -> Result<(), Gone> {
        let mut unsent = Unsent { session: self, calls: opened.into() };
        let sent = self.send_each(messages, &mut unsent).await;
        if sent.is_err() {
            // The end of the session answers them.
            unsent.calls.clear();
            self.gone.notify_one();
        }
        sent
    }

    async fn send_each(self: &Rc<Self>, messages: &[Message], unsent: &mut Unsent<'_>) -> Result<(), Gone> {
        let input = self.input.borrow().clone().ok_or(Gone)?;
        for message in messages {
            let begun = input.begin(message.text()).await?;
            if let Kind::Request(_, id) = message.kind()
                && let Some(call) = unsent.calls.pop_front().filter(|call| call.is_cancelled)
            {
                self.give_up_later(call.id, call.number);
                // The program knew of no such request when it was cancelled.
                input.begin(&cancel(id)).await?;
            }
            self.router.borrow_mut().answered(message);
            if message.method() == Some("notifications/cancelled") {
                self.cancelled(message);
            }
            begun.written().await?;
        }
        Ok(())
    }

    fn cancelled(self: &Rc<Self>, message: &Message) {
        let Some(id) = message.value(Place::CancelledRequest) else { return };
        let cancelled = self.router.borrow_mut().cancel(&id);
        match cancelled {
            Cancelled::Open(number) => self.give_up_later(id, number),
            Cancelled::Early => self.later(move |router| router.forget_early(&id)),
            Cancelled::Other => {}
        }
    }

    /// A program need not answer a cancelled request.
    fn give_up_later(self: &Rc<Self>, id: Id, number: u64) {
        self.later(move |router| router.give_up(&id, number));
    }

    fn later(self: &Rc<Self>, then: impl FnOnce(&mut Router) + 'static) {
        let session = self.clone();
        spawn_local(async move {
            sleep(session.cancelled).await;
            then(&mut session.router.borrow_mut());
        });
    }

    /// A stream for what the program sends unasked, or the rest of a stream that broke.
    pub(in crate::bridge) fn get(self: &Rc<Self>, last_event: Option<&str>) -> Reply {
        self.used.set(Instant::now());
        let reader = self.router.borrow_mut().get(last_event);
        reply::events(SessionEvents { session: self.clone(), reader })
    }
}

/// Calls whose lines were not given to the program yet, in their order.
struct Unsent<'s> {
    session: &'s Session,
    calls: VecDeque<Opened>,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        for Opened { id, number, .. } in self.calls.drain(..) {
            self.session.router.borrow_mut().give_up(&id, number);
        }
    }
}

/// The notification that cancels a request at the program.
fn cancel(id: &Id) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#).into()
}

impl From<NotOpened> for Refusal {
    fn from(not_opened: NotOpened) -> Self {
        match not_opened {
            NotOpened::Duplicate(id) => Self::invalid("a request with this id is open").of(id.text()),
            NotOpened::TooLong => Self::invalid(&format!("an id or progress token of more than {ID_BYTES} bytes")),
            NotOpened::TooMany(id) => {
                let reason = format!("{CALLS} requests of this session are open");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code::SERVER, reason).of(id.text())
            }
        }
    }
}
