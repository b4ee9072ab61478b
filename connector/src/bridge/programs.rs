//! The programs of a bridge: starts them, counts them, and knows whether starting them works.
//!
//! While the last start failed, a start is tried again from time to time, so that the health check tells when it works.

use crate::bridge::{Settings, Times};
use crate::message::{Id, Kind, Message};
use crate::program::{Errors, HowItEnded, Input, Line, Output, Program};
use bytes::Bytes;
use serde_json::json;
use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// What all programs of a bridge have in common.
pub(super) struct Programs {
    pub(super) settings: Settings,
    pub(super) times: Times,
    errors: Errors,
    running: Cell<usize>,
    one_ended: Notify,
    is_ending: watch::Sender<bool>,
    has_failed: Cell<bool>,
    is_trying: Cell<bool>,
}

// === impl Programs ===

impl Programs {
    pub(super) fn new(settings: Settings, times: Times, errors: Errors) -> Self {
        let (running, one_ended, is_ending, has_failed, is_trying) = Default::default();
        Self { settings, times, errors, running, one_ended, is_ending, has_failed, is_trying }
    }

    /// Starts a program. The error is for the client.
    pub(super) fn start(self: &Rc<Self>) -> Result<(Program, Input, Output), String> {
        if *self.is_ending.borrow() {
            return Err(ENDING.to_owned());
        }
        Program::start(&self.settings.command, self.settings.line_bytes, &self.errors).map_err(|error| {
            self.start_failed();
            self.tell(&format!("cannot be started: {error}"))
        })
    }

    /// Runs the task of a program, which [`Programs::end`] waits for.
    pub(super) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        let programs = self.clone();
        self.running.set(self.running.get() + 1);
        spawn_local(async move {
            task.await;
            programs.running.set(programs.running.get() - 1);
            programs.one_ended.notify_one();
        });
    }

    /// Writes a message to standard error.
    pub(super) fn say(&self, text: &str) {
        self.errors.say(text);
    }

    /// How a program ended, as a client is told.
    pub(super) fn ended(&self, how: &HowItEnded) -> String {
        format!("{}; its last lines, if any, are in the sidecar's standard error", self.tell(&how.to_string()))
    }

    /// Writes what happened to standard error, and returns it for the client. A client does not see the command's arguments, which
    /// may be secrets.
    pub(super) fn tell(&self, what: &str) -> String {
        let Settings { command, name, .. } = &self.settings;
        let server = |program: &str| match name {
            Some(name) => format!("the MCP server `{name}` ({program}) {what}"),
            None => format!("the MCP server `{program}` {what}"),
        };
        self.errors.say(&server(&command.text()));
        server(&command.name())
    }

    /// Tells the operator if `is_waiting` after some seconds: whether the program's first answer is still to come.
    pub(super) fn tell_if_silent(self: &Rc<Self>, program: &Program, is_waiting: impl Fn() -> bool + 'static) {
        let (programs, name, limit) = (self.clone(), program.name().to_owned(), self.times.silent);
        spawn_local(async move {
            sleep(limit).await;
            if is_waiting() {
                programs.say(&format!(
                    "{name} has not answered its first request for {} s. npx, uvx and docker download at their first start, \
                     which may take minutes. Otherwise: is it an MCP server on standard input and output?",
                    limit.as_secs()
                ));
            }
        });
    }

    /// Waits until the programs are to end. Returns why, as a client is told.
    pub(super) async fn ending(&self) -> String {
        // The sender is in `self`.
        let _ = self.is_ending.subscribe().wait_for(|is_ending| *is_ending).await;
        ENDING.to_owned()
    }

    /// Ends all programs and waits for them.
    pub(super) async fn end(&self) {
        self.is_ending.send_replace(true);
        while self.running.get() > 0 {
            self.one_ended.notified().await;
        }
    }

    /// Whether the last start worked.
    pub(super) fn is_healthy(&self) -> bool {
        !self.has_failed.get()
    }

    /// A program answered.
    pub(super) fn start_succeeded(&self) {
        self.has_failed.set(false);
    }

    /// A program could not be started, or ended before it answered.
    pub(super) fn start_failed(self: &Rc<Self>) {
        self.has_failed.set(true);
        if !self.is_trying.replace(true) {
            self.spawn(self.clone().try_until_healthy());
        }
    }

    /// The program that serves all clients ended before it answered a request. That may be due to the request, so a trial decides
    /// whether starting it works.
    pub(super) fn doubt_start(self: &Rc<Self>) {
        if self.is_trying.replace(true) {
            return;
        }
        let programs = self.clone();
        self.spawn(async move {
            let is_answered = tokio::select! {
                is_answered = programs.try_once() => is_answered,
                _ = programs.ending() => true,
            };
            programs.has_failed.set(!is_answered);
            programs.try_until_healthy().await;
        });
    }

    async fn try_until_healthy(self: Rc<Self>) {
        let again = async {
            while !self.is_healthy() {
                sleep(self.times.retry).await;
                if self.is_healthy() || self.try_once().await {
                    return;
                }
            }
        };
        tokio::select! {
            () = again => self.has_failed.set(false),
            _ = self.ending() => {}
        }
        self.is_trying.set(false);
    }

    /// Whether a program of its own answers `initialize`.
    async fn try_once(self: &Rc<Self>) -> bool {
        self.ask(&initialize(), self.times.trial).await.is_some()
    }

    /// Starts a program, sends it a request with the id 1, and ends it. Returns the answer, if it comes in time.
    pub(super) async fn ask(self: &Rc<Self>, request: &Bytes, limit: Duration) -> Option<Message> {
        let (mut program, input, mut output) = self.start().ok()?;
        let answer = async {
            // If the program is gone, its output tells.
            let _ = input.send(request).await;
            loop {
                match output.next().await {
                    Line::Message(message) if is_answer(&message) => return Some(message),
                    Line::Message(_) => {}
                    Line::End(_) => return None,
                }
            }
        };
        let answer = timeout(limit, answer).await.ok().flatten();
        drop(input);
        program.end().await;
        answer
    }
}

const ENDING: &str = "the sidecar ends";

fn initialize() -> Bytes {
    let client = json!({"name": "mcp-sidecar", "version": env!("CARGO_PKG_VERSION")});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string().into()
}

fn is_answer(message: &Message) -> bool {
    matches!(message.kind(), Kind::Result(id) | Kind::Error(Some(id)) if *id == Id::from(1))
}
