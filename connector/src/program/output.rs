//! The standard output of a program: JSON-RPC messages, one on each line.
//!
//! What is no message is skipped, and told once for each program without its text, which may hold secrets. While
//! [`Output::next`] is not polled, nothing is read, so that the program waits once its pipe is full.

use super::end::{HowItEnded, State, ask};
use super::errors::Errors;
use super::lines::{Lines, Next};
use crate::message::{Body, Message};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::process::ChildStdout;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// After the program has exited, a process that it left behind may hold the pipe. It is read until this long nothing came.
/// After the program closed its standard output, it has this long to exit.
const QUIET: Duration = Duration::from_secs(1);
/// At most this much is read after the exit. A pipe holds 64 KiB, at most 1 MiB: more comes from a process that was left behind.
const AFTER_EXIT_BYTES: usize = 1024 * 1024;
/// All programs share a thread. After so many lines, and after each read, others have their turn: a program may write without
/// a pause.
const LINES_IN_TURN: u32 = 32;

/// What a program wrote.
#[derive(Debug)]
pub(crate) enum Line {
    /// A message.
    Message(Message),
    /// The program has ended, and no message comes after this.
    End(HowItEnded),
}

/// Reads from a program.
pub(crate) struct Output {
    stdout: ChildStdout,
    lines: Lines,
    line_bytes: usize,
    /// Messages of a batch that was read.
    messages: VecDeque<Message>,
    lines_in_turn: u32,
    name: String,
    errors: Errors,
    has_told: bool,
    state: watch::Sender<State>,
    after_exit: AfterExit,
    end: Option<HowItEnded>,
}

/// What came after the exit, or after the end of the output.
#[derive(Default)]
struct AfterExit {
    bytes: usize,
    until: Option<Instant>,
    is_closed: bool,
}

// === impl Output ===

impl Output {
    pub(super) fn new(
        stdout: ChildStdout,
        line_bytes: usize,
        name: String,
        errors: Errors,
        state: watch::Sender<State>,
    ) -> Self {
        Self {
            stdout,
            lines: Lines::new(line_bytes),
            line_bytes,
            messages: VecDeque::new(),
            lines_in_turn: 0,
            name,
            errors,
            has_told: false,
            state,
            after_exit: AfterExit::default(),
            end: None,
        }
    }

    /// The next message, or the end of the program, which is then returned again by each call. The program is asked to end
    /// when that is returned. If the future is dropped, no message is lost.
    pub(crate) async fn next(&mut self) -> Line {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Line::Message(message);
            }
            if let Some(how) = &self.end {
                return Line::End(how.clone());
            }
            match self.lines.next() {
                Next::Line(line) => {
                    self.take(&line);
                    self.lines_in_turn += 1;
                    if self.lines_in_turn >= LINES_IN_TURN {
                        self.lines_in_turn = 0;
                        yield_now().await;
                    }
                }
                Next::TooLong => {
                    // Not kept until the output is dropped.
                    drop(self.lines.rest());
                    self.finish(HowItEnded::LineTooLong(self.line_bytes));
                }
                Next::More => self.read().await,
            }
        }
    }

    /// Reads more bytes, or finds out that the program has ended.
    async fn read(&mut self) {
        if !self.after_exit.is_closed {
            match read_until_exit(&mut self.lines, &mut self.stdout, &mut self.state.subscribe(), &mut self.after_exit)
                .await
            {
                Ok(Some(1..)) => return yield_now().await,
                // What an error means is not known, and there is no other way to go on.
                Ok(Some(0)) | Err(_) => {
                    self.after_exit = AfterExit { is_closed: true, ..AfterExit::default() };
                }
                Ok(None) => {}
            }
        }
        let how = exit(&mut self.state.subscribe(), &mut self.after_exit.until).await;
        let rest = self.lines.rest();
        self.take(&rest);
        self.finish(how.unwrap_or(HowItEnded::ClosedOutput));
    }

    /// Takes the messages of a line. An array is a batch, which 2025-03-26 allows.
    fn take(&mut self, line: &Bytes) {
        let body = match line.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return,
            Some(b'{' | b'[') => Body::read(line).ok(),
            // Not read at all: a program may write very many short lines.
            Some(_) => None,
        };
        match body {
            Some(Body::Single(message)) => self.messages.push_back(message),
            Some(Body::Batch(messages)) => self.messages.extend(messages),
            None if self.has_told => {}
            None => {
                self.has_told = true;
                self.errors.say(&format!(
                    "{}: a line of {} bytes on its standard output is not a JSON-RPC message and was skipped. Logs belong on \
                     standard error. Further such lines are skipped without a message. To see them, run the command in a \
                     terminal.",
                    self.name,
                    line.len()
                ));
            }
        }
    }

    fn finish(&mut self, how: HowItEnded) {
        ask(&self.state);
        self.end = Some(how);
    }
}

/// Reads. `None`: the program has exited, and all that it wrote was read.
async fn read_until_exit(
    lines: &mut Lines,
    stdout: &mut ChildStdout,
    state: &mut watch::Receiver<State>,
    after: &mut AfterExit,
) -> io::Result<Option<usize>> {
    let has_exited = state.borrow().exit().is_some();
    if has_exited && after.bytes >= AFTER_EXIT_BYTES {
        return Ok(None);
    }
    let length = tokio::select! {
        biased;
        length = lines.read(stdout) => length?,
        () = quiet_after_exit(state, &mut after.until) => return Ok(None),
    };
    after.until = None;
    if has_exited {
        after.bytes += length;
    }
    Ok(Some(length))
}

/// Waits for the exit, and then until `until`, which is set here: the future may be dropped and begun anew.
async fn quiet_after_exit(state: &mut watch::Receiver<State>, until: &mut Option<Instant>) {
    // The sender is in `Output`.
    let _ = state.wait_for(|state| state.exit().is_some()).await;
    sleep_until(*until.get_or_insert_with(|| Instant::now() + QUIET)).await;
}

/// How the program exited. `None` if it did not within the time.
async fn exit(state: &mut watch::Receiver<State>, until: &mut Option<Instant>) -> Option<HowItEnded> {
    let until = *until.get_or_insert_with(|| Instant::now() + QUIET);
    let state = tokio::time::timeout_at(until, state.wait_for(|state| state.exit().is_some())).await.ok()?.ok()?;
    state.exit().cloned()
}
