//! A desktop client: it starts `mcp-sidecar stdio`, and speaks on its standard input and output.

use super::{LONGEST, launcher, signal, until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Desktop {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    unread_errors: Option<ChildStderr>,
}

impl Desktop {
    pub(crate) fn start(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut desktop = Self::start_without_reading_errors(command, variables);
        let output = BufReader::new(desktop.unread_errors.take().unwrap());
        let kept = Arc::clone(&desktop.errors);
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push_str(&(line + "\n")));
        });
        desktop
    }

    pub(crate) fn start_without_reading_errors(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let separator: &[&str] = if command.is_empty() { &[] } else { &["--"] };
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let arguments = [&["stdio"], separator, command].concat();
        let mut child = launcher(&variables).args(arguments).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let (input, unread_errors) = (child.stdin.take(), child.stderr.take());
        Self { child, input, lines, errors: Arc::default(), unread_errors }
    }

    pub(crate) fn send(&mut self, message: &str) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The next line of standard output. It is MCP.
    pub(crate) fn next(&self) -> Value {
        let line = self.lines.recv_timeout(LONGEST);
        assert!(line.is_ok(), "no line: {}", self.errors());
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    /// The response to a call of a tool.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.send(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}).to_string());
        let answer = self.next();
        assert_eq!(answer["id"], 2, "{answer}");
        answer
    }

    /// Closes the input, as a client does that ends.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// The port of the probe listener, from the line about the metrics.
    pub(crate) fn probe_port(&self) -> u16 {
        let mut port = None;
        until("the address of the metrics is printed", || {
            let errors = self.errors();
            let line = errors.lines().find_map(|line| line.strip_prefix("mcp-sidecar: metrics  http://127.0.0.1:"));
            port = line.and_then(|line| line.strip_suffix("/metrics")?.parse().ok());
            port.is_some()
        });
        port.unwrap()
    }

    /// Waits for the end. Nothing but MCP is on standard output.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the sidecar ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let rest: Vec<_> = self.lines.iter().collect();
        assert_eq!(rest, Vec::<String>::new());
        status.unwrap()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.errors());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
