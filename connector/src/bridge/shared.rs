//! The program that serves all clients of 2026-07-28, which has no sessions.
//!
//! It is started by the first request, and again by the next request after it ended. A client that closes its response cancels
//! its request. The program is always read; a client that does not read loses its request, and holds up no other. While the
//! program does not read, one request is being written and one waits for that. All others wait with their clients, and are gone
//! with them.
//!
//! Programs of the SDKs decide by the first request whether they speak this revision or one with a handshake, so only requests
//! with the `_meta` of this revision may reach it (`modern.rs` sees to that), and never `initialize`.

mod calls;

use crate::bridge::body::Held;
use crate::bridge::modern::check_parameters;
use crate::bridge::programs::Programs;
use crate::bridge::reply::{self, Refusal, Reply, code};
use crate::front::tools::Tools;
use crate::message::{Kind, Message, Place};
use crate::program::{Input, Line, Output, Program};
use bytes::Bytes;
use calls::{Calls, Routed, cancel};
use hyper::StatusCode;
use hyper::body::{Body, Frame};
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Some programs of older revisions do not answer what they do not know. Their clients wait for a refusal.
const DISCOVER: Duration = Duration::from_secs(20);

/// How long a refusal of `server/discover` is remembered. The program may be installed anew meanwhile.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A program that closed its standard input has this long to exit: how it ended tells more.
const EXIT: Duration = Duration::from_secs(2);
/// Cancel notifications, and answers to requests of the program, that wait while the program does not read. Further ones are
/// dropped. Each has about as many bytes as its id, and that has at most 4 KiB.
const WAITING_LINES: usize = 1000;

/// The program, if it runs.
pub(super) struct Shared {
    programs: Rc<Programs>,
    /// The error with which a program refused the bridge's own `server/discover`, and when.
    refusal: RefCell<Option<(Message, Instant)>>,
    is_making_sure: Cell<bool>,
    running: RefCell<Option<Rc<Running>>>,
}

/// The running program.
struct Running {
    calls: RefCell<Calls>,
    /// What the program said about its tools.
    tools: RefCell<Tools>,
    /// Taken away when the program is to end: this closes its standard input.
    input: RefCell<Option<Input>>,
    /// Lines of the bridge itself that wait for the program.
    waiting: Cell<usize>,
    stop: Notify,
    /// How long what the program sends for a cancelled request is expected.
    cancelled: Duration,
    /// Whether a request other than `server/discover` was written and none was answered.
    is_awaited: Cell<bool>,
    has_answered: Cell<bool>,
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

    /// A program that refuses this is of an older revision. Its clients know by the status, and begin with `initialize`.
    async fn discover(self: &Rc<Self>, request: &Message) -> Reply {
        let status = StatusCode::BAD_REQUEST;
        self.refusal.borrow_mut().take_if(|(_, since)| since.elapsed() >= REMEMBERED);
        if let Some((refusal, _)) = &*self.refusal.borrow() {
            let id = request.raw(Place::Id).unwrap_or("null");
            return reply::json(status, refusal.with(&[(Place::Id, id)]));
        }
        let running = match self.running() {
            Ok(running) => running,
            Err(reason) => return reply::json(status, failed(request, code::SERVER, &reason)),
        };
        let Some(answer) = running.answer_to_discover(request).await else {
            let reason = "Method not found: the MCP server did not answer `server/discover`";
            return reply::json(status, failed(request, code::METHOD_NOT_FOUND, reason));
        };
        if answer.error_code().is_none() {
            return reply::json(StatusCode::OK, answer.text().clone());
        }
        if is_refusal(&answer) && !self.is_making_sure.replace(true) {
            let shared = self.clone();
            self.programs.spawn(async move {
                tokio::select! {
                    () = shared.make_sure(&running) => {}
                    _ = shared.programs.ending() => {}
                }
                shared.is_making_sure.set(false);
            });
        }
        reply::json(status, answer.text().clone())
    }

    /// The refusal may be due to the client's request, or to what the program was sent before. So a request without faults is
    /// sent to the program, and if it is refused too, to a new one. If both refuse it, later clients are given the refusal
    /// without asking the program, which is ended. If the new one does not, the program is ended, and started again by the next
    /// request.
    async fn make_sure(&self, running: &Rc<Running>) {
        let request = discover_request();
        let Ok(message) = Message::read(&request) else { return };
        if !running.answer_to_discover(&message).await.is_some_and(|answer| is_refusal(&answer)) {
            return;
        }
        let Some(answer) = self.programs.ask(&request, DISCOVER).await else { return };
        if is_refusal(&answer) {
            self.refusal.replace(Some((answer, Instant::now())));
            if !running.calls.borrow().is_empty() {
                return;
            }
        }
        running.stop.notify_one();
    }

