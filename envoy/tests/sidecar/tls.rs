//! An https upstream: an Envoy that ends TLS and says what it was asked for.

use crate::support::{Authority, Sidecar, envoy, free_port, post};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command};

/// A TLS server that answers `<SNI> <Host> <protocol>`.
struct Server {
    child: Child,
    port: u16,
    admin_port: u16,
}

impl Server {
    fn start((certificate, key): (PathBuf, PathBuf), protocols: &[&str]) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let config = config(
            port,
            admin_port,
            &json!({
                "common_tls_context": {
                    "alpn_protocols": protocols,
                    "tls_certificates": [{"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}],
                },
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            }),
        );
        let mut command = Command::new(envoy());
        command.args(["--disable-hot-restart", "--log-level", "error", "--concurrency", "1", "--config-yaml"]);
        let child = command.arg(config.to_string()).spawn().unwrap();
        let server = Self { child, port, admin_port };
        crate::support::until("the TLS server serves", || {
            std::net::TcpStream::connect(("127.0.0.1", admin_port)).is_ok()
                && crate::support::get(server.admin_port, "/ready").status == 200
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(port: u16, admin_port: u16, tls: &Value) -> Value {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let body = "%REQUESTED_SERVER_NAME% %REQ(:AUTHORITY)% %PROTOCOL%";
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "tls",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
            "match": {"prefix": "/"},
            "direct_response": {"status": 200},
            "response_headers_to_add": [{"header": {"key": "seen", "value": body}}],
        }]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        }}],
    });
    let inspector = json!({"name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    }});
    json!({
        "admin": {"address": address(admin_port)},
        "static_resources": {"listeners": [{"name": "tls", "address": address(port), "listener_filters": [inspector], "filter_chains": [{
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
        }]}]},
    })
}

/// What the server saw of one request, or the status in its place.
fn seen(sidecar: &Sidecar) -> Result<String, u16> {
    let answer = post(sidecar.port, "/", "{}");
    let line = answer.head.lines().find_map(|line| line.strip_prefix("seen: "));
    line.map(|seen| seen.trim().to_owned()).ok_or(answer.status)
}

#[test]
fn ok_the_name_of_the_url_is_asked_for_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    let server = Server::start(authority.certify("localhost"), &["h2", "http/1.1"]);
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
    let server = Server::start(authority.certify("127.0.0.1"), &["http/1.1"]);
    let url = format!("https://127.0.0.1:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Ok(format!("127.0.0.1:{} HTTP/1.1", server.port)));
}

#[test]
fn err_a_certificate_of_another_authority() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = Server::start(authority.certify("localhost"), &["h2"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::new(elsewhere.path());
    let url = format!("https://localhost:{}", server.port);
    let sidecar = Sidecar::start(&url, &[("MCP_UPSTREAM_CA_FILE", other.ca_file.to_str().unwrap())]);
    assert_eq!(seen(&sidecar), Err(503));
    crate::support::until("the health check fails as well", || sidecar.probe("/health") == 503);
}
