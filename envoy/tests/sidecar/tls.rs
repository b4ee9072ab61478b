//! An https upstream: an Envoy that terminates TLS and returns the SNI, `Host` and protocol that it received.

use crate::support::{
    Authority, Sidecar, TlsServer, Upstream, open, post, read_answer, say_json, seen, seen_in, until,
};
use serde_json::json;

#[test]
fn name_of_the_url_is_sent_as_sni_and_verified() {
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
fn address_is_verified_and_not_sent_as_sni() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("127.0.0.1"), &["http/1.1"]);
    let url = format!("https://127.0.0.1:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Ok(format!("127.0.0.1:{} HTTP/1.1", server.port)));
}

#[test]
fn certificate_of_another_authority_is_refused_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("127.0.0.1"), &["h2"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::new(elsewhere.path());
    let url = format!("https://127.0.0.1:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", other.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Err(503));
    until("the health check fails as well", || sidecar.probe("/health") == 503);
    until("the reason is reported", || sidecar.errors().contains("(CERTIFICATE_VERIFY_FAILED"));
}

#[test]
fn tls_1_2_and_1_3_are_supported() {
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

        let plain = Upstream::start(|_, stream| say_json(stream, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#));
        let authorities = ("SSL_CERT_FILE", authority.ca_file.to_str().unwrap());
        let telemetry = Sidecar::start(&plain.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), authorities]);
        assert_eq!(post(telemetry.port, "/", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).status, 200);
        until("telemetry is received", || telemetry.stat("cluster.sidecar/otlp.upstream_rq_200") > 0);
    }
}

#[test]
fn client_certificate_is_sent_to_a_server_that_requires_it() {
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
    until("the health check sends it too", || sidecar.probe("/health") == 200);
    let without = Sidecar::start(&url, &[ca_file]);
    assert_eq!(seen(&without), Err(503));
}

#[test]
fn web_socket_uses_http1_where_other_requests_use_http2() {
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
fn file_that_envoy_refuses_is_reported_with_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let [(certificate, key), (_, other_key)] = ["a.example", "b.example"].map(|name| authority.certify(name));
    let rubbish = directory.path().join("rubbish.pem");
    std::fs::write(&rubbish, "rubbish").unwrap();
    let [ca, certificate, key, other_key, rubbish] =
        [&authority.ca_file, &certificate, &key, &other_key, &rubbish].map(|file| file.to_str().unwrap());
    let cases = [
        ("MCP_UPSTREAM_CA_FILE", rubbish, [rubbish, certificate, key], "a PEM file of certificate authorities"),
        ("MCP_UPSTREAM_CERT_FILE", rubbish, [ca, rubbish, key], "a PEM file of the certificate"),
        ("MCP_UPSTREAM_KEY_FILE", rubbish, [ca, certificate, rubbish], "that belongs to MCP_UPSTREAM_CERT_FILE"),
        ("MCP_UPSTREAM_KEY_FILE", other_key, [ca, certificate, other_key], "KEY_VALUES_MISMATCH"),
    ];
    for (variable, file, [ca, certificate, key], expected) in cases {
        let variables =
            [("MCP_UPSTREAM_CA_FILE", ca), ("MCP_UPSTREAM_CERT_FILE", certificate), ("MCP_UPSTREAM_KEY_FILE", key)];
        let (mut sidecar, _) = Sidecar::spawn("https://localhost:1", &variables);
        assert_eq!(sidecar.ended().code(), Some(2));
        let start = format!("mcp-sidecar: {variable}: {file:?} is refused by Envoy (");
        until("it is reported", || sidecar.errors().contains(&start));
        let report = sidecar.errors();
        assert!(report.contains(expected) && report.lines().count() == 1, "{report}");
    }
}
