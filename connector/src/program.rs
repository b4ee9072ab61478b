//! Stub.
#![allow(missing_docs)]
use crate::message::Message;
use bytes::Bytes;
use std::ffi::OsString;
use std::path::PathBuf;
use std::{fmt, io};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

#[derive(Clone, Debug)]
pub struct Command { program: PathBuf, arguments: Vec<OsString>, environment: Vec<(OsString, OsString)> }
impl Command {
    pub fn find(words: &[OsString], environment: Vec<(OsString, OsString)>) -> Result<Self, String> {
        let (first, rest) = words.split_first().ok_or("no command")?;
        Ok(Self { program: first.into(), arguments: rest.to_vec(), environment })
    }
    pub fn text(&self) -> String { self.program.display().to_string() }
}
#[derive(Clone, Debug)]
pub(crate) struct Errors;
impl Errors { pub(crate) fn start() -> Self { Self } pub(crate) fn tell(&self, line: &str) { eprintln!("mcp-sidecar: {line}") } }
pub(crate) struct Program { child: Child }
impl Program {
    pub(crate) fn start(command: &Command, _line_bytes: usize, _errors: &Errors) -> io::Result<(Self, Input, Output)> {
        use std::process::Stdio;
        let mut child = tokio::process::Command::new(&command.program).args(&command.arguments).env_clear()
            .envs(command.environment.iter().map(|(a, b)| (a, b))).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let input = Input { pipe: tokio::sync::Mutex::new(child.stdin.take().unwrap()) };
        let output = Output { lines: tokio::io::BufReader::new(child.stdout.take().unwrap()) };
        Ok((Self { child }, input, output))
    }
    pub(crate) async fn end(&mut self) { let _ = self.child.kill().await; }
}
pub(crate) struct Gone;
pub(crate) struct Input { pipe: tokio::sync::Mutex<ChildStdin> }
impl Input {
    pub(crate) async fn send(&self, text: &Bytes) -> Result<(), Gone> {
        let mut pipe = self.pipe.lock().await;
        pipe.write_all(text).await.map_err(|_| Gone)?;
        pipe.write_all(b"\n").await.map_err(|_| Gone)
    }
}
pub(crate) struct Output { lines: tokio::io::BufReader<ChildStdout> }
impl Output {
    pub(crate) async fn next(&mut self) -> Line {
        loop {
            let mut line = Vec::new();
            if self.lines.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 { return Line::End(HowItEnded("exited".into())); }
            if let Ok(message) = Message::read(&Bytes::from(line.trim_ascii().to_vec())) { return Line::Message(message); }
        }
    }
}
pub(crate) enum Line { Message(Message), End(HowItEnded) }
#[derive(Clone, Debug)]
pub(crate) struct HowItEnded(String);
impl fmt::Display for HowItEnded { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }
