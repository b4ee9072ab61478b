//! An https upstream: an Envoy that terminates TLS and returns the SNI, `Host` and protocol that it received.

use super::{Answer, Sidecar, envoy, free_port, get, post, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A TLS server that answers `<SNI> <Host> <protocol>`.
pub(crate) struct TlsServer {
    child: Child,
    pub(crate) port: u16,
    admin_port: u16,
}

impl TlsServer {
    pub(crate) fn start(certified: &(PathBuf, PathBuf), protocols: &[&str]) -> Self {
        Self::start_with(certified, protocols, &[], None)
    }

    /// Starts it with further fields of its TLS context, and an authority that must have signed the client certificate.
    pub(crate) fn start_with(
        (certificate, key): &(PathBuf, PathBuf),
        protocols: &[&str],
        fields: &[(&str, Value)],
        client_authority: Option<&Path>,
    ) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let mut common = json!({
            "alpn_protocols": protocols,
            "tls_certificates": [{"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}],
        });
        for (name, value) in fields {
            common[name] = value.clone();
        }
        if let Some(file) = client_authority {
            common["validation_context"] = json!({"trusted_ca": {"filename": file}});
        }
        let tls = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": common,
            "require_client_certificate": client_authority.is_some(),
        });
        let config = config(port, admin_port, &tls);
        let mut command = Command::new(envoy());
        command.args(["--disable-hot-restart", "--log-level", "error", "--concurrency", "1", "--config-yaml"]);
        let child = command.arg(config.to_string()).spawn().unwrap();
        let server = Self { child, port, admin_port };
        until("the TLS server serves", || {
            std::net::TcpStream::connect(("127.0.0.1", admin_port)).is_ok()
                && get(server.admin_port, "/ready").status == 200
        });
        server
    }
}

impl Drop for TlsServer {
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
        "upgrade_configs": [{"upgrade_type": "websocket"}],
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

/// What the server received of one request, or the status if the request fails.
pub(crate) fn seen(sidecar: &Sidecar) -> Result<String, u16> {
    seen_in(&post(sidecar.port, "/", "{}"))
}

/// The same, read from a response.
pub(crate) fn seen_in(answer: &Answer) -> Result<String, u16> {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("seen: "));
    line.map(|seen| seen.trim().to_owned()).ok_or(answer.status)
}
