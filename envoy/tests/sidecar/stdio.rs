//! MCP on standard input and output: `stdio`.

use crate::support::{Desktop, INITIALIZE, MISBEHAVING, Upstream, envoy, get, is_gone, say_json, until};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: [&str; 2] = ["python3", MISBEHAVING];

/// A client that has begun its session.
fn begun(variables: &[(&str, &str)]) -> Desktop {
    let mut desktop = Desktop::start(&PROGRAM, variables);
    desktop.send(INITIALIZE);
    assert_eq!(desktop.next()["result"]["serverInfo"]["name"], "misbehaving");
    desktop
}

/// Writes a script that stands for Envoy. Returns its path.
fn executable(directory: &Path, text: &str) -> String {
    let script = directory.join("envoy");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

/// The process id of the session's program.
fn program_id(desktop: &mut Desktop) -> u64 {
    let answer = desktop.call("who", &json!({}));
    let text = answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["pid"].as_u64().unwrap()
}

#[test]
fn session_is_counted_and_ends_with_its_input() {
    let mut desktop = begun(&[]);
    assert_eq!(desktop.call("echo", &json!({"text": "a"}))["result"]["content"][0]["text"], "a");
    let program = program_id(&mut desktop);
    let port = desktop.probe_port();
    let series = r#"mcp_tool_calls_total{server_name="upstream",status="ok",error_type="",tool_name="echo"} 1"#;
    until("the call is counted", || get(port, "/metrics").body.contains(series));
    desktop.close();
    assert_eq!(desktop.ended().code(), Some(0));
    assert!(is_gone(program));
    assert!(!desktop.errors().contains("ENVOY_SIGTERM"), "{}", desktop.errors());
}

#[test]
fn request_before_initialize_is_told_what_comes_first() {
    let mut desktop = Desktop::start(&PROGRAM, &[]);
    let answer = desktop.call("echo", &json!({"text": "a"}));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("no initialize yet: the first message must be initialize; HTTP 400"), "{answer}");
    desktop.send(INITIALIZE);
    assert_eq!(desktop.next()["result"]["serverInfo"]["name"], "misbehaving", "the session can begin then");
}

#[test]
fn lost_session_ends_it_with_status_1() {
    let mut desktop = begun(&[("MCP_UPSTREAM_NAME", "notes")]);
    let answer = desktop.call("exit", &json!({"status": 3}));
    let told = "the MCP server `notes` (python3) exited with status 3; its last lines, if any, are in";
    assert!(answer["error"]["message"].as_str().unwrap().starts_with(told), "{answer}");
    assert_eq!(desktop.call("echo", &json!({}))["error"]["code"], -32000);
    assert_eq!(desktop.ended().code(), Some(1));
    until("the reason is printed", || desktop.errors().contains("mcp-sidecar: the session"));
}

#[test]
fn signals_end_it_at_once() {
    for name in ["TERM", "INT"] {
        let mut desktop = begun(&[]);
        let program = program_id(&mut desktop);
        desktop.send(r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"never","arguments":{}}}"#);
        let begin = Instant::now();
        desktop.signal(name);
        assert_eq!(desktop.ended().code(), Some(0), "{name}");
        // A desktop client waits 2 s before it kills.
        assert!(begin.elapsed() < Duration::from_secs(10), "an open call is not waited for: {:?}", begin.elapsed());
        assert!(is_gone(program));
    }
}

#[test]
fn signal_before_envoy_serves_ends_it_with_status_0() {
    let directory = tempfile::tempdir().unwrap();
    // It never serves, and SIGTERM does not end it, as Envoy while it compiles the module.
    let script = executable(
        directory.path(),
        &format!(
            r#"#!/bin/sh
case "$1" in --version) exec {} --version ;; esac
trap "" TERM
exec sleep 600
"#,
            envoy()
        ),
    );
    let mut desktop = Desktop::start(&PROGRAM, &[("ENVOY_BIN", &script)]);
    desktop.probe_port();
    desktop.signal("TERM");
    assert_eq!(desktop.ended().code(), Some(0));
    assert!(!desktop.errors().contains("draining"), "{}", desktop.errors());
}

#[test]
fn killed_launcher_leaves_no_process() {
    let mut desktop = begun(&[]);
    let (program, id) = (program_id(&mut desktop), desktop.id());
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let envoy: u64 = children.trim().parse().unwrap();
    desktop.signal("KILL");
    assert_eq!(desktop.ended().code(), None);
    until("the program is gone", || is_gone(program));
    until("envoy is gone", || is_gone(envoy));
}

#[test]
fn remote_server_is_reached_by_its_url() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"remote","version":"1"}}}"#;
    let upstream = Upstream::start(move |_, stream| say_json(stream, answer));
    let url = format!("{}/base/mcp", upstream.url());
    let mut desktop = Desktop::start(&[], &[("MCP_UPSTREAM_URL", &url)]);
    desktop.send(INITIALIZE);
    assert_eq!(desktop.next()["result"]["serverInfo"]["name"], "remote");
    assert_eq!(upstream.request().line, "POST /base/mcp HTTP/1.1");
    desktop.close();
    assert_eq!(desktop.ended().code(), Some(0));
}

#[test]
fn standard_error_that_is_not_read_blocks_nothing() {
    let mut desktop = Desktop::start_without_reading_errors(&PROGRAM, &[("LOG_LEVEL", "debug")]);
    desktop.send(INITIALIZE);
    assert_eq!(desktop.next()["id"], 1);
    let answer = desktop.call("stderr", &json!({"bytes": 8 << 20}));
    assert_eq!(answer["result"]["content"][0]["text"], "written");
    let begin = Instant::now();
    desktop.close();
    assert_eq!(desktop.ended().code(), Some(0));
    // SIGKILL would come 5 s after Envoy was asked to end.
    assert!(begin.elapsed() < Duration::from_secs(5), "Envoy ends without SIGKILL: {:?}", begin.elapsed());
}

#[test]
fn port_that_is_taken_before_envoy_has_it_is_chosen_again() {
    let directory = tempfile::tempdir().unwrap();
    // The first start finds one of its ports taken: the script takes the probe port, and exits as Envoy does.
    let text = format!(
        r#"#!/bin/sh
case "$1" in --version) exec {envoy} --version ;; esac
if [ ! -e {directory}/taken ]; then
    touch {directory}/taken
    exec python3 - "$2" {directory} <<'END'
import json, os, socket, sys, time
listeners = json.load(open(sys.argv[1]))["static_resources"]["listeners"]
port = [l for l in listeners if l["name"] == "probe"][0]["address"]["socket_address"]["port_value"]
taken = socket.create_server(("127.0.0.1", port))
if os.fork():
    os._exit(1)
os.setsid()
os.dup2(os.open("/dev/null", os.O_RDWR), 1)
os.dup2(1, 2)
while os.path.isdir(sys.argv[2]) and not os.path.exists(sys.argv[2] + "/end"):
    time.sleep(0.05)
END
fi
exec {envoy} "$@"
"#,
        envoy = envoy(),
        directory = directory.path().display()
    );
    let mut desktop = begun(&[("ENVOY_BIN", &executable(directory.path(), &text))]);
    fs::write(directory.path().join("end"), "").unwrap();
    let addresses = || {
        let errors = desktop.errors();
        let lines = errors.lines().filter(|line| line.contains("metrics  http://127.0.0.1:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // Another thread reads standard error.
    until("both addresses are printed", || addresses().len() == 2);
    assert_ne!(addresses()[0], addresses()[1]);
    desktop.close();
    assert_eq!(desktop.ended().code(), Some(0));
}
