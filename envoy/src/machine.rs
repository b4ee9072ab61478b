//! The machine's limits of open files and memory, and Envoy's limits, which follow from them.

use crate::environment::Running;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// Maximum number of open streams. An open stream takes about 35 KiB of Envoy's memory, so all of them take 690 MiB. With
/// less memory Envoy's overload manager refuses requests earlier.
const MAX_CONNECTIONS: u64 = 20_000;
/// Open files per stream: a connection on each side.
const FILES_OF_A_STREAM: u64 = 2;
/// The same through a forward proxy: both ends of the tunnel's socket too.
const FILES_OF_A_TUNNELLED_STREAM: u64 = 4;
/// Open files that are not connections: listeners, logs, the admin interface, libraries.
const OTHER_FILES: u64 = 256;

/// Limits for Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Maximum number of client connections.
    pub connections: u64,
    /// Maximum size of Envoy's heap; close to it Envoy refuses requests.
    pub heap_bytes: u64,
}

// === impl Machine ===

impl Machine {
    /// Reads the machine's limits, and raises the soft limit of open files to the hard limit. Envoy inherits it.
    #[must_use]
    pub fn prepare(running: &Running) -> Self {
        let memory = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
            .chain(physical_memory())
            .min()
            .unwrap_or(1 << 30);
        let of_a_stream = if running.is_proxied { FILES_OF_A_TUNNELLED_STREAM } else { FILES_OF_A_STREAM };
        // A tenth is left for memory outside Envoy's heap: the VMs, stacks, this process.
        Self { connections: connections(raise_open_files(), of_a_stream), heap_bytes: memory / 10 * 9 }
    }
}

fn connections(open_files: u64, of_a_stream: u64) -> u64 {
    (open_files.saturating_sub(OTHER_FILES) / of_a_stream).clamp(16, MAX_CONNECTIONS)
}

fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// `MemTotal` of `/proc/meminfo`, which is in kB, in bytes.
fn physical_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{FILES_OF_A_STREAM, FILES_OF_A_TUNNELLED_STREAM, connections};

    #[test]
    fn connections_fit_the_open_files() {
        assert_eq!(connections(1024, FILES_OF_A_STREAM), 384);
        assert_eq!(connections(1024, FILES_OF_A_TUNNELLED_STREAM), 192);
        assert_eq!(connections(1 << 20, FILES_OF_A_STREAM), 20_000);
        assert_eq!(connections(0, FILES_OF_A_STREAM), 16);
    }
}
