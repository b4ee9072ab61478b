//! A server that is a program, `stdio`, and `drain`, which needs no server.

use super::super::{CommandLine, Settings};
use super::{ENVOY, HTTPS, MODULE, read};
use crate::Running;
use std::collections::HashMap;

/// Reads the variables for a server that is a program.
fn read_program(variables: &[(&str, &str)], command_line: &CommandLine) -> Result<Settings, Vec<String>> {
    let mut environment = HashMap::from([("ENVOY_BIN", ENVOY), ("MCP_FILTER_WASM", MODULE)]);
    environment.extend(variables.iter().copied());
    Settings::read(&|name| environment.get(name).map(|&value| value.to_owned()), command_line)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The command line that names a program, with its environment.
fn program(command: &[&str], environment: &[(&str, &str)]) -> CommandLine {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    CommandLine { program: command.iter().map(Into::into).collect(), environment, ..CommandLine::default() }
}

#[test]
fn program_has_its_limits() {
    let command_line = program(&["/bin/sh", "-c", "exit"], &[]);
    let limits = |variables: &[(&str, &str)]| {
        let settings = read_program(variables, &command_line).unwrap();
        let bridge = settings.upstream.program().unwrap().bridge.clone();
        (bridge.sessions, bridge.idle.as_millis(), bridge.line_bytes)
    };
    assert_eq!(limits(&[]), (32, 1_800_000, 67_108_864));
    let set = [("MCP_STDIO_SESSIONS", "1000"), ("MCP_STDIO_IDLE_MS", "1"), ("MCP_STDIO_LINE_BYTES", "1024")];
    assert_eq!(limits(&set), (1000, 1, 1024));
    assert_eq!(limits(&set.map(|(variable, _)| (variable, ""))), limits(&[]));
    for (variable, value, allowed) in [
        ("MCP_STDIO_SESSIONS", "0", "a number of sessions from 1 to 1000"),
        ("MCP_STDIO_SESSIONS", "1001", "a number of sessions from 1 to 1000"),
        ("MCP_STDIO_IDLE_MS", "0", "a whole number of milliseconds from 1 to 4294967295"),
        ("MCP_STDIO_LINE_BYTES", "1023", "a number of bytes from 1024 to 1073741824"),
        ("MCP_STDIO_LINE_BYTES", "1073741825", "a number of bytes from 1024 to 1073741824"),
    ] {
        let expected = [format!("{variable}: {value:?} is not allowed; allowed: {allowed}")];
        assert_eq!(read_program(&[(variable, value)], &command_line).unwrap_err(), expected);
        assert_eq!(read(&[(variable, value)]).unwrap_err(), expected);
    }
}

#[test]
fn neither_url_nor_program_and_both_are_refused() {
    let lines = read_program(&[], &CommandLine::default()).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_UPSTREAM_URL: missing; allowed: an http:// or https:// URL"), "{lines:?}");
    assert!(lines[0].ends_with("or a program in its place: mcp-sidecar run -- COMMAND"), "{lines:?}");
    let url = ("MCP_UPSTREAM_URL", "http://me:hunter2@weather");
    let lines = read_program(&[url], &program(&["/bin/sh"], &[])).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_UPSTREAM_URL: is set, and the command line names a program too"), "{lines:?}");
    assert!(lines[0].ends_with("unset the variable, or leave out \"-- COMMAND\""), "{lines:?}");
}

#[test]
fn command_that_is_not_there_is_refused() {
    let lines = read_program(&[("PORT", "0")], &program(&["absent-program"], &[("PATH", "/bin")])).unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("COMMAND: absent-program: not found on the PATH"), "{lines:?}");
}

#[test]
fn settings_of_the_other_kind_of_server_are_remarked() {
    let ignored = |settings: Settings| {
        let remarks: Vec<_> = settings.remarks.iter().map(ToString::to_string).collect();
        remarks.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_a_url = [
        ("MCP_UPSTREAM_HOST_HEADER", "upstream"),
        ("MCP_UPSTREAM_CA_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_CERT_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_KEY_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_IDLE_MS", "5"),
    ];
    let settings = read_program(&of_a_url, &program(&["/bin/sh"], &[])).unwrap();
    assert_eq!(ignored(settings), of_a_url.map(|(variable, _)| variable));
    let of_a_program = [("MCP_STDIO_SESSIONS", "5"), ("MCP_STDIO_IDLE_MS", "5"), ("MCP_STDIO_LINE_BYTES", "5000")];
    assert_eq!(ignored(read(&of_a_program).unwrap()), of_a_program.map(|(variable, _)| variable));
}

#[test]
fn stdio_has_free_ports_on_loopback_unless_they_are_set() {
    let command_line = CommandLine { is_stdio: true, ..program(&["/bin/sh"], &[]) };
    let chosen = || read_program(&[], &command_line).unwrap().with_free_ports().unwrap();
    let settings = chosen();
    assert!(settings.listener.ip().is_loopback() && settings.probe.ip().is_loopback());
    let ports = [settings.listener.port(), settings.probe.port(), settings.admin_port];
    assert!(ports.iter().all(|&port| port > 0) && ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
    let set = [("HOST", "0.0.0.0"), ("PORT", "4000"), ("PROBE_PORT", "9902"), ("ADMIN_PORT", "9901")];
    let settings = read_program(&set, &command_line).unwrap();
    assert!(!settings.free_ports.any());
    assert_eq!(settings.with_free_ports().unwrap().listener.to_string(), "0.0.0.0:4000");
    let lines = read_program(&[("PORT", "9902"), ("PROBE_PORT", "9902")], &command_line).unwrap_err();
    assert!(lines[0].starts_with("PROBE_PORT: \"9902\" is not allowed"), "{lines:?}");
}

#[test]
fn drain_needs_no_server() {
    let running = |variables: &[(&str, &str)]| {
        let environment: HashMap<_, _> = variables.iter().copied().collect();
        Running::read(&|name| environment.get(name).map(|&value| value.to_owned()))
    };
    let found = running(&[("ADMIN_PORT", "5000"), ("MCP_UPSTREAM_NAME", "weather")]).unwrap();
    assert_eq!((found.admin_port, found.server_name.as_str(), found.is_proxied), (5000, "weather", false));
    assert!(running(&[HTTPS[0], ("HTTPS_PROXY", "one:3128")]).unwrap().is_proxied);
    assert!(running(&[("ADMIN_PORT", "0")]).is_err());
}
