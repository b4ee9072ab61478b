//! Envoy as a child process.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use std::fs;
use std::io::{self, PipeReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use tempfile::NamedTempFile;

use super::audit_log;
use crate::abandoned::{SETTING_UP, is_abandoned_file, is_older_than};
use crate::bootstrap::AUTHORIZATION_VARIABLE;
use crate::console;
use crate::environment::{ForwardProxy, Settings};
use crate::temporary;
use serde_json::Value;

/// Begin and end of the bootstrap file's name. Envoy knows the format by the end.
const BOOTSTRAP: (&str, &str) = ("mcp-sidecar-bootstrap-", ".json");

/// A running Envoy.
pub(crate) struct Process {
    id: Pid,
    // Readable by this user only, locked, and removed after Envoy has read it: it has the hash key if the
    // file of MCP_FILTER_CONFIG has it. Of MCP_HASH_KEY it has only the name.
    bootstrap: Option<NamedTempFile>,
}

// === impl Process ===

impl Process {
    /// Starts Envoy. Returns also the child, to wait for its exit, and the pipe to which Envoy writes its notices.
    ///
    /// # Errors
    ///
    /// The bootstrap cannot be written to the directory for temporary files, or Envoy does not start.
    pub(crate) fn start(settings: &Settings, bootstrap: &Value) -> io::Result<(Self, Child, PipeReader)> {
        let directory = temporary::directory(std::env::var_os(temporary::VARIABLE));
        remove_abandoned(&directory);
        let mut file = tempfile::Builder::new().prefix(BOOTSTRAP.0).suffix(BOOTSTRAP.1).tempfile_in(directory)?;
        file.as_file().try_lock()?;
        serde_json::to_writer(&mut file, bootstrap)?;
        file.flush()?;
        let mut command = Command::new(&settings.envoy.program);
        command
            .arg("--config-path")
            .arg(file.path())
            .args(["--concurrency", &settings.concurrency.to_string()])
            .args(["--log-level", &settings.log_level])
            // During a drain each response closes its connection. The default closes a share that grows with time.
            .args(["--drain-strategy", "immediate"])
            // Lines of access logs are written within this time; the default is 10 s.
            .args(["--file-flush-interval-msec", "500"])
            // No base id and no shared memory, which other Envoys of this machine might use.
            .arg("--disable-hot-restart")
            // A separate process group: Ctrl-C in the terminal reaches only the launcher, which drains.
            .process_group(0);
        if let Some(authorization) = settings.proxy().and_then(ForwardProxy::authorization) {
            command.env(AUTHORIZATION_VARIABLE, authorization);
        }
        let (notices, writer) = io::pipe()?;
        command.stdin(writer);
        if settings.is_stdio {
            // Standard output carries MCP alone.
            let (lines, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            thread::spawn(move || console::copy_lines(lines));
        }
        prepare_child(&mut command, settings.audit_log.as_ref().map(|_| audit_log::mask()));
        let child = command.spawn()?;
        let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        Ok((Self { id, bootstrap: Some(file) }, child, notices))
    }

    /// The bootstrap file, until it is removed.
    pub(crate) fn bootstrap(&self) -> Option<&Path> {
        self.bootstrap.as_ref().map(NamedTempFile::path)
    }

    /// Removes the bootstrap file, which Envoy reads once.
    pub(crate) fn remove_bootstrap(&mut self) {
        self.bootstrap = None;
    }

    /// Sends a signal. A failure is ignored: the process has exited then.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(self.id, signal);
    }
}

/// Removes the bootstrap files of launchers that were killed before Envoy had read them.
fn remove_abandoned(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let is_bootstrap = name.starts_with(BOOTSTRAP.0) && name.ends_with(BOOTSTRAP.1);
        if is_bootstrap && is_older_than(&path, SETTING_UP) && is_abandoned_file(&path) {
            // A failure is ignored: another launcher removed it.
            let _ = fs::remove_file(path);
        }
    }
}

/// Ends Envoy when the launcher is killed. Otherwise Envoy would keep the ports, and no process would drain it. Sets the mask of
/// the files that Envoy creates.
fn prepare_child(command: &mut Command, mask: Option<Mode>) {
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; these are, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if let Some(mask) = mask {
                umask(mask);
            }
            set_pdeathsig(Signal::SIGTERM).map_err(io::Error::from)
        });
    }
}

/// A child's exit status as a shell returns it: its own, or 128 plus the signal that ended it.
pub(crate) fn shell_status(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(number).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::{remove_abandoned, shell_status};
    use std::fs::{self, File};
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::{Duration, SystemTime};

    #[test]
    fn bootstrap_of_a_killed_launcher_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let names = ["mcp-sidecar-bootstrap-a.json", "mcp-sidecar-bootstrap-b.json", "mcp-sidecar-c.json"];
        let files = names.map(|name| File::create(directory.path().join(name)).unwrap());
        files.iter().for_each(|file| file.set_modified(an_hour_ago).unwrap());
        let new = directory.path().join("mcp-sidecar-bootstrap-new.json");
        fs::write(&new, "").unwrap();
        files[0].try_lock().unwrap();
        remove_abandoned(directory.path());
        let is_left = names.map(|name| directory.path().join(name).exists());
        assert_eq!((is_left, new.exists()), ([true, false, true], true));
    }

    #[test]
    fn exit_status_or_128_plus_signal() {
        assert_eq!(shell_status(ExitStatus::from_raw(0)), 0);
        assert_eq!(shell_status(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(shell_status(ExitStatus::from_raw(9)), 137);
    }
}
