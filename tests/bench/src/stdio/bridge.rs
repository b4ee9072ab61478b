//! One bridge as a process of its own, pinned to a CPU with the programs that it starts, and the memory of all of them.

use super::session::{Endpoint, Session};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// The longest start of a bridge. Envoy compiles the wasm module before it serves.
const START: Duration = Duration::from_secs(60);
/// The longest end after SIGTERM; then SIGKILL follows.
const END: Duration = Duration::from_secs(10);

const SOCKET_DIRECTORY: &str = "{socket-directory}";

/// A running bridge.
pub(crate) struct Bridge {
    address: SocketAddr,
    /// The bridge listens on a Unix socket in its directory.
    by_socket: bool,
    command: String,
    process: Child,
    directory: TempDir,
}

/// What the processes of a bridge hold.
pub(crate) struct Memory {
    /// Memory of all processes but the programs, in KiB; pages that several processes share count in parts.
    pub(crate) kib: u64,
    pub(crate) programs: usize,
}

// === impl Bridge ===

impl Bridge {
    /// Starts a command in whose words `{port}` is the port to listen on, each `{free}` another free port, `{program}` the program.
    /// With `{socket-directory}` the load connects to the Unix socket that the bridge creates in a folder of this directory.
    pub(crate) async fn start(command: &str, program: &Path, cpu: usize) -> Result<Self> {
        let directory = TempDir::with_prefix("mcp-bench-")?;
        let address = free_address()?;
        let by_socket = command.contains(SOCKET_DIRECTORY);
        let mut command = command
            .replace("{port}", &address.port().to_string())
            .replace("{program}", &program.display().to_string())
            .replace(SOCKET_DIRECTORY, &directory.path().display().to_string());
        while command.contains("{free}") {
            command = command.replacen("{free}", &free_address()?.port().to_string(), 1);
        }
        let log = File::create(directory.path().join("log"))?;
        let process = pinned(cpu)
            .args(command.split_whitespace())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut bridge = Self { address, by_socket, command, process, directory };
        bridge.wait().await?;
        Ok(bridge)
    }

    /// Waits until a session can call the tool.
    async fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended with {status}: {}", self.log());
            }
            let Err(error) = self.called_session().await else { return Ok(()) };
            if Instant::now() > deadline {
                bail!("it did not serve within {START:?}: {error:#}; {}", self.log());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A session that has called the tool once.
    pub(crate) async fn called_session(&self) -> Result<Session> {
        let mut session = self.session().await?;
        session.call().await?;
        Ok(session)
    }

    pub(crate) async fn session(&self) -> Result<Session> {
        let endpoint = if self.by_socket { Endpoint::Unix(self.socket()?) } else { Endpoint::Tcp(self.address) };
        Session::by_http(endpoint).await
    }

    fn socket(&self) -> Result<PathBuf> {
        for folder in fs::read_dir(self.directory.path())?.flatten().filter(|entry| entry.path().is_dir()) {
            for file in fs::read_dir(folder.path())?.flatten() {
                if file.file_type()?.is_socket() {
                    return Ok(file.path());
                }
            }
        }
        bail!("no socket")
    }

    /// The command and what it wrote, for a failure.
    pub(crate) fn log(&self) -> String {
        let written = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        format!("{}: {written}", self.command)
    }

    pub(crate) fn memory(&self, program: &Path) -> Result<Memory> {
        let mut memory = Memory { kib: 0, programs: 0 };
        let mut pending = vec![self.process.id().context("the bridge has ended")?];
        while let Some(id) = pending.pop() {
            let process = Path::new("/proc").join(id.to_string());
            for task in fs::read_dir(process.join("task"))? {
                let children = fs::read_to_string(task?.path().join("children"))?;
                pending.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            if fs::read_link(process.join("exe"))? == program {
                memory.programs += 1;
            } else {
                memory.kib += proportional_kib(&process)?;
            }
        }
        Ok(memory)
    }

    /// Ends the bridge. The programs end when their input does.
    pub(crate) async fn end(mut self) -> Result<()> {
        let id = self.process.id().context("the bridge has ended")?;
        Command::new("kill").arg(id.to_string()).status().await?;
        if timeout(END, self.process.wait()).await.is_err() {
            let group = format!("-{id}");
            Command::new("kill").args(["-KILL", "--", &group]).status().await?;
            self.process.wait().await?;
        }
        Ok(())
    }
}

/// An address with a free port. The kernel does not choose the same one again soon.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A command that runs on one CPU.
pub(crate) fn pinned(cpu: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]);
    command
}

fn proportional_kib(process: &Path) -> Result<u64> {
    let text = fs::read_to_string(process.join("smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.context("no Pss")?.parse()?)
}
