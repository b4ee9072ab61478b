//! The bridge with a real program and real connections.

mod client;
mod first;
mod health;
mod http;
mod http_sse;
mod legacy;
mod modern;
mod operator;
mod sessions;
mod streams;

use super::{Bridge, Settings, TIMES, Times};
use crate::program::Command;
use client::Client;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bridge/tests/program.py");

/// Without the directories of installed packages, which the program does not need, it starts in half the time.
const PYTHON: [&str; 3] = ["/usr/bin/python3", "-S", "-E"];

/// A bridge in front of `program.py`.
struct Running {
    bridge: Option<Bridge>,
    directory: PathBuf,
}

// === impl Running ===

impl Running {
    fn start(arguments: &[&str], change: impl FnOnce(&mut Settings, &mut Times)) -> (Self, Client) {
        let words = PYTHON.iter().chain([&PROGRAM]).chain(arguments).map(OsString::from).collect::<Vec<_>>();
        let command = Command::find(&words, std::env::vars_os().collect()).unwrap();
        let mut settings =
            Settings { command, name: None, sessions: 32, idle: Duration::from_secs(1800), line_bytes: 64 << 20 };
        let mut times = TIMES;
        change(&mut settings, &mut times);
        let directory = std::env::temp_dir().join(format!("bridge-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let socket = directory.join("socket");
        let bridge = Some(Bridge::start_with(settings, times, &socket).unwrap());
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

/// The process ids of the programs of this test.
fn is_running(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("program.py"))
}

/// Waits until a condition holds.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(120);
    while !condition().await {
        assert!(tokio::time::Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
