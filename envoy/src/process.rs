//! Envoy as a child process: started, signalled, waited for.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, PipeReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use tempfile::NamedTempFile;

use crate::bootstrap::AUTHORIZATION_VARIABLE;
use crate::environment::Settings;
use crate::forward_proxy::ForwardProxy;
use serde_json::Value;

/// A running Envoy.
pub(crate) struct Process {
    id: Pid,
    // Only this user can read it, and it goes when Envoy has read it: it may hold a hash key.
    bootstrap: Option<NamedTempFile>,
}

// === impl Process ===

impl Process {
    /// Starts Envoy. The child is for the thread that waits for its end, the pipe has what Envoy tells while it runs.
    ///
    /// # Errors
    ///
    /// The bootstrap cannot be written to the directory for temporary files, or Envoy does not start.
    pub(crate) fn start(settings: &Settings, bootstrap: &Value) -> io::Result<(Self, Child, PipeReader)> {
        let mut file = tempfile::Builder::new().prefix("mcp-sidecar-").suffix(".json").tempfile()?;
        serde_json::to_writer(&mut file, bootstrap)?;
        file.flush()?;
        let mut command = Command::new(&settings.envoy.program);
        command
            .arg("--config-path")
            .arg(file.path())
            .args(["--concurrency", &settings.concurrency.to_string()])
            .args(["--log-level", &settings.log_level])
            // Every answer of a drain ends its connection, not a share that grows with time.
            .args(["--drain-strategy", "immediate"])
            // Nothing is shared with other Envoys of this machine: no base id, no shared memory.
            .arg("--disable-hot-restart")
            // A group of its own: an interrupt from the terminal reaches the launcher alone, which drains.
            .process_group(0);
        if let Some(authorization) = settings.proxy().and_then(ForwardProxy::authorization) {
            command.env(AUTHORIZATION_VARIABLE, authorization);
        }
        let (notices, writer) = io::pipe()?;
        command.stdin(writer);
        end_with_this_process(&mut command);
        let child = command.spawn()?;
        let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        Ok((Self { id, bootstrap: Some(file) }, child, notices))
    }

    /// The bootstrap, until it is removed.
    pub(crate) fn bootstrap(&self) -> Option<&Path> {
        self.bootstrap.as_ref().map(NamedTempFile::path)
    }

    /// Removes the bootstrap, which Envoy reads only once.
    pub(crate) fn forget_bootstrap(&mut self) {
        self.bootstrap = None;
    }

    /// Sends a signal; one that finds no process is as good as delivered.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(self.id, signal);
    }
}

/// A launcher that is killed takes Envoy with it, which else would hold the ports with nobody to drain it.
fn end_with_this_process(command: &mut Command) {
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; prctl is one, and nothing is allocated.
    unsafe {
        command.pre_exec(|| set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from));
    }
}

/// A child's status as a shell would give it: its own, or 128 and the signal that ended it.
pub(crate) fn shell_status(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::shell_status;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    #[test]
    fn ok_statuses() {
        assert_eq!(shell_status(ExitStatus::from_raw(0)), 0);
        assert_eq!(shell_status(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(shell_status(ExitStatus::from_raw(9)), 137);
    }
}
