//! The end of a program: SIGTERM to its process group, SIGKILL after some time, always waited for.
//!
//! A program that exits by itself leaves its process group behind; the same signals end that too. A process that left the
//! group (`setsid`) is not followed. Between the end of the program and the last signal the number of the group cannot
//! belong to other processes, because it is in use while the group has members.

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The kernel does not tell when a process group is empty. The first look comes after this time, each other after twice the
/// time of the one before.
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// Looks from this pause on also ask whether the members still run. Members that have exited are usually gone before.
const SECOND_CHECK: Duration = Duration::from_millis(40);
/// After SIGKILL, members have this long to go. One that cannot (a file system that does not answer) is left.
const AFTER_SIGKILL: Duration = Duration::from_secs(1);

/// How far a program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs.
    Running,
    /// It has to end.
    Ending,
    /// It was waited for. Its process group may have members.
    Exited(HowItEnded),
    /// Its process group is gone too.
    Gone(HowItEnded),
}

/// How a program ended. The text continues "the program ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HowItEnded {
    /// It exited with this status.
    Status(i32),
    /// This signal ended it.
    Signal(i32),
    /// It closed its standard input and lived on.
    ClosedInput,
    /// It closed its standard output and lived on.
    ClosedOutput,
    /// It wrote a line of more than this many bytes.
    LineTooLong(usize),
    /// Its end could not be observed.
    Unknown,
}

// === impl State ===

impl State {
    pub(super) fn is_running(&self) -> bool {
        *self == Self::Running
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone(_))
    }

    /// How the process ended, if it was waited for.
    pub(super) fn exit(&self) -> Option<&HowItEnded> {
        match self {
            Self::Exited(how) | Self::Gone(how) => Some(how),
            Self::Running | Self::Ending => None,
        }
    }
}

// === impl HowItEnded ===

impl HowItEnded {
    fn of(status: io::Result<ExitStatus>) -> Self {
        let Ok(status) = status else { return Self::Unknown };
        let by_signal = || status.signal().map(Self::Signal);
        status.code().map(Self::Status).or_else(by_signal).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for HowItEnded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "exited with status {status}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(formatter, "was ended by signal {number} ({signal})"),
                Err(_) => write!(formatter, "was ended by signal {number}"),
            },
            Self::ClosedInput => formatter.write_str("closed its standard input"),
            Self::ClosedOutput => formatter.write_str("closed its standard output"),
            Self::LineTooLong(limit) => write!(formatter, "wrote a line of more than {limit} bytes"),
            Self::Unknown => formatter.write_str("ended"),
        }
    }
}

/// Asks that a program is ended.
pub(super) fn ask(state: &watch::Sender<State>) {
    state.send_if_modified(|state| {
        let is_running = state.is_running();
        if is_running {
            *state = State::Ending;
        }
        is_running
    });
}

/// Waits until a program exits or has to end, and then ends it and its process group.
pub(super) async fn supervise(mut child: Child, id: Pid, state: watch::Sender<State>, grace: Duration) {
    let mut group = Group { id, is_gone: false };
    let mut asked = state.subscribe();
    let exited = tokio::select! {
        biased;
        status = child.wait() => Some(status),
        _ = asked.wait_for(|state| !state.is_running()) => None,
    };
    group.signal(Signal::SIGTERM);
    let deadline = Instant::now() + grace;
    let exited = match exited {
        None => timeout_at(deadline, child.wait()).await.ok(),
        exited => exited,
    };
    let status = match exited {
        Some(status) => status,
        None => {
            group.signal(Signal::SIGKILL);
            // It may have joined another group.
            let _ = child.start_kill();
            child.wait().await
        }
    };
    let how = HowItEnded::of(status);
    state.send_replace(State::Exited(how.clone()));
    if !group.is_empty_by(deadline).await {
        group.signal(Signal::SIGKILL);
        group.is_empty_by(Instant::now() + AFTER_SIGKILL).await;
    }
    group.is_gone = true;
    state.send_replace(State::Gone(how));
}

/// The process group of a program. What is left of it is killed when this is dropped, as it is when the runtime ends.
struct Group {
    id: Pid,
    is_gone: bool,
}

// === impl Group ===

impl Group {
    /// Sends a signal to all members. A failure is ignored: there are none then.
    fn signal(&self, signal: Signal) {
        let _ = killpg(self.id, signal);
    }

    /// Waits until no process is left, at most until `deadline`. The program itself was waited for.
    async fn is_empty_by(&self, deadline: Instant) -> bool {
        let mut pause = FIRST_LOOK;
        loop {
            self.reap();
            if killpg(self.id, None).is_err() || (pause >= SECOND_CHECK && !self.has_running_members()) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
            pause *= 2;
        }
    }

    /// Whether there are members other than those that have exited and wait for their parent, which may never come for them.
    /// Reads the state of all processes of this machine: some milliseconds.
    fn has_running_members(&self) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else { return true };
        let group = self.id.to_string();
        processes.flatten().any(|process| {
            let stat = fs::read(process.path().join("stat")).unwrap_or_default();
            let stat = String::from_utf8_lossy(&stat);
            // After the name, which may contain anything: state, parent, group.
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
            let state = fields.next();
            fields.nth(1) == Some(group.as_str()) && !matches!(state, Some("Z" | "X"))
        })
    }

    /// Waits for members whose parent has exited. They are children of this process if it is the first of its PID namespace,
    /// as in a container.
    fn reap(&self) {
        let group = Pid::from_raw(-self.id.as_raw());
        while waitpid(group, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_gone {
            self.signal(Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HowItEnded;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn end_is_told_in_words() {
        let cases =
            [(3 << 8, "exited with status 3"), (9, "was ended by signal 9 (SIGKILL)"), (64, "was ended by signal 64")];
        for (status, text) in cases {
            assert_eq!(HowItEnded::of(Ok(ExitStatus::from_raw(status))).to_string(), text);
        }
        assert_eq!(HowItEnded::LineTooLong(67_108_864).to_string(), "wrote a line of more than 67108864 bytes");
        assert_eq!(HowItEnded::ClosedOutput.to_string(), "closed its standard output");
    }
}
