//! Real programs: `sh`, `cat`, `sleep`, `setsid` and `python3` of the system.

mod ending;
mod input;
mod isolation;
mod output;
mod standard_error;

use super::{Command, Errors, HowItEnded, Input, Line, Output, Program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// No test waits longer for anything.
const LONG: Duration = Duration::from_secs(120);
const LINE_BYTES: usize = 1_000_000;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, test).await.unwrap() })
}

fn command(words: &[&str]) -> Command {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    Command::find(&words, vec![("PATH".into(), std::env::var_os("PATH").unwrap())]).unwrap()
}

fn sh(script: &str) -> Command {
    command(&["sh", "-c", script])
}

fn start(command: &Command) -> (Program, Input, Output) {
    Program::start(command, LINE_BYTES, &Errors::to(io::sink()).unwrap()).unwrap()
}

/// The text of the next message.
async fn message(output: &mut Output) -> String {
    match output.next().await {
        Line::Message(message) => String::from_utf8(message.text().to_vec()).unwrap(),
        Line::End(how) => panic!("the program {how}"),
    }
}

async fn end(output: &mut Output) -> HowItEnded {
    match output.next().await {
        Line::Message(message) => panic!("{message:?}"),
        Line::End(how) => how,
    }
}

/// The number that a script writes with `echo "{\"id\":1,\"result\":$!}"`.
async fn number(output: &mut Output) -> i32 {
    let text = message(output).await;
    text.trim_start_matches(r#"{"id":1,"result":"#).trim_end_matches('}').parse().unwrap()
}

/// A command for a script: it leaves the process group, then tells its process id, and then runs `command`.
fn left_behind(command: &str) -> String {
    format!(r#"setsid sh -c 'echo "{{\"id\":1,\"result\":$$}}"; exec {command}'"#)
}

/// Whether a process runs. One that has exited and is not waited for does not.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X']))
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(2)).await;
    }
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Everything that was written to standard error.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn errors(&self) -> Errors {
        Errors::to(self.clone()).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
