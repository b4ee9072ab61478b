//! A program as a child process: lines on its standard input and output are JSON-RPC messages.
//!
//! Specification: the stdio transport of MCP 2024-11-05 to 2026-07-28. The program is started directly, without a shell. It
//! leads a process group of its own, so that a signal reaches what it started too. [`Output`] gives its messages, [`Input`]
//! takes the messages for it, and its standard error goes to [`Errors`]. It ends when it exits, when [`Program::end`] is
//! called, when [`Program`] is dropped, or when its output cannot be followed any more.
//!
//! **What this does not do:** know methods, ids or sessions. Cost: two tasks and about 80 KiB of memory for each program.

mod command;
mod end;
mod errors;
mod input;
mod lines;
mod output;
mod standard_error;

pub use command::Command;
pub(crate) use end::HowItEnded;
use end::{State, supervise};
pub use errors::Errors;
pub(crate) use input::{Gone, Input};
use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
pub(crate) use output::{Line, Output};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::watch;

/// A program has this long to end after SIGTERM. Then it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A running program. It is ended when this is dropped.
pub(crate) struct Program {
    #[cfg(test)]
    id: u32,
    name: String,
    state: watch::Sender<State>,
}

// === impl Program ===

impl Program {
    /// Starts a program. Messages of more than `line_bytes` end it.
    ///
    /// The kernel kills the program when the *thread* that called this ends (`PR_SET_PDEATHSIG`), not when the process ends.
    /// So this must be called on a thread that lives as long as the process: the bridge's, and never one of a pool. The
    /// thread needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// The program cannot be started. The reason is for a message after the command's text.
    pub(crate) fn start(command: &Command, line_bytes: usize, errors: &Errors) -> io::Result<(Self, Input, Output)> {
        Self::start_with(command, line_bytes, errors, GRACE)
    }

    fn start_with(
        command: &Command,
        line_bytes: usize,
        errors: &Errors,
        grace: Duration,
    ) -> io::Result<(Self, Input, Output)> {
        let mut child = spawn(command).map_err(|error| command.explain(error))?;
        let (Some(stdin), Some(stdout), Some(stderr), Some(id)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take(), child.id())
        else {
            return Err(io::Error::other("started without pipes"));
        };
        let name = format!("{} {id}", command.name());
        let state = watch::Sender::new(State::Running);
        tokio::spawn(supervise(child, Pid::from_raw(id.cast_signed()), state.clone(), grace));
        tokio::spawn(standard_error::copy(stderr, format!("[{name}] "), errors.clone(), state.subscribe()));
        let input = Input::start(stdin, state.subscribe());
        let output = Output::new(stdout, line_bytes, name.clone(), errors.clone(), state.clone());
        let program = Self {
            #[cfg(test)]
            id,
            name,
            state,
        };
        Ok((program, input, output))
    }

    /// Its file name and process id, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The process id, which is also the id of the process group.
    #[cfg(test)]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Ends the program and its process group, and waits until they are gone: closes standard input, sends SIGTERM, and
    /// after 5 s SIGKILL. Returns at once if they are gone already.
    pub(crate) async fn end(&mut self) {
        end::ask(&self.state);
        // An error means that the sender is gone, and it is in `self`.
        let _ = self.state.subscribe().wait_for(State::is_gone).await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        end::ask(&self.state);
    }
}

/// Starts the process. All other file descriptors of this process are closed in it: Rust opens each with `O_CLOEXEC`.
fn spawn(command: &Command) -> io::Result<tokio::process::Child> {
    let parent = getpid();
    let mut process = tokio::process::Command::new(command.program());
    process
        .arg0(command.word())
        .args(command.arguments())
        .env_clear()
        .envs(command.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; prctl and getppid are, and nothing is allocated.
    unsafe {
        process.pre_exec(move || {
            set_pdeathsig(Signal::SIGKILL)?;
            // If the parent ended before the call above, no signal comes.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
    process.spawn()
}

#[cfg(test)]
mod tests;
