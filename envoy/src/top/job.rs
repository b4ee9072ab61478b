//! The signals of the live table: what ends it, and what a shell's job control stops and continues.

use nix::sys::signal::{Signal, raise};
use nix::unistd::{getpgrp, getsid};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which signals came.
#[derive(Default)]
pub(super) struct Job {
    ended: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
}

// === impl Job ===

impl Job {
    /// Catches the signals from now on.
    pub(super) fn new() -> io::Result<Self> {
        let job = Self::default();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&job.ended))?;
        }
        signal_hook::flag::register(SIGTSTP, Arc::clone(&job.stopped))?;
        signal_hook::flag::register(SIGCONT, Arc::clone(&job.continued))?;
        Ok(job)
    }

    /// Whether the command is to end.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether a signal asks for a stop, since the last question.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.swap(false, Ordering::Relaxed) && Self::can_stop()
    }

    /// Whether a shell can continue the command. A shell with job control gives each job a group of its own. In the group of the
    /// session's leader a stop would be for ever, which is why the kernel would ignore SIGTSTP.
    pub(super) fn can_stop() -> bool {
        getsid(None) != Ok(getpgrp())
    }

    /// Whether another stop than that of [`Self::stop`] is over, since the last question. The terminal may have changed.
    pub(super) fn is_continued(&self) -> bool {
        self.continued.swap(false, Ordering::Relaxed)
    }

    /// Stops the process, with all its threads, until SIGCONT.
    pub(super) fn stop(&self) -> io::Result<()> {
        raise(Signal::SIGSTOP)?;
        self.continued.store(false, Ordering::Relaxed);
        Ok(())
    }
}
