//! A session of a revision up to 2025-11-25, with a program of its own.
//!
//! The session's task reads the program until the program ends, the client ends the session, or the session is idle. It does not
//! read while a stream of the session is full.

use crate::bridge::reply::{self, Reply, code};
use crate::bridge::router::{Duplicate, Reader, Router};
use crate::bridge::sessions::Sessions;
use crate::message::{Id, Kind, Message, Place};
use crate::program::{Input, Line, Output, Program};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Frame};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the stream of a cancelled request stays open for an answer.
const CANCELLED: Duration = Duration::from_secs(10);

/// One session.
pub(super) struct Session {
    pub(super) id: String,
    router: RefCell<Router>,
    /// Taken away when the program is to end: this closes its standard input.
    input: RefCell<Option<Input>>,
    /// When a message passed, or a stream ended.
    used: Cell<Instant>,
    stop: Notify,
    stop_reason: RefCell<String>,
}

/// The session is over.
#[derive(Debug)]
pub(super) struct Over;

// === impl Session ===

impl Session {
    pub(super) fn new(id: String, input: Input) -> Self {
        Self {
            id,
            router: RefCell::default(),
            input: RefCell::new(Some(input)),
            used: Cell::new(Instant::now()),
            stop: Notify::new(),
            stop_reason: RefCell::default(),
        }
    }

    /// Reads the program until the session is over, and ends it. `initialized` gets the answer to the request `initialize`.
    pub(super) async fn run(
        self: Rc<Self>,
        sessions: Rc<Sessions>,
        mut program: Program,
        mut output: Output,
        initialize: Id,
        initialized: oneshot::Sender<Result<Message, String>>,
    ) {
        let mut initialized = Some(initialized);
        let reason = tokio::select! {
            how = self.read(&sessions, &mut output, &initialize, &mut initialized) => how,
            () = self.stop.notified() => self.stop_reason.take(),
            () = self.idle(sessions.settings.idle) => "the session was idle for too long".to_owned(),
        };
        sessions.remove(&self.id);
        if let Some(initialized) = initialized {
            // The client may be gone.
            let _ = initialized.send(Err(reason.clone()));
        }
        self.router.borrow_mut().end(&reason);
        self.input.take();
        program.end().await;
    }

    /// Passes on what the program sends, until it ends. Returns how.
    async fn read(
        &self,
        sessions: &Sessions,
        output: &mut Output,
        initialize: &Id,
        initialized: &mut Option<oneshot::Sender<Result<Message, String>>>,
    ) -> String {
        loop {
            poll_fn(|context| self.router.borrow_mut().poll_room(context)).await;
            let message = match output.next().await {
                Line::Message(message) => message,
                Line::End(how) => return sessions.ended(&how),
            };
            self.used.set(Instant::now());
            if let Kind::Result(id) | Kind::Error(Some(id)) = message.kind()
                && id == initialize
                && let Some(initialized) = initialized.take()
            {
                let is_error = matches!(message.kind(), Kind::Error(_));
                self.router.borrow_mut().set_version(&message.result_member("protocolVersion").unwrap_or_default());
                let _ = initialized.send(Ok(message));
                if is_error {
                    return "the program refused `initialize`".to_owned();
                }
                continue;
            }
            self.router.borrow_mut().route(&message);
        }
    }

    /// Returns when no client read for `limit`, and no message passed.
    async fn idle(&self, limit: Duration) {
        loop {
            sleep_until(self.used.get() + limit).await;
            if self.router.borrow().has_readers() {
                self.used.set(Instant::now());
            } else if self.used.get().elapsed() >= limit {
                return;
            }
        }
    }

    /// Ends the session. Its task does the rest.
    pub(super) fn stop(&self, reason: &str) {
        self.stop_reason.replace(reason.to_owned());
        self.stop.notify_one();
    }

    /// Messages of the client.
    pub(super) async fn post(self: &Rc<Self>, messages: Vec<Message>) -> Reply {
        self.used.set(Instant::now());
        if messages.iter().any(|message| matches!(message.kind(), Kind::Request(..))) {
            return self.post_requests(&messages).await;
        }
        match self.send(&messages).await {
            Ok(()) => reply::empty(StatusCode::ACCEPTED),
            Err(Over) => unknown_session(),
        }
    }

    async fn post_requests(self: &Rc<Self>, messages: &[Message]) -> Reply {
        let posted = self.router.borrow_mut().post(messages);
        match posted {
            Ok(reader) => {
                let events = Events { session: self.clone(), reader };
                // If the program is gone, the stream gets errors as answers.
                let _ = self.send(messages).await;
                reply::events(events)
            }
            Err(Duplicate(id)) => {
                let text = reply::error_text(id.text(), code::INVALID_REQUEST, "a request with this id is open");
                reply::json(StatusCode::BAD_REQUEST, text.into())
            }
        }
    }

    /// Writes messages to the program.
    pub(super) async fn send(self: &Rc<Self>, messages: &[Message]) -> Result<(), Over> {
        let input = self.input.borrow().clone().ok_or(Over)?;
        for message in messages {
            input.send(message.text()).await.map_err(|_| Over)?;
            self.router.borrow_mut().answered(message);
            if message.method() == Some("notifications/cancelled") {
                self.cancelled(message);
            }
        }
        Ok(())
    }

    /// A program need not answer a cancelled request.
    fn cancelled(self: &Rc<Self>, message: &Message) {
        let Some(id) = message.value(Place::CancelledRequest) else { return };
        let Some(number) = self.router.borrow().call_number(&id) else { return };
        let session = self.clone();
        spawn_local(async move {
            sleep(CANCELLED).await;
            session.router.borrow_mut().give_up(&id, number);
        });
    }

    /// A stream for what the program sends unasked, or the rest of a stream that broke.
    pub(super) fn get(self: &Rc<Self>, last_event: Option<&str>) -> Reply {
        self.used.set(Instant::now());
        let reader = self.router.borrow_mut().get(last_event);
        reply::events(Events { session: self.clone(), reader })
    }
}

/// The session is not known, or is over.
pub(super) fn unknown_session() -> Reply {
    reply::error(StatusCode::NOT_FOUND, code::UNKNOWN_SESSION, "Session not found")
}

/// The body of a stream of a session.
struct Events {
    session: Rc<Session>,
    reader: Reader,
}

// === impl Events ===

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.session.router.borrow_mut().poll_next(self.reader, context);
        next.map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.session.router.borrow_mut().leave(self.reader);
        self.session.used.set(Instant::now());
    }
}
