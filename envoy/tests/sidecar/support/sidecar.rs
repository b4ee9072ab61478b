//! One launcher with its Envoy, on free ports.

use super::{envoy, free_port, get, module, until};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

/// A launcher with its Envoy.
pub(crate) struct Sidecar {
    child: Child,
    errors: Arc<Mutex<String>>,
    errors_end: Receiver<()>,
    pub(crate) port: u16,
    pub(crate) probe_port: u16,
    pub(crate) admin_port: u16,
}

impl Sidecar {
    /// Starts a sidecar in front of `upstream` and waits until it is ready.
    pub(crate) fn start(upstream: &str, variables: &[(&str, &str)]) -> Self {
        let (sidecar, lines) = Self::spawn(upstream, variables);
        sidecar.when_ready(lines)
    }

    fn when_ready(self, lines: Receiver<String>) -> Self {
        let served = lines.iter().any(|line| line.starts_with("ready"));
        assert!(served, "it did not become ready: {}", self.errors());
        // Read the later lines, so that the pipe does not fill.
        thread::spawn(move || lines.iter().for_each(drop));
        self
    }

    /// Starts a sidecar and returns the lines that it prints.
    pub(crate) fn spawn(upstream: &str, variables: &[(&str, &str)]) -> (Self, Receiver<String>) {
        Self::launch(Stdio::piped(), &["run"], &with_url(upstream, variables)).with_lines()
    }

    fn with_lines(mut self) -> (Self, Receiver<String>) {
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(self.child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        (self, lines)
    }

    /// Starts a sidecar that prints to a file.
    pub(crate) fn spawn_into(output: File, upstream: &str, variables: &[(&str, &str)]) -> Self {
        Self::launch(output.into(), &["run"], &with_url(upstream, variables))
    }

    /// Starts a sidecar whose server is a program, and waits until it is ready.
    pub(crate) fn start_program(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments = [&["run", "--"], command].concat();
        let (sidecar, lines) = Self::launch(Stdio::piped(), &arguments, variables).with_lines();
        sidecar.when_ready(lines)
    }

    fn launch(output: Stdio, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let [port, probe_port, admin_port] = [free_port(), free_port(), free_port()];
        let [port_text, probe_text, admin_text] = [port, probe_port, admin_port].map(|port| port.to_string());
        let mut environment = HashMap::from([
            ("HOST", "127.0.0.1"),
            ("PORT", &port_text),
            ("PROBE_HOST", "127.0.0.1"),
            ("PROBE_PORT", &probe_text),
            ("ADMIN_PORT", &admin_text),
        ]);
        environment.extend(variables.iter().copied());
        let mut child = launcher(&environment).args(arguments).stdout(output).spawn().unwrap();
        let errors = Arc::new(Mutex::new(String::new()));
        let (output, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&errors));
        let (end, errors_end) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push_str(&(line + "\n")));
            drop(end);
        });
        Self { child, errors, errors_end, port, probe_port, admin_port }
    }

    /// Standard error of the launcher and Envoy so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// All of standard error, after the end of the launcher and Envoy.
    pub(crate) fn all_errors(&self) -> String {
        let _ = self.errors_end.recv();
        self.errors()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Starts the command `drain` with this sidecar's settings.
    pub(crate) fn drain(&self, upstream: &str) -> Child {
        let [port, probe, admin] = [self.port, self.probe_port, self.admin_port].map(|port| port.to_string());
        let environment = HashMap::from([
            ("MCP_UPSTREAM_URL", upstream),
            ("PORT", &port),
            ("PROBE_PORT", &probe),
            ("ADMIN_PORT", &admin),
        ]);
        launcher(&environment).args(["drain"]).spawn().unwrap()
    }

    /// The process id of its Envoy. The programs are children of another thread.
    pub(crate) fn envoy_id(&self) -> u32 {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    /// Waits until the launcher exits.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the sidecar ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Status of a path on the probe listener.
    pub(crate) fn probe(&self, path: &str) -> u16 {
        get(self.probe_port, path).status
    }

    /// The lowest status whose answers Envoy tells the launcher; empty until the launcher has set it.
    pub(crate) fn first_answers(&self) -> String {
        let page: serde_json::Value = serde_json::from_str(&get(self.admin_port, "/runtime").body).unwrap();
        let value = page.pointer("/entries/sidecar.first_answers/final_value").and_then(serde_json::Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    /// Value of a counter or gauge of Envoy; 0 until it exists.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let text = get(self.admin_port, &format!("/stats?filter=^{name}$")).body;
        text.trim().rsplit(": ").next().and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.errors());
        }
        // Envoy ends with its launcher.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_url<'a>(upstream: &'a str, variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("MCP_UPSTREAM_URL", upstream)], variables].concat()
}

/// The launcher with only these variables; its outputs are piped.
pub(crate) fn launcher(variables: &HashMap<&str, &str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-sidecar"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("ENVOY_BIN", envoy()).env("MCP_FILTER_WASM", module()).envs(variables);
    command
}

/// Sends a signal with the shell's `kill`; the program `kill` is a separate package.
pub(crate) fn signal(id: u32, name: &str) {
    assert!(Command::new("sh").args(["-c", "kill -s $0 $1", name, &id.to_string()]).status().unwrap().success());
}
