//! An https upstream: an Envoy that ends TLS and says what it was asked for.

use crate::support::{Authority, Sidecar, TlsServer, open, read_answer, seen, seen_in, until};
use serde_json::json;

#[test]
fn ok_the_name_of_the_url_is_asked_for_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    let server = TlsServer::start(&authority.certify("localhost"), &["h2", "http/1.1"]);
    let url = format!("https://localhost:{}", server.port);
    let sidecar = Sidecar::start(&url, &[ca_file]);
    assert_eq!(seen(&sidecar), Ok(format!("localhost localhost:{} HTTP/2", server.port)));
    let sidecar = Sidecar::start(&url, &[ca_file, ("MCP_UPSTREAM_HOST_HEADER", "preserve")]);
    assert_eq!(seen(&sidecar), Ok(format!("localhost client.example:{} HTTP/2", sidecar.port)));
    assert_eq!(sidecar.probe("/health"), 200);

    let address = Sidecar::start(&format!("https://127.0.0.1:{}", server.port), &[ca_file]);
    assert_eq!(seen(&address), Err(503), "the certificate is not for this address");
    assert!(address.stat("cluster.upstream.ssl.fail_verify_san") > 0);
}

#[test]
fn ok_an_address_is_verified_and_is_no_sni() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("127.0.0.1"), &["http/1.1"]);
    let url = format!("https://127.0.0.1:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Ok(format!("127.0.0.1:{} HTTP/1.1", server.port)));
}

#[test]
fn err_a_certificate_of_another_authority() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("127.0.0.1"), &["h2"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::new(elsewhere.path());
    let url = format!("https://127.0.0.1:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", other.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Err(503));
    until("the health check fails as well", || sidecar.probe("/health") == 503);
    let told = format!("mcp-sidecar: MCP_UPSTREAM_URL: no TLS with {url}/: CERTIFICATE_VERIFY_FAILED");
    until("the reason is told", || sidecar.errors().contains(&told));
}

#[test]
fn ok_every_version_that_a_server_may_insist_on() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let certified = authority.certify("localhost");
    for version in ["TLSv1_2", "TLSv1_3"] {
        let only = json!({"tls_minimum_protocol_version": version, "tls_maximum_protocol_version": version});
        let server = TlsServer::start_with(&certified, &["h2", "http/1.1"], &[("tls_params", only)], None);
        let url = format!("https://localhost:{}", server.port);
        let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap())]);
        assert_eq!(seen(&sidecar), Ok(format!("localhost localhost:{} HTTP/2", server.port)), "{version}");
        until("the health check passes as well", || sidecar.probe("/health") == 200);
    }
}

#[test]
fn ok_a_server_that_asks_for_a_client_certificate_gets_it() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let client = authority.certify("sidecar.example");
    let server = TlsServer::start_with(&authority.certify("localhost"), &["h2"], &[], Some(&authority.ca_file));
    let url = format!("https://localhost:{}", server.port);
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    let certificate = ("MCP_UPSTREAM_CERT_FILE", client.0.to_str().unwrap());
    let key = ("MCP_UPSTREAM_KEY_FILE", client.1.to_str().unwrap());
    let sidecar = Sidecar::start(&url, &[ca_file, certificate, key]);
    assert_eq!(seen(&sidecar), Ok(format!("localhost localhost:{} HTTP/2", server.port)));
    until("the health check shows it too", || sidecar.probe("/health") == 200);
    let without = Sidecar::start(&url, &[ca_file]);
    assert_eq!(seen(&without), Err(503));
}

#[test]
fn ok_a_web_socket_asks_by_http1_where_all_else_goes_by_http2() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("localhost"), &["h2", "http/1.1"]);
    let url = format!("https://localhost:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Ok(format!("localhost localhost:{} HTTP/2", server.port)));
    let offer = [("Connection", "Upgrade"), ("Upgrade", "WebSocket")];
    let answer = read_answer(open(sidecar.port, "GET", "/", &offer, ""));
    assert_eq!(seen_in(&answer), Ok(format!("localhost localhost:{} HTTP/1.1", server.port)));
}

#[test]
fn err_files_that_envoy_cannot_use_are_named_by_their_variables() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let [(certificate, key), (_, other_key)] = ["a.example", "b.example"].map(|name| authority.certify(name));
    let rubbish = directory.path().join("rubbish.pem");
    std::fs::write(&rubbish, "rubbish").unwrap();
    let [ca, certificate, key, other_key, rubbish] =
        [&authority.ca_file, &certificate, &key, &other_key, &rubbish].map(|file| file.to_str().unwrap());
    let cases = [
        ("MCP_UPSTREAM_CA_FILE", rubbish, [rubbish, certificate, key], "a PEM file of certificate authorities"),
        ("MCP_UPSTREAM_CERT_FILE", rubbish, [ca, rubbish, key], "the PEM file of a certificate"),
        ("MCP_UPSTREAM_KEY_FILE", rubbish, [ca, certificate, rubbish], "that belongs to MCP_UPSTREAM_CERT_FILE"),
        ("MCP_UPSTREAM_KEY_FILE", other_key, [ca, certificate, other_key], "KEY_VALUES_MISMATCH"),
    ];
    for (variable, file, [ca, certificate, key], expected) in cases {
        let variables =
            [("MCP_UPSTREAM_CA_FILE", ca), ("MCP_UPSTREAM_CERT_FILE", certificate), ("MCP_UPSTREAM_KEY_FILE", key)];
        let (mut sidecar, _) = Sidecar::spawn("https://localhost:1", &variables);
        assert_eq!(sidecar.ended().code(), Some(2));
        let start = format!("mcp-sidecar: {variable}: {file:?} is not allowed; allowed: ");
        until("it is told", || sidecar.errors().contains(&start));
        let told = sidecar.errors();
        assert!(told.contains(expected) && told.lines().count() == 1, "{told}");
    }
}
