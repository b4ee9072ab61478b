//! The program that serves all clients of 2026-07-28, which has no sessions.
//!
//! It is started by the first request, and again by the next request after it ended. A client that closes its response cancels
//! its request. The program is always read; a client that does not read loses its request, and holds up no other.
//!
//! Programs of the SDKs decide by the first request whether they speak this revision or one with a handshake, so only requests
//! with the `_meta` of this revision may reach it (`modern.rs` sees to that), and never `initialize`.

mod calls;

use crate::bridge::programs::Programs;
use crate::bridge::reply::{self, Reply, code};
use crate::message::{Kind, Message, Place};
use crate::program::{Input, Line, Output, Program};
use bytes::Bytes;
use calls::{Calls, Routed, cancel};
use hyper::StatusCode;
use hyper::body::{Body, Frame};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// Some programs of older revisions do not answer what they do not know. Their clients wait for a refusal.
const DISCOVER: Duration = Duration::from_secs(20);

/// The program, if it runs.
pub(super) struct Shared {
    programs: Rc<Programs>,
    running: RefCell<Option<Rc<Running>>>,
}

/// The running program.
struct Running {
    calls: RefCell<Calls>,
    /// Taken away when the program is to end: this closes its standard input.
    input: RefCell<Option<Input>>,
    /// How long what the program sends for a cancelled request is expected.
    cancelled: Duration,
    /// Whether a request other than `server/discover` was written and none was answered.
    is_awaited: Cell<bool>,
    has_answered: Cell<bool>,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(programs: Rc<Programs>) -> Self {
        Self { programs, running: RefCell::default() }
    }

    /// Passes a request on, and waits for the first message.
    pub(super) async fn request(self: &Rc<Self>, request: &Message) -> Reply {
        let is_discover = request.method() == Some("server/discover");
        let id = request.raw(Place::Id).unwrap_or("null");
        let running = match self.running() {
            Ok(running) => running,
            Err(reason) => {
                return answer(reply::error_text(id, code::SERVER, &reason).into(), is_discover);
            }
        };
        let mut call = running.open(request, !is_discover);
        let first = poll_fn(|context| running.calls.borrow_mut().poll_first(call.number, context));
        let is_in_time = timeout(if is_discover { DISCOVER } else { self.programs.times.headers }, first).await.is_ok();
        if is_discover && !is_in_time {
            let reason = "Method not found: the MCP server did not answer `server/discover`";
            return answer(reply::error_text(id, code::METHOD_NOT_FOUND, reason).into(), is_discover);
        }
        if running.calls.borrow().is_answered_at_once(call.number)
            && let Some(text) = call.next_now()
        {
            return answer(text, is_discover);
        }
        let mut reply = reply::events(call);
        reply.headers_mut().insert("x-accel-buffering", hyper::header::HeaderValue::from_static("no"));
        reply
    }

    fn running(self: &Rc<Self>) -> Result<Rc<Running>, String> {
        if let Some(running) = &*self.running.borrow() {
            return Ok(running.clone());
        }
        let (program, input, output) = self.programs.start()?;
        let running = Rc::new(Running {
            calls: RefCell::default(),
            input: RefCell::new(Some(input)),
            cancelled: self.programs.times.cancelled,
            is_awaited: Cell::new(false),
            has_answered: Cell::new(false),
        });
        self.running.replace(Some(running.clone()));
        self.programs.spawn(self.clone().run(running.clone(), program, output));
        Ok(running)
    }

    /// Reads the program until it ends or is to end, and ends it.
    async fn run(self: Rc<Self>, running: Rc<Running>, mut program: Program, mut output: Output) {
        let reason = tokio::select! {
            reason = running.read(&self.programs, &mut output) => reason,
            reason = self.programs.ending() => reason,
        };
        self.running.take();
        running.calls.borrow_mut().end(code::SERVER, &reason);
        running.input.take();
        program.end().await;
    }
}

// === impl Running ===

impl Running {
    /// Passes on what the program sends, until it ends. Returns how.
    async fn read(self: &Rc<Self>, programs: &Rc<Programs>, output: &mut Output) -> String {
        loop {
            let message = match output.next().await {
                Line::Message(message) => message,
                Line::End(how) => {
                    if self.is_awaited.get() && !self.has_answered.get() {
                        programs.start_failed();
                    }
                    return programs.ended(&how);
                }
            };
            if let Kind::Result(_) | Kind::Error(Some(_)) = message.kind() {
                self.has_answered.set(true);
                programs.start_succeeded();
            }
            let routed = self.calls.borrow_mut().route(&message);
            match routed {
                Routed::Call(_) | Routed::Nowhere => {}
                Routed::Reply(text) => self.write(text),
                Routed::Cancel(number) => self.cancel(number),
            }
        }
    }

    fn open(self: &Rc<Self>, request: &Message, may_cancel: bool) -> Call {
        let (number, text) = self.calls.borrow_mut().open(request);
        self.is_awaited.set(self.is_awaited.get() || may_cancel);
        self.write(text);
        Call { running: self.clone(), number, may_cancel }
    }

    /// Writes a line, in the order of the calls. If the program is gone, its task ends what is open.
    fn write(&self, text: Bytes) {
        let Some(input) = self.input.borrow().clone() else { return };
        spawn_local(async move { input.send(&text).await });
    }

    fn cancel(self: &Rc<Self>, number: u64) {
        self.write(cancel(number));
        self.forget_later(number);
    }

    fn forget_later(self: &Rc<Self>, number: u64) {
        let running = self.clone();
        spawn_local(async move {
            sleep(running.cancelled).await;
            running.calls.borrow_mut().forget(number);
        });
    }
}

/// The body of a response with events, and the guard of its request.
struct Call {
    running: Rc<Running>,
    number: u64,
    /// A cancel notification before the first request but `server/discover` ends programs of rmcp 3.11.0.
    may_cancel: bool,
}

// === impl Call ===

impl Call {
    /// The message that waits.
    fn next_now(&mut self) -> Option<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match self.running.calls.borrow_mut().poll_next(self.number, &mut context) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }
}

impl Body for Call {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.running.calls.borrow_mut().poll_next(self.number, context);
        next.map(|message| message.map(|text| Ok(Frame::data(crate::bridge::event::text_without_id(&text)))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let is_open = self.running.calls.borrow_mut().leave(self.number);
        if is_open && self.may_cancel {
            self.running.cancel(self.number);
        } else if is_open {
            self.running.forget_later(self.number);
        }
    }
}

/// A response with the answer alone. The status follows from the error's code.
fn answer(text: Bytes, is_discover: bool) -> Reply {
    let error = Message::read(&text).ok().and_then(|message| message.error_code());
    let status = match error {
        None => StatusCode::OK,
        Some(code::METHOD_NOT_FOUND) if !is_discover => StatusCode::NOT_FOUND,
        Some(
            code::HEADER_MISMATCH
            | code::MISSING_CAPABILITY
            | code::UNSUPPORTED_VERSION
            | code::INVALID_REQUEST
            | code::PARSE_ERROR,
        ) => StatusCode::BAD_REQUEST,
        // The client knows by this that the server is of an older revision, and begins with `initialize`.
        Some(_) if is_discover => StatusCode::BAD_REQUEST,
        Some(_) => StatusCode::OK,
    };
    reply::json(status, text)
}
