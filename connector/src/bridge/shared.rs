//! The program that serves all clients of 2026-07-28, which has no sessions.
//!
//! It is started by the first request, and again by the next request after it ended. A client that closes its response cancels
//! its request. The program is always read; a client that does not read loses its request, and holds up no other. While the
//! program does not read, one request is being written and one waits for that. All others wait with their clients, and are gone
//! with them.
//!
//! Programs of the SDKs decide by the first request whether they speak this revision or one with a handshake, so only requests
//! with the `_meta` of this revision may reach it (`modern.rs` sees to that), and never `initialize`.

mod call;
mod calls;
mod discover;
mod running;

use crate::bridge::body::Held;
use crate::bridge::modern::check_parameters;
use crate::bridge::programs::Programs;
use crate::bridge::reply::{self, Refusal, Reply, code};
use crate::message::{Message, Place};
use crate::program::{Input, Output, Program};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use running::Running;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A program that closed its standard input has this long to exit: how it ended tells more.
const EXIT: Duration = Duration::from_secs(2);

/// The program, if it runs.
pub(super) struct Shared {
    programs: Rc<Programs>,
    /// The error with which a program refused the bridge's own `server/discover`, and when.
    refusal: RefCell<Option<(Message, Instant)>>,
    is_making_sure: Cell<bool>,
    running: RefCell<Option<Rc<Running>>>,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(programs: Rc<Programs>) -> Self {
        Self { programs, refusal: RefCell::default(), is_making_sure: Cell::default(), running: RefCell::default() }
    }

    /// Passes a request on, and waits for the first message.
    pub(super) async fn request(
        self: &Rc<Self>,
        headers: &HeaderMap,
        request: &Message,
        held: Held,
    ) -> Result<Reply, Refusal> {
        if request.method() == Some("server/discover") {
            return Ok(self.discover(request).await);
        }
        let running = match self.running() {
            Ok(running) => running,
            Err(reason) => return Ok(answer(failed(request, code::SERVER, &reason))),
        };
        check_parameters(headers, request, &running.tools.borrow())?;
        let mut call = running.open(request, Some(held), true);
        // A message that does not come in time comes on the stream.
        let _ = timeout(self.programs.times.headers, call.first()).await;
        if let Some(text) = call.take_answer() {
            return Ok(answer(text));
        }
        let mut reply = reply::events(call);
        reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(reply)
    }

    fn running(self: &Rc<Self>) -> Result<Rc<Running>, String> {
        if let Some(running) = &*self.running.borrow() {
            return Ok(running.clone());
        }
        let (program, input, output) = self.programs.start()?;
        let running = Rc::new(Running::new(input.clone(), self.programs.times.cancelled));
        self.running.replace(Some(running.clone()));
        let waiting = Rc::downgrade(&running);
        self.programs.tell_if_silent(&program, move || waiting.upgrade().is_some_and(|running| running.is_silent()));
        self.programs.spawn(self.clone().run(running.clone(), program, input, output));
        Ok(running)
    }

    /// Reads the program until it ends or is to end, and ends it.
    async fn run(self: Rc<Self>, running: Rc<Running>, mut program: Program, input: Input, mut output: Output) {
        let is_last = |current: &mut Rc<Running>| Rc::ptr_eq(current, &running);
        let mut read = pin!(running.read(&self.programs, &mut output));
        let reason = tokio::select! {
            reason = &mut read => reason,
            () = input.gone() => {
                self.running.borrow_mut().take_if(is_last);
                let how = timeout(EXIT, read).await;
                how.unwrap_or_else(|_| self.programs.tell("closed its standard input"))
            }
            () = running.stop.notified() => "the MCP server is of an older revision".to_owned(),
            reason = self.programs.ending() => reason,
        };
        self.running.borrow_mut().take_if(is_last);
        running.calls.borrow_mut().end(code::SERVER, &reason);
        running.input.take();
        drop(input);
        program.end().await;
    }
}

fn failed(request: &Message, code: i64, reason: &str) -> Bytes {
    reply::error_text(request.raw(Place::Id).unwrap_or("null"), code, reason).into()
}

/// A response with the answer alone. The status follows from the error's code.
fn answer(text: Bytes) -> Reply {
    let error = Message::read(&text).ok().and_then(|message| message.error_code());
    let status = match error {
        Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(
            code::HEADER_MISMATCH
            | code::MISSING_CAPABILITY
            | code::UNSUPPORTED_VERSION
            | code::INVALID_REQUEST
            | code::PARSE_ERROR,
        ) => StatusCode::BAD_REQUEST,
        Some(_) | None => StatusCode::OK,
    };
    reply::json(status, text)
}
