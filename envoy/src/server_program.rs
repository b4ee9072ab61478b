//! A server that is a program on standard input and output: its environment, its socket, the bridge that runs it.
//!
//! Envoy connects to the bridge by a Unix socket in a directory of its own, which only this user can enter: a client that
//! reached the socket would not be counted. The directory is removed at the end. A launcher that is killed leaves it, and
//! the next one removes it.

use crate::abandoned::{SETTING_UP, is_abandoned_directory, is_older_than, lock};
use mcp_connector::Bridge;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Prefix of the directory's name.
const PREFIX: &str = "mcp-sidecar-socket-";
/// Name of the socket in its directory.
const SOCKET: &str = "bridge";
/// Maximum length of a socket's path on Linux, without the NUL byte.
const MAX_PATH_BYTES: usize = 107;

/// Settings of this sidecar without the prefix `MCP_`. The program does not receive them: its own `PORT` would be the
/// sidecar's.
const OTHER_SETTINGS: [&str; 9] = [
    "PORT",
    "HOST",
    "PROBE_PORT",
    "PROBE_HOST",
    "ADMIN_PORT",
    "CONCURRENCY",
    "LOG_LEVEL",
    "ENVOY_BIN",
    "SERVICE_VERSION",
];

/// A program that is the MCP server.
#[derive(Clone, Debug)]
pub struct ServerProgram {
    /// The command and the limits of its bridge.
    pub bridge: mcp_connector::Settings,
    /// Path of the bridge's socket.
    pub socket: PathBuf,
}

/// The environment of the program: this process's, less the sidecar's own settings. `OTEL_*` and the proxies' variables are
/// everybody's, and stay.
pub(crate) fn environment(own: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let is_setting = |name: &OsString| {
        name.to_str().is_some_and(|name| OTHER_SETTINGS.contains(&name) || crate::environment::is_setting(name))
    };
    own.iter().filter(|(name, _)| !is_setting(name)).cloned().collect()
}

/// A new path of a socket in the directory for temporary files.
///
/// # Errors
///
/// The path would be longer than a socket's path may be: a message of one line.
pub(crate) fn socket_path(temporary: &Path) -> Result<PathBuf, String> {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let path = temporary.join(format!("{PREFIX}{random:016x}")).join(SOCKET);
    let excess = path.as_os_str().len().saturating_sub(MAX_PATH_BYTES);
    if excess > 0 {
        let allowed = temporary.as_os_str().len().saturating_sub(excess);
        return Err(format!(
            "{:?} is too long for the path of a Unix socket; allowed: a directory for temporary files whose path has at most \
             {allowed} bytes, such as /tmp",
            temporary.to_string_lossy()
        ));
    }
    Ok(path)
}

/// A running bridge and the directory of its socket.
pub(crate) struct RunningBridge {
    bridge: Option<Bridge>,
    directory: PathBuf,
    /// Held locked while this process lives.
    _lock: File,
}

// === impl RunningBridge ===

impl RunningBridge {
    /// Makes the directory and starts the bridge.
    ///
    /// # Errors
    ///
    /// The directory or the socket cannot be made.
    pub(crate) fn start(program: &ServerProgram) -> io::Result<Self> {
        let ServerProgram { bridge, socket } = program;
        let directory = socket.parent().unwrap_or(socket).to_owned();
        if let Some(temporary) = directory.parent() {
            remove_abandoned(temporary);
        }
        let in_directory = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", directory.display()));
        DirBuilder::new().mode(0o700).create(&directory).map_err(in_directory)?;
        let lock = lock(&directory).map_err(in_directory)?;
        let mut running = Self { bridge: None, directory: directory.clone(), _lock: lock };
        running.bridge = Some(Bridge::start(bridge.clone(), socket).map_err(in_directory)?);
        Ok(running)
    }

    /// Ends all programs and removes the directory.
    pub(crate) fn end(mut self) {
        if let Some(bridge) = self.bridge.take() {
            bridge.end();
        }
    }
}

impl Drop for RunningBridge {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// Removes the directories of launchers that were killed.
fn remove_abandoned(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_named && is_older_than(&path, SETTING_UP) && is_abandoned_directory(&path) {
            remove(&path);
        }
    }
}

/// Removes the socket and its directory, and nothing else. A failure is ignored: they are another user's, or gone.
fn remove(directory: &Path) {
    let _ = fs::remove_file(directory.join(SOCKET));
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    use super::{MAX_PATH_BYTES, environment, socket_path};
    use std::ffi::OsString;
    use std::fs;
    use std::path::Path;

    /// The first column of docs/settings.md's table of the sidecar's settings.
    fn documented_settings() -> Vec<String> {
        let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md")).unwrap();
        let section = page.split("## Settings of the sidecar").nth(1).unwrap().split("\n### ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).map(str::to_owned).collect()
    }

    #[test]
    fn program_receives_no_setting_of_the_sidecar() {
        let settings = documented_settings();
        assert!(settings.len() > 25 && settings.contains(&"PORT".to_owned()), "{settings:?}");
        let own = settings.iter().map(String::as_str).chain(["PATH", "HOME", "MCP_OTHER", "https_proxy", "API_KEY"]);
        let own: Vec<_> = own.map(|name| (OsString::from(name), OsString::from("value"))).collect();
        let kept: Vec<_> = environment(&own).iter().map(|(name, _)| name.to_str().unwrap().to_owned()).collect();
        let (of_others, of_otel): (Vec<_>, Vec<_>) = kept.iter().partition(|name| !name.starts_with("OTEL_"));
        assert_eq!(
            of_others,
            ["HTTPS_PROXY", "NO_PROXY", "PATH", "HOME", "MCP_OTHER", "https_proxy", "API_KEY"],
            "proxies belong to all programs"
        );
        let all_otel = settings.iter().filter(|name| name.starts_with("OTEL_")).count();
        assert_eq!(of_otel.len(), all_otel);
    }

    #[test]
    fn socket_path_that_is_too_long_is_refused() {
        let length = |directory: &str| socket_path(Path::new(directory)).map(|path| path.as_os_str().len());
        let short = length("/tmp").unwrap();
        let longest = "/".to_owned() + &"d".repeat(MAX_PATH_BYTES - short + "tmp".len());
        assert_eq!(length(&longest).unwrap(), MAX_PATH_BYTES);
        let message = length(&format!("{longest}d")).unwrap_err();
        let allowed = format!("whose path has at most {} bytes", longest.len());
        assert!(
            message.contains("is too long for the path of a Unix socket") && message.contains(&allowed),
            "{message}"
        );
        assert_ne!(socket_path(Path::new("/tmp")), socket_path(Path::new("/tmp")));
    }
}
