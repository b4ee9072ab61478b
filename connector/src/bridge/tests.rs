//! The bridge with a real program and real connections.

mod client;
mod legacy;

use super::{Bridge, Settings};
use crate::program::Command;
use client::Client;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bridge/tests/program.py");

/// A bridge in front of `program.py`.
struct Running {
    bridge: Option<Bridge>,
    directory: PathBuf,
}

// === impl Running ===

impl Running {
    fn start(arguments: &[&str], change: impl FnOnce(&mut Settings)) -> (Self, Client) {
        let words = ["python3", PROGRAM].iter().chain(arguments).map(OsString::from).collect::<Vec<_>>();
        let command = Command::find(&words, std::env::vars_os().collect()).unwrap();
        let mut settings =
            Settings { command, sessions: 32, idle: Duration::from_secs(1800), line_bytes: 64 << 20 };
        change(&mut settings);
        let directory = std::env::temp_dir().join(format!("bridge-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let socket = directory.join("socket");
        let bridge = Some(Bridge::start(settings, &socket).unwrap());
        (Self { bridge, directory }, Client::new(socket))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(bridge) = self.bridge.take() {
            bridge.end();
        }
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}
