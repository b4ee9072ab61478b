//! The command line and its exit statuses.

use crate::support::{LOOPBACK, Sidecar, Upstream, get, launcher, post, say, signal, until};
use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

#[test]
fn ok_help_and_version() {
    let (status, help, _) = output(launcher(&HashMap::new()).arg("--help"));
    assert_eq!(status, Some(0));
    assert!(help.contains("run") && help.contains("check"), "{help}");
    let (status, version, _) = output(launcher(&HashMap::new()).arg("--version"));
    assert_eq!(status, Some(0));
    assert_eq!(version, format!("mcp-sidecar {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn ok_a_good_configuration_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, r#"{"server_name": "weather", "labels": {"resource_uri": "hash", "hash_key": "${LABEL_KEY}"}}"#)
        .unwrap();
    let variables = HashMap::from([("LABEL_KEY", "0123456789abcdef")]);
    let checked = output(launcher(&variables).arg("check").arg(file.path()));
    assert_eq!(checked, (Some(0), "ok\n".to_owned(), String::new()));
}

#[test]
fn err_a_line_for_every_problem_of_a_configuration_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, r#"{"server_name": "", "limits": {"tool_names": "many"}, "typo": 1}"#).unwrap();
    let (status, out, err) = output(launcher(&HashMap::new()).arg("check").arg(file.path()));
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert_eq!(err.lines().count(), 3, "{err}");
    for path in ["server_name", "limits.tool_names", "typo"] {
        assert!(err.contains(&format!("{}: {path}: ", file.path().display())), "{err}");
    }
    let (status, _, err) = output(launcher(&HashMap::new()).args(["check", "/absent.json"]));
    assert_eq!(status, Some(2));
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn err_a_line_for_every_problem_of_the_environment() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, r#"{"typo": 1, "paths": ["mcp"]}"#).unwrap();
    let variables = HashMap::from([
        ("MCP_UPSTREAM_URL", "http://user:hunter2@weather/"),
        ("PORT", "0"),
        ("MCP_FILTER_CONFIG", file.path().to_str().unwrap()),
        ("MCP_FILTER_WASM", "/absent.wasm"),
    ]);
    let (status, out, err) = output(launcher(&variables).arg("run"));
    assert_eq!((status, out.as_str()), (Some(2), ""));
    let begins =
        ["MCP_UPSTREAM_URL: ", "PORT: \"0\"", "MCP_FILTER_CONFIG: ", "MCP_FILTER_CONFIG: ", "MCP_FILTER_WASM: "];
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), begins.len(), "{err}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(&format!("mcp-sidecar: {begin}")), "{err}");
    }
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn ok_the_addresses_are_printed() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let (sidecar, lines) = Sidecar::spawn(&upstream.url(), &[("MCP_UPSTREAM_NAME", "weather")]);
    let lines: Vec<_> = lines.iter().take(5).collect();
    let Sidecar { port, probe_port, admin_port, .. } = sidecar;
    let expected = [
        format!("MCP      http://127.0.0.1:{port} -> {}/ (weather)", upstream.url()),
        format!("metrics  http://127.0.0.1:{probe_port}/metrics"),
        format!("probes   http://127.0.0.1:{probe_port}/ready http://127.0.0.1:{probe_port}/health"),
        format!("admin    http://127.0.0.1:{admin_port}"),
    ];
    assert_eq!(lines[..4], expected);
    assert!(lines[4].starts_with("ready "), "{lines:?}");
}

#[test]
fn ok_a_server_that_is_not_there_and_a_misspelt_variable_are_told() {
    let variables = [("MCP_UPSTREAM_TIMEOUT", "5")];
    let (sidecar, lines) = Sidecar::spawn("http://127.0.0.1:9/mcp", &variables);
    let told = |line: &String| line.starts_with("waiting  http://127.0.0.1:9/mcp accepts no connections");
    assert!(lines.iter().any(|line| told(&line)));
    assert!(sidecar.errors().contains("MCP_UPSTREAM_TIMEOUT_MS: not set by MCP_UPSTREAM_TIMEOUT"));
}

#[test]
fn ok_a_probe_ends_well_with_200_alone() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let port = sidecar.probe_port.to_string();
    let variables = HashMap::from([("PROBE_PORT", port.as_str())]);
    let probe = |url: &[&str]| output(launcher(&variables).arg("probe").args(url));
    assert_eq!(probe(&[]), (Some(0), String::new(), String::new()));
    let page = format!("http://127.0.0.1:{port}/absent");
    assert_eq!(probe(&[&page]), (Some(1), String::new(), format!("mcp-sidecar: {page}: answers 404, not 200\n")));
    let (status, _, err) = probe(&["http://127.0.0.1:9/"]);
    assert_eq!((status, err.lines().count()), (Some(1), 1), "{err}");
}

#[test]
fn ok_the_end_of_envoy_is_the_end_of_the_launcher() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let mut killed = Sidecar::start(&upstream.url(), &[]);
    signal(killed.envoy_id(), "KILL");
    assert_eq!(killed.ended().code(), Some(128 + 9));

    let mut told = Sidecar::start(&upstream.url(), &[]);
    assert_eq!(post(told.admin_port, "/quitquitquit", "").status, 200);
    assert_eq!(told.ended().code(), Some(0));
}

#[test]
fn err_a_port_that_is_taken_is_not_shared() {
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for variable in ["PORT", "PROBE_PORT", "ADMIN_PORT"] {
        let (mut sidecar, lines) = Sidecar::spawn("http://127.0.0.1:9", &[(variable, &port)]);
        assert_eq!(sidecar.ended().code(), Some(2));
        assert_eq!(lines.iter().count(), 0, "nothing is said to be there");
        let problem = format!("{variable}: \"{port}\" is not allowed; allowed: a port that nobody listens on");
        until("the problem is told", || sidecar.errors().contains(&problem));
    }
}

#[test]
fn err_another_envoy_on_the_admin_port_is_neither_taken_for_ours_nor_drained() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let other = Sidecar::start(&upstream.url(), &[]);
    let port = other.admin_port.to_string();
    let (mut sidecar, lines) = Sidecar::spawn(&upstream.url(), &[("ADMIN_PORT", &port)]);
    assert_eq!(sidecar.ended().code(), Some(2));
    assert!(!lines.iter().any(|line| line.starts_with("ready")));
    until("the problem is told", || sidecar.errors().contains("ADMIN_PORT: "));
    assert_eq!(other.probe("/ready"), 200);
}

#[test]
fn ok_a_killed_launcher_takes_envoy_with_it() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let envoy = format!("/proc/{}", sidecar.envoy_id());
    sidecar.signal("KILL");
    assert_eq!(sidecar.ended().code(), None);
    until("envoy is gone", || fs::read_to_string(format!("{envoy}/stat")).map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn ok_the_bootstrap_does_not_stay_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let sidecar = Sidecar::start(&upstream.url(), &[("TMPDIR", directory.path().to_str().unwrap())]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(get(sidecar.admin_port, "/ready").status, 200);
}
