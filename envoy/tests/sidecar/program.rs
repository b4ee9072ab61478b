//! A server that is a program: `run -- COMMAND`.

use crate::support::{
    INITIALIZE, LOOPBACK, MISBEHAVING, Session, Sidecar, get, is_gone, launcher, post, signal, until,
};
use std::collections::HashMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

const PROGRAM: [&str; 2] = ["python3", MISBEHAVING];

/// The directories of sockets in this directory.
fn sockets_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = launcher(&variables.iter().copied().collect()).args(arguments).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &[][..]));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn program_is_served_counted_and_without_the_sidecars_settings() {
    let sidecar = Sidecar::start_program(&PROGRAM, &[("API_KEY", "the program's"), ("MCP_UPSTREAM_NAME", "local")]);
    let environment = Session::begin(sidecar.port).json("environment");
    assert_eq!(environment["API_KEY"], "the program's");
    for setting in ["PORT", "HOST", "PROBE_PORT", "ENVOY_BIN", "MCP_FILTER_WASM", "MCP_UPSTREAM_NAME"] {
        assert_eq!(environment.get(setting), None, "{setting}");
    }
    let series = r#"mcp_tool_calls_total{server_name="local",status="ok",error_type="",tool_name="environment"} 1"#;
    until("the call is counted", || get(sidecar.probe_port, "/metrics").body.contains(series));
    until("the server is healthy", || sidecar.probe("/health") == 200);
}

#[test]
fn audit_log_leaves_the_program_its_mask() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.jsonl");
    let variables = [("MCP_AUDIT_LOG", log.to_str().unwrap()), ("TMPDIR", directory.path().to_str().unwrap())];
    let sidecar = Sidecar::start_program(&PROGRAM, &variables);
    let program = Session::begin(sidecar.port).program_id();
    let mask = |id: u64| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix("Umask:\t").map(str::to_owned)).unwrap()
    };
    assert_eq!(mask(program), mask(std::process::id().into()));
    assert_eq!(mask(sidecar.envoy_id().into()), "0137");
    until("the session is logged", || fs::read_to_string(&log).unwrap().contains("\"initialize\""));
}

#[test]
fn health_is_503_while_the_last_start_failed() {
    let sidecar = Sidecar::start_program(&[PROGRAM[0], PROGRAM[1], "end-at-initialize=3"], &[]);
    until("no start has failed yet", || sidecar.probe("/health") == 200);
    let answer = Session::initialize(sidecar.port);
    let told =
        "the MCP server `python3` exited with status 3; its last lines, if any, are in the sidecar's standard error";
    assert!(answer.body.contains("-32000") && answer.body.contains(told), "{answer:?}");
    until("the last start failed", || sidecar.probe("/health") == 503);
    let unhealthy = r#"envoy_cluster_membership_healthy{envoy_cluster_name="upstream"} 0"#;
    until("the server is not available", || get(sidecar.probe_port, "/metrics").body.contains(unhealthy));
}

