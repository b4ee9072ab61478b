//! A session of a revision up to 2025-11-25, with a program of its own.
//!
//! The session's task reads the program until the program ends, the client ends the session, or the session is idle. It does not
//! read while a stream of the session is full.

mod client;
mod events;

use crate::bridge::event::StreamId;
use crate::bridge::programs::Programs;
use crate::bridge::router::Router;
use crate::bridge::sessions::Sessions;
use crate::message::{Id, Kind, Message};
use crate::program::{HowItEnded, Input, Line, Output, Program};
pub(super) use events::SessionEvents;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

/// One session.
pub(super) struct Session {
    pub(super) id: String,
    router: RefCell<Router>,
    /// The stream for all messages, in HTTP+SSE.
    stream: Option<StreamId>,
    /// Taken away when the program is to end: this closes its standard input.
    input: RefCell<Option<Input>>,
    /// How long the stream of a cancelled request stays open for an answer.
    cancelled: Duration,
    /// When a message passed, or a stream ended.
    used: Cell<Instant>,
    stop: Notify,
    stop_reason: RefCell<String>,
    has_told: Cell<bool>,
    /// The program reads no more.
    gone: Notify,
    /// Its place among the sessions, until its program is gone.
    slot: RefCell<Option<OwnedSemaphorePermit>>,
    /// A program may need longer for its start than a session may be idle.
    is_initialized: Cell<bool>,
}

/// Where the answer to `initialize` goes.
pub(super) enum Initialized {
    /// To one who waits for it.
    Waiter(oneshot::Sender<Result<Message, String>>),
    /// To the session's stream.
    Stream,
    /// It came.
    Done,
}

// === impl Initialized ===

impl Initialized {
    fn is_awaited(&self) -> bool {
        !matches!(self, Self::Done)
    }

    /// Returns a message that belongs on the stream.
    fn send(&mut self, answer: Result<Message, String>) -> Option<Message> {
        match std::mem::replace(self, Self::Done) {
            Self::Waiter(waiter) => {
                // The client may be gone.
                let _ = waiter.send(answer);
                None
            }
            Self::Stream => answer.ok(),
            Self::Done => None,
        }
    }
}

// === impl Session ===

impl Session {
    pub(super) fn new(slot: OwnedSemaphorePermit, cancelled: Duration) -> Self {
        Self::with(Router::default(), None, slot, cancelled)
    }

    /// A session whose messages all go to one stream, as in HTTP+SSE.
    pub(super) fn with_one_stream(slot: OwnedSemaphorePermit, cancelled: Duration) -> (Rc<Self>, SessionEvents) {
        let (router, reader) = Router::plain();
        let session = Rc::new(Self::with(router, Some(reader.stream), slot, cancelled));
        (session.clone(), SessionEvents { session, reader })
    }

    fn with(router: Router, stream: Option<StreamId>, slot: OwnedSemaphorePermit, cancelled: Duration) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            router: RefCell::new(router),
            stream,
            input: RefCell::default(),
            cancelled,
            used: Cell::new(Instant::now()),
            stop: Notify::new(),
            stop_reason: RefCell::default(),
            has_told: Cell::default(),
            gone: Notify::new(),
            slot: RefCell::new(Some(slot)),
            is_initialized: Cell::default(),
        }
    }

    /// Where the client's messages go. Before this the session has no program.
    pub(super) fn set_input(&self, input: Input) {
        self.input.replace(Some(input));
    }

    pub(super) fn has_program(&self) -> bool {
        self.input.borrow().is_some()
    }

    pub(super) fn is_initialized(&self) -> bool {
        self.is_initialized.get()
    }

    /// Reads the program until the session is over, and ends it. `initialized` gets the answer to the request `initialize`.
    pub(super) async fn run(
        self: Rc<Self>,
        sessions: Rc<Sessions>,
        mut program: Program,
        mut output: Output,
        initialize: Id,
        mut initialized: Initialized,
    ) {
        let programs = &sessions.programs;
        let reason = tokio::select! {
            how = self.read(programs, &mut output, &initialize, &mut initialized) => how,
            () = self.stop.notified() => self.stop_reason.take(),
            () = self.idle(programs.settings.idle) => "the session was idle for too long".to_owned(),
            reason = programs.ending() => reason,
            () = self.closed_input(programs) => {
                if initialized.is_awaited() {
                    programs.start_failed();
                }
                programs.ended(&HowItEnded::ClosedInput)
            }
        };
        sessions.remove(&self.id);
        initialized.send(Err(reason.clone()));
        self.router.borrow_mut().end(&reason);
        self.input.take();
        program.end().await;
        self.slot.take();
    }

    /// Returns when the program has closed its standard input and lives on.
    async fn closed_input(&self, programs: &Programs) {
        self.gone.notified().await;
        // If it has ended, its output says how.
        sleep(programs.times.closed_input).await;
    }

    /// Passes on what the program sends, until it ends. Returns how.
    async fn read(
        &self,
        programs: &Rc<Programs>,
        output: &mut Output,
        initialize: &Id,
        initialized: &mut Initialized,
    ) -> String {
        loop {
            poll_fn(|context| self.router.borrow_mut().poll_room(context)).await;
            let message = match output.next().await {
                Line::Message(message) => message,
                Line::End(how) => {
                    if initialized.is_awaited() {
                        programs.start_failed();
                    }
                    return programs.ended(&how);
                }
            };
            self.used.set(Instant::now());
            if initialized.is_awaited() && is_answer_to(initialize, &message) {
                programs.start_succeeded();
                self.is_initialized.set(true);
                self.router.borrow_mut().set_version(&message.result_member("protocolVersion").unwrap_or_default());
                let is_error = matches!(message.kind(), Kind::Error(_));
                if let Some(message) = initialized.send(Ok(message)) {
                    self.route(programs, &message);
                }
                if is_error {
                    return "the MCP server refused `initialize`".to_owned();
                }
            } else {
                self.route(programs, &message);
            }
        }
    }

    fn route(&self, programs: &Programs, message: &Message) {
        let mut router = self.router.borrow_mut();
        router.route(message);
        if router.has_dropped() && !self.has_told.replace(true) {
            programs.say("messages of the MCP server were dropped, because its client opens no stream for them");
        }
    }

    /// Returns when no client read for `limit`, and no message passed.
    async fn idle(&self, limit: Duration) {
        loop {
            sleep_until(self.used.get() + limit).await;
            if !self.is_initialized.get() || self.router.borrow().has_readers() {
                self.used.set(Instant::now());
            } else if self.used.get().elapsed() >= limit {
                return;
            }
        }
    }

    /// Ends the session. Its task does the rest, if it has a program.
    pub(super) fn stop(&self, reason: &str) {
        if !self.has_program() {
            self.router.borrow_mut().end(reason);
        }
        self.stop_reason.replace(reason.to_owned());
        self.stop.notify_one();
    }
}

fn is_answer_to(request: &Id, message: &Message) -> bool {
    matches!(message.kind(), Kind::Result(id) | Kind::Error(Some(id)) if id == request)
}
