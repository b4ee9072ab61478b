//! What the machine allows: open files, and memory. Envoy's limits follow from it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// Streams the sidecar takes at once where the machine allows it.
const MOST_CONNECTIONS: u64 = 20_000;
/// Files that are no connection: listeners, logs, the admin interface, libraries.
const OTHER_FILES: u64 = 256;

/// Limits for Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Client connections at once.
    pub connections: u64,
    /// Memory that Envoy may take before it refuses work.
    pub heap_bytes: u64,
}

// === impl Machine ===

impl Machine {
    /// Looks at this machine, and raises the soft limit of open files to the hard one, which Envoy inherits.
    #[must_use]
    pub fn prepare() -> Self {
        let memory = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
            .chain(physical_memory())
            .min()
            .unwrap_or(1 << 30);
        // A tenth stays for what is not Envoy's heap: the modules' virtual machines, stacks, this process.
        Self { connections: connections(raise_open_files()), heap_bytes: memory / 10 * 9 }
    }
}

/// Every stream needs a connection on each side.
fn connections(open_files: u64) -> u64 {
    (open_files.saturating_sub(OTHER_FILES) / 2).clamp(16, MOST_CONNECTIONS)
}

fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// `MemTotal` of `/proc/meminfo`, in kB there.
fn physical_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{Machine, connections};

    #[test]
    fn ok_connections_fit_the_open_files() {
        assert_eq!(connections(1024), 384);
        assert_eq!(connections(1 << 20), 20_000);
        assert_eq!(connections(0), 16);
    }

    #[test]
    fn ok_this_machine() {
        let machine = Machine::prepare();
        assert!(machine.connections >= 16 && machine.heap_bytes > 0);
    }
}
