//! The audit log's file: whether it can be written at the start, and whether lines were lost later.
//!
//! Envoy writes the file (`bootstrap::audit`). A failed write does not affect the traffic, and Envoy only counts it.

use crate::admin::Admin;
use crate::environment::Settings;
use crate::problem::Problem;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, umask};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

const VARIABLE: &str = "MCP_AUDIT_LOG";
/// Interval at which Envoy is asked for failed writes.
const POLL: Duration = Duration::from_secs(2);

/// Not readable for others: the lines may name persons.
const MODE: u32 = 0o640;

/// The mask with which Envoy creates the files after a rotation. Programs do not have it: they could not enter the directories
/// that they create.
pub(crate) fn mask() -> Mode {
    Mode::from_bits_truncate(!MODE & 0o777)
}

/// A problem if the audit log cannot be opened for writing. A file that does not exist is created.
#[must_use]
pub fn refused_audit_log(settings: &Settings) -> Option<Problem> {
    let path = settings.audit_log.as_ref()?;
    let own_mask = umask(mask());
    // Without `O_NONBLOCK` a pipe that has no reader would block.
    let flags = nix::libc::O_NONBLOCK;
    let opened = OpenOptions::new().append(true).create(true).custom_flags(flags).open(path);
    umask(own_mask);
    let error = opened.err()?;
    let message = format!(
        "{:?} cannot be written ({error}); allowed: a file, which is created if it does not exist, or /dev/stdout",
        path.to_string_lossy()
    );
    Some(Problem::new(VARIABLE, message))
}

/// Makes this process append to its outputs, if there is an audit log. Envoy opens `/dev/stdout` anew: if it is a file, the lines
/// of this process would overwrite Envoy's lines at their own offset.
pub(crate) fn append_to_outputs(settings: &Settings) {
    if settings.audit_log.is_none() {
        return;
    }
    for output in [io::stdout().as_fd(), io::stderr().as_fd()] {
        // A failure is ignored: a closed output has no lines.
        let _ = fcntl(output, FcntlArg::F_GETFL)
            .and_then(|flags| fcntl(output, FcntlArg::F_SETFL(OFlag::from_bits_retain(flags) | OFlag::O_APPEND)));
    }
}

/// Prints one message when the first lines are lost, because the disk is full or the file could not be opened again.
pub(crate) fn report_lost_lines(settings: &Settings, admin: Admin, print: impl Fn(&str) + Send + 'static) {
    let Some(path) = settings.audit_log.clone() else { return };
    thread::spawn(move || {
        while admin.failed_writes() == 0 {
            thread::sleep(POLL);
        }
        let path = path.to_string_lossy();
        print(&format!("{VARIABLE}: Envoy cannot write {path:?}; lines are lost until it can. This is reported once"));
    });
}
