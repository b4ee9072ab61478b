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
fn help_and_version_are_printed() {
    let (status, help, _) = output(launcher(&HashMap::new()).arg("--help"));
    assert_eq!(status, Some(0));
    assert!(help.contains("run") && help.contains("check"), "{help}");
    let (status, version, _) = output(launcher(&HashMap::new()).arg("--version"));
    assert_eq!(status, Some(0));
    assert_eq!(version, format!("mcp-sidecar {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn valid_configuration_file_is_ok() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, r#"{"server_name": "weather", "labels": {"resource_uri": "hash", "hash_key": "${LABEL_KEY}"}}"#)
        .unwrap();
    let variables = HashMap::from([("LABEL_KEY", "0123456789abcdef")]);
    let checked = output(launcher(&variables).arg("check").arg(file.path()));
    assert_eq!(checked, (Some(0), "ok\n".to_owned(), String::new()));
}

#[test]
fn documented_rate_limits_are_ok() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rate-limits.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<_> = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    let file = tempfile::NamedTempFile::new().unwrap();
    for block in blocks {
        fs::write(&file, block).unwrap();
        let checked = output(launcher(&HashMap::new()).arg("check").arg(file.path()));
        assert_eq!(checked, (Some(0), "ok\n".to_owned(), String::new()), "{block}");
    }
}

#[test]
fn each_problem_of_a_configuration_file_is_one_line() {
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
fn each_problem_of_the_environment_is_one_line() {
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
fn addresses_are_printed_at_the_start() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let (sidecar, lines) = Sidecar::spawn(&upstream.url(), &[("MCP_UPSTREAM_NAME", "weather")]);
    let lines: Vec<_> = lines.iter().take(6).collect();
    let Sidecar { port, probe_port, admin_port, .. } = sidecar;
    let expected = [
        format!("MCP      http://127.0.0.1:{port} -> {}/ (weather)", upstream.url()),
        format!("page     http://127.0.0.1:{probe_port}/"),
        format!("metrics  http://127.0.0.1:{probe_port}/metrics"),
        format!("probes   http://127.0.0.1:{probe_port}/ready http://127.0.0.1:{probe_port}/health"),
        format!("admin    http://127.0.0.1:{admin_port}"),
    ];
    assert_eq!(lines[..5], expected);
    assert!(lines[5].starts_with("ready "), "{lines:?}");
}

#[test]
fn unreachable_server_and_unknown_variable_are_reported() {
    let variables = [("MCP_UPSTREAM_TIMEOUT", "5")];
    let (sidecar, lines) = Sidecar::spawn("http://127.0.0.1:9/mcp", &variables);
    let waiting = "waiting  http://127.0.0.1:9/mcp does not accept connections yet (Connection refused). Start the server on \
                   port 9, or correct MCP_UPSTREAM_URL";
    assert!(lines.iter().any(|line| line.starts_with(waiting)));
    let unknown = "MCP_UPSTREAM_TIMEOUT: is not a setting and is ignored; did you mean MCP_UPSTREAM_TIMEOUT_MS?";
    assert!(sidecar.errors().contains(unknown));
}

#[test]
fn probe_succeeds_with_200_only() {
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
fn launcher_exits_with_envoys_status() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let mut killed = Sidecar::start(&upstream.url(), &[]);
    signal(killed.envoy_id(), "KILL");
    assert_eq!(killed.ended().code(), Some(128 + 9));

    let mut stopped = Sidecar::start(&upstream.url(), &[]);
    assert_eq!(post(stopped.admin_port, "/quitquitquit", "").status, 200);
    assert_eq!(stopped.ended().code(), Some(0));
}

#[test]
fn port_in_use_is_refused() {
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for variable in ["PORT", "PROBE_PORT", "ADMIN_PORT"] {
        let (mut sidecar, lines) = Sidecar::spawn("http://127.0.0.1:9", &[(variable, &port)]);
        assert_eq!(sidecar.ended().code(), Some(2));
        assert_eq!(lines.iter().count(), 0, "no addresses are printed");
        let problem = format!(
            "{variable}: port {port} is in use; allowed: a free port; probably by another mcp-sidecar: end it, or set PORT, \
             PROBE_PORT and ADMIN_PORT"
        );
        until("the problem is reported", || sidecar.errors().contains(&problem));
    }
}

#[test]
fn other_envoy_on_the_admin_port_is_not_drained() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let other = Sidecar::start(&upstream.url(), &[]);
    let port = other.admin_port.to_string();
    let (mut sidecar, lines) = Sidecar::spawn(&upstream.url(), &[("ADMIN_PORT", &port)]);
    assert_eq!(sidecar.ended().code(), Some(2));
    assert!(!lines.iter().any(|line| line.starts_with("ready")));
    until("the problem is reported", || sidecar.errors().contains("ADMIN_PORT: "));
    assert_eq!(other.probe("/ready"), 200);
}

#[test]
fn envoy_ends_when_the_launcher_is_killed() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let envoy = format!("/proc/{}", sidecar.envoy_id());
    sidecar.signal("KILL");
    assert_eq!(sidecar.ended().code(), None);
    until("envoy is gone", || fs::read_to_string(format!("{envoy}/stat")).map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn bootstrap_is_removed_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let sidecar = Sidecar::start(&upstream.url(), &[("TMPDIR", directory.path().to_str().unwrap())]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(get(sidecar.admin_port, "/ready").status, 200);
}
