//! The program while it runs: what it sends, and what is written to it.

use super::call::Call;
use super::calls::{Calls, Routed, cancel};
use crate::bridge::body::Held;
use crate::bridge::programs::Programs;
use crate::message::{Kind, Message};
use crate::program::{Input, Line, Output};
use crate::tools::Tools;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::sleep;
use uuid::Uuid;

/// Cancel notifications, and answers to requests of the program, that wait while the program does not read. Further ones are
/// dropped. Each has about as many bytes as its id, and that has at most 4 KiB.
const WAITING_LINES: usize = 1000;

/// The running program.
pub(super) struct Running {
    pub(super) calls: RefCell<Calls>,
    /// What the program said about its tools.
    pub(super) tools: RefCell<Tools>,
    /// Taken away when the program is to end: this closes its standard input.
    pub(super) input: RefCell<Option<Input>>,
    /// Lines of the bridge itself that wait for the program.
    waiting: Cell<usize>,
    pub(super) stop: Notify,
    /// How long what the program sends for a cancelled request is expected.
    cancelled: Duration,
    /// Whether a request other than `server/discover` was written and none was answered.
    is_awaited: Cell<bool>,
    has_answered: Cell<bool>,
    has_sent: Cell<bool>,
}

// === impl Running ===

impl Running {
    pub(super) fn new(input: Input, cancelled: Duration) -> Self {
        // 48 random bits.
        let (_, last) = Uuid::new_v4().as_u64_pair();
        Self {
            calls: RefCell::new(Calls::new(last & 0xffff_ffff_ffff)),
            tools: RefCell::default(),
            input: RefCell::new(Some(input)),
            waiting: Cell::new(0),
            stop: Notify::new(),
            cancelled,
            is_awaited: Cell::new(false),
            has_answered: Cell::new(false),
            has_sent: Cell::new(false),
        }
    }

    /// Passes on what the program sends, until it ends. Returns how.
    pub(super) async fn read(self: &Rc<Self>, programs: &Rc<Programs>, output: &mut Output) -> String {
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
            self.has_sent.set(true);
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

    /// Whether it runs and has sent no message.
    pub(super) fn is_silent(&self) -> bool {
        self.input.borrow().is_some() && !self.has_sent.get()
    }

    /// Gives a request to the program.
    pub(super) fn open(self: &Rc<Self>, request: &Message, held: Option<Held>, may_cancel: bool) -> Call {
        let (number, text) = self.calls.borrow_mut().open(request);
        self.is_awaited.set(self.is_awaited.get() || may_cancel);
        let input = self.input.borrow().clone();
        let queue = async move {
            // If the program is gone, its task ends what is open.
            let Some(input) = input else { return };
            let _ = input.begin(&text).await;
            drop(held);
        };
        Call::new(self.clone(), number, may_cancel, queue)
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

    pub(super) fn cancel(self: &Rc<Self>, number: u64) {
        self.write(cancel(number));
        self.forget_later(number);
    }

    pub(super) fn forget_later(self: &Rc<Self>, number: u64) {
        let running = self.clone();
        spawn_local(async move {
            sleep(running.cancelled).await;
            running.calls.borrow_mut().forget(number);
        });
    }
}