#[test]
fn url_and_program_exclude_each_other() {
    let text = refused(&["run"], &[]);
    assert!(text.contains("MCP_UPSTREAM_URL: missing") && text.contains("mcp-sidecar run -- COMMAND"), "{text}");
    for command in ["run", "stdio"] {
        let text = refused(&[command, "--", "cat"], &[("MCP_UPSTREAM_URL", "http://weather")]);
        assert!(text.contains("unset the variable, or leave out \"-- COMMAND\""), "{text}");
        let text = refused(&[command, "--", "absent-program"], &[]);
        assert!(text.starts_with("mcp-sidecar: COMMAND: absent-program: "), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let text = refused(&["stdio"], &[]);
    assert!(text.contains("mcp-sidecar stdio -- COMMAND"), "{text}");
}

#[test]
fn command_without_separator_is_refused() {
    for command in ["run", "stdio"] {
        for words in [&["npx", "-y", "server"][..], &["npx", "--", "server"]] {
            let text = refused(&[&[command], words].concat(), &[]);
            let expected = format!("COMMAND: \"npx\" must follow \"--\": mcp-sidecar {command} -- npx ...\n");
            assert_eq!(text, format!("mcp-sidecar: {expected}"));
        }
    }
    let text = refused(&["--", "npx", "-y", "server"], &[]);
    let expected = "COMMAND: \"run\" or \"stdio\" must stand before \"--\": in a client's configuration mcp-sidecar stdio -- npx ...\n";
    assert_eq!(text, format!("mcp-sidecar: {expected}"));
    let text = refused(&["run", "--npx"], &[]);
    assert!(text.contains("mcp-sidecar run [-- COMMAND [ARGUMENT]...]"), "{text}");
}

#[test]
fn url_as_a_command_is_refused_and_not_repeated() {
    for command in ["run", "stdio"] {
        for separator in [&[][..], &["--"]] {
            let words = [&[command], separator, &["https://user:hunter2@weather/mcp"]].concat();
            let step = format!("MCP_UPSTREAM_URL=URL mcp-sidecar {command}");
            let text = refused(&words, &[]);
            assert_eq!(text, format!("mcp-sidecar: COMMAND: is a URL, and a URL is no program: {step}\n"));
        }
    }
}

#[test]
fn unusable_tmpdir_is_refused_with_the_other_problems() {
    let variables = [("TMPDIR", "/absent"), ("MCP_SIDECAR_FILE_SD", "/absent"), ("PORT", "0")];
    for server in [&["run", "--", "absent-program"][..], &["stdio", "--", "absent-program"], &["run"]] {
        let text = refused(server, &variables);
        assert!(text.contains("mcp-sidecar: TMPDIR: no file can be made in \"/absent\" (No such file"), "{text}");
        assert!(text.contains("mcp-sidecar: MCP_SIDECAR_FILE_SD: no file can be written to \"/absent\""), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}

#[test]
fn run_on_two_pipes_names_stdio() {
    let message = "in a client's configuration use \"stdio\" in its place";
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = HashMap::from([("PORT", port.as_str())]);
    for (input, is_told) in [(Stdio::piped(), true), (Stdio::null(), false)] {
        let output = launcher(&variables).args(["run", "--", "cat"]).stdin(input).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.contains(&format!("run serves HTTP on port {port}; {message}")), is_told, "{text}");
    }
}

#[test]
fn socket_is_private_and_removed_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("TMPDIR", directory.path().to_str().unwrap())];
    let killed = Sidecar::start_program(&PROGRAM, &variables);
    let left = sockets_in(directory.path());
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(fs::metadata(&left[0]).unwrap().permissions().mode() & 0o777, 0o700);
    let other = Sidecar::start_program(&PROGRAM, &variables);
    let of_other: Vec<_> = sockets_in(directory.path()).into_iter().filter(|path| *path != left[0]).collect();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for path in [&left[0], &of_other[0]] {
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    drop(killed);
    let mut sidecar = Sidecar::start_program(&PROGRAM, &variables);
    let now = sockets_in(directory.path());
    assert!(now.len() == 2 && now.contains(&of_other[0]), "only the directory of the killed one is removed: {now:?}");
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    assert_eq!(sockets_in(directory.path()), of_other);
    assert_eq!(Session::initialize(other.port).status, 200, "its socket is still there");
}

#[test]
fn long_tmpdir_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("d".repeat(100));
    fs::create_dir(&long).unwrap();
    let text = refused(&[&["run", "--"], &PROGRAM[..]].concat(), &[("TMPDIR", long.to_str().unwrap())]);
    assert!(text.starts_with("mcp-sidecar: TMPDIR: ") && text.contains("too long for the path of a Unix"), "{text}");
}

#[test]
fn programs_end_with_the_sidecar_however_it_ends() {
    for (name, status) in [("TERM", Some(0)), ("INT", Some(0)), ("KILL", None)] {
        let mut sidecar = Sidecar::start_program(&PROGRAM, &[]);
        let (program, envoy) = (Session::begin(sidecar.port).program_id(), sidecar.envoy_id());
        sidecar.signal(name);
        assert_eq!(sidecar.ended().code(), status, "{name}");
        until("the program is gone", || is_gone(program));
        until("envoy is gone", || is_gone(envoy.into()));
    }
    let mut sidecar = Sidecar::start_program(&PROGRAM, &[]);
    let program = Session::begin(sidecar.port).program_id();
    signal(sidecar.envoy_id(), "KILL");
    assert_eq!(sidecar.ended().code(), Some(128 + 9), "Envoy's status");
    assert!(is_gone(program), "the launcher waits for its programs");
}

#[test]
fn replies_of_envoy_name_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("TMPDIR", directory.path().to_str().unwrap()), ("MCP_UPSTREAM_TIMEOUT_MS", "300")];
    let sidecar =
        Sidecar::start_program(&[PROGRAM[0], PROGRAM[1], "no-answer-to-initialize", "--token=hunter2"], &variables);
    let answer = Session::initialize(sidecar.port);
    assert_eq!((answer.status, answer.body.as_str()), (504, "no answer within MCP_UPSTREAM_TIMEOUT_MS=300\n"));
    fs::remove_file(sockets_in(directory.path())[0].join("bridge")).unwrap();
    until("a new connection fails", || post(sidecar.port, "/mcp", INITIALIZE).status == 503);
    let answer = post(sidecar.port, "/mcp", INITIALIZE);
    assert!(answer.body.starts_with("cannot connect to the bridge of python3"), "{answer:?}");
    assert!(!answer.body.contains("hunter2"), "arguments are not for clients");
}

#[test]
fn drain_command_needs_no_url() {
    let mut sidecar = Sidecar::start_program(&PROGRAM, &[]);
    let drained = sidecar.drain("").wait_with_output().unwrap();
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    assert_eq!(sidecar.probe("/ready"), 503);
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
}