    fn running(self: &Rc<Self>) -> Result<Rc<Running>, String> {
        if let Some(running) = &*self.running.borrow() {
            return Ok(running.clone());
        }
        let (program, input, output) = self.programs.start()?;
        // 48 random bits.
        let (_, last) = Uuid::new_v4().as_u64_pair();
        let running = Rc::new(Running {
            calls: RefCell::new(Calls::new(last & 0xffff_ffff_ffff)),
            tools: RefCell::default(),
            input: RefCell::new(Some(input.clone())),
            waiting: Cell::new(0),
            stop: Notify::new(),
            cancelled: self.programs.times.cancelled,
            is_awaited: Cell::new(false),
            has_answered: Cell::new(false),
        });
        self.running.replace(Some(running.clone()));
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

// === impl Running ===

impl Running {
    /// Passes on what the program sends, until it ends. Returns how.
    async fn read(self: &Rc<Self>, programs: &Rc<Programs>, output: &mut Output) -> String {
        loop {
            let message = match output.next().await {
                Line::Message(message) => message,
                Line::End(how) => {
                    if self.is_awaited.get() && !self.has_answered.get() {
                        programs.doubt_start();
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
                Routed::Call(number) if self.calls.borrow().lists_tools(number) => {
                    self.tools.borrow_mut().learn(message.text());
                }
                Routed::Call(_) | Routed::Dropped => {}
                Routed::Reply(text) => self.write(text),
                Routed::Cancel(number) => self.cancel(number),
            }
        }
    }

    fn open(self: &Rc<Self>, request: &Message, held: Option<Held>, may_cancel: bool) -> Call {
        let (number, text) = self.calls.borrow_mut().open(request);
        self.is_awaited.set(self.is_awaited.get() || may_cancel);
        let input = self.input.borrow().clone();
        let queue = async move {
            // If the program is gone, its task ends what is open.
            let Some(input) = input else { return };
            let _ = input.begin(&text).await;
            drop(held);
        };
        Call { running: self.clone(), number, may_cancel, queue: Some(Box::pin(queue)) }
    }

    /// Asks the program for its revisions.
    async fn answer_to_discover(self: &Rc<Self>, request: &Message) -> Option<Message> {
        let mut call = self.open(request, None, false);
        timeout(DISCOVER, call.first()).await.ok()?;
        Message::read(&call.take_answer()?).ok()
    }

    /// Writes a line of the bridge itself.
    fn write(self: &Rc<Self>, text: Bytes) {
        let Some(input) = self.input.borrow().clone() else { return };
        if self.waiting.get() >= WAITING_LINES {
            return;
        }
        self.waiting.set(self.waiting.get() + 1);
        let running = self.clone();
        spawn_local(async move {
            // If the program is gone, its task ends what is open.
            let _ = input.begin(&text).await;
            running.waiting.set(running.waiting.get() - 1);
        });
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
    /// What is left to do until the request will be written.
    queue: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

// === impl Call ===

impl Call {
    /// Waits for the first message, or the end.
    async fn first(&mut self) {
        poll_fn(|context| {
            self.poll_queue(context);
            self.running.calls.borrow_mut().poll_first(self.number, context)
        })
        .await;
    }

    fn poll_queue(&mut self, context: &mut Context<'_>) {
        self.queue.take_if(|queue| queue.as_mut().poll(context).is_ready());
    }

    /// The answer, if nothing comes before it.
    fn take_answer(&mut self) -> Option<Bytes> {
        self.running.calls.borrow_mut().take_answer(self.number)
    }
}

impl Body for Call {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_queue(context);
        let next = self.running.calls.borrow_mut().poll_next(self.number, context);
        next.map(|message| message.map(|text| Ok(Frame::data(crate::bridge::event::text_without_id(&text)))))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.queue.is_some() {
            // The program does not know of it.
            self.running.calls.borrow_mut().forget(self.number);
            return;
        }
        let is_open = self.running.calls.borrow_mut().leave(self.number);
        if is_open && self.may_cancel {
            self.running.cancel(self.number);
        } else if is_open {
            self.running.forget_later(self.number);
        }
    }
}

/// How programs of older revisions answer `server/discover`.
fn is_refusal(answer: &Message) -> bool {
    matches!(answer.error_code(), Some(code::METHOD_NOT_FOUND | code::INVALID_PARAMS))
}

fn discover_request() -> Bytes {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "mcp-sidecar", "version": env!("CARGO_PKG_VERSION")},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}).to_string().into()
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
