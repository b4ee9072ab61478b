//! Envoy's clusters: the MCP server, Envoy's own admin interface, the OTLP receiver.

use super::connections::{
    STREAM_PRIORITY, extend, has_web_socket_cluster, http_options, keepalive, location, preserve_case, thresholds,
};
use super::{
    ADMIN_CLUSTER, OTLP_CLUSTER, WEB_SOCKET_CLUSTER, address, address_of_socket, health, set, tunnel, upstream_cluster,
};
use crate::environment::{ClientCertificate, EndpointHost, Otlp, OtlpProtocol, Server, Settings, Upstream};
use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::Path;

/// Idle timeout of connections to the OTLP receiver.
const OTLP_IDLE_MS: u32 = 1_500;

/// The cluster of the MCP server.
pub(super) fn upstream(settings: &Settings, machine: Machine) -> Value {
    // With TLS, ALPN negotiates the protocol; without TLS it is HTTP/1.1.
    let protocol = if settings.upstream.is_https() {
        json!({"auto_config": {"http_protocol_options": http1(), "http2_protocol_options": {}}})
    } else {
        json!({"explicit_http_config": {"http_protocol_options": http1()}})
    };
    let mut cluster = server(settings, machine, &upstream_cluster(settings), protocol);
    set(&mut cluster, "health_checks", json!([health::check(settings)]));
    cluster
}

/// The cluster of the same server for WebSocket, with HTTP/1.1 only; it exists where TLS may negotiate HTTP/2. Few servers
/// accept a WebSocket over HTTP/2, and some close the whole connection, with every call on it.
pub(super) fn web_socket(settings: &Settings, machine: Machine) -> Option<Value> {
    let protocol = json!({"explicit_http_config": {"http_protocol_options": http1()}});
    has_web_socket_cluster(settings).then(|| server(settings, machine, WEB_SOCKET_CLUSTER, protocol))
}

/// A cluster with the server's TLS settings and without hosts.
pub(super) fn tls_only(upstream: &Upstream) -> Option<Value> {
    let no_hosts = json!({"type": "STATIC"});
    upstream.is_https().then(|| cluster_of_server("upstream", upstream, no_hosts))
}

fn http1() -> Value {
    json!({"enable_trailers": true, "allow_chunked_length": true, "header_key_format": preserve_case()})
}

/// A cluster that connects to the MCP server with the given protocol options.
fn server(settings: &Settings, machine: Machine, name: &str, protocol: Value) -> Value {
    let Upstream { server, idle_ms, proxy, .. } = &settings.upstream;
    let location = match (server, proxy) {
        (Server::Program(program), _) => location_of_socket(name, &program.socket),
        (Server::Url(_), Some(_)) => tunnel::location(settings, &upstream_cluster(settings), name),
        (Server::Url(endpoint), None) => {
            health::loopback_location(settings).unwrap_or_else(|| location(name, endpoint))
        }
    };
    let mut cluster = cluster_of_server(name, &settings.upstream, location);
    let thresholds = [thresholds("DEFAULT", machine), thresholds(STREAM_PRIORITY, machine)];
    set(&mut cluster, "circuit_breakers", json!({"thresholds": thresholds}));
    if proxy.is_none() && matches!(server, Server::Url(_)) {
        set(&mut cluster, "upstream_connection_options", keepalive());
    }
    set(&mut cluster, "typed_extension_protocol_options", http_options(protocol, Some(*idle_ms)));
    cluster
}

/// The cluster of Envoy's admin interface, which the probe listener uses for scrapes.
pub(super) fn admin(port: u16) -> Value {
    json!({
        "name": ADMIN_CLUSTER,
        "type": "STATIC",
        "load_assignment": health::assignment(ADMIN_CLUSTER, &[json!({"address": address("127.0.0.1", port)})]),
    })
}

/// The cluster of the OTLP receiver.
pub(super) fn otlp(settings: &Settings, otlp: &Otlp) -> Value {
    let location = match otlp.proxy {
        Some(_) => tunnel::location(settings, OTLP_CLUSTER, OTLP_CLUSTER),
        None => location(OTLP_CLUSTER, &otlp.endpoint),
    };
    let mut cluster = base_cluster(OTLP_CLUSTER, location);
    if let Some(ca_file) = &otlp.ca_file {
        set(&mut cluster, "transport_socket", tls(&otlp.endpoint.host, ca_file, None));
    }
    let protocol = match otlp.protocol {
        OtlpProtocol::Grpc => json!({"explicit_http_config": {"http2_protocol_options": {}}}),
        OtlpProtocol::Http => json!({"explicit_http_config": {"http_protocol_options": {}}}),
    };
    set(&mut cluster, "typed_extension_protocol_options", http_options(protocol, Some(OTLP_IDLE_MS)));
    cluster
}

/// The server's name, location and TLS settings.
fn cluster_of_server(name: &str, upstream: &Upstream, location: Value) -> Value {
    let Upstream { ca_file, client_certificate, .. } = upstream;
    let mut cluster = base_cluster(name, location);
    // Without `https://` there is no CA file.
    if let (Some(endpoint), Some(ca_file)) = (upstream.endpoint(), ca_file) {
        set(&mut cluster, "transport_socket", tls(&endpoint.host, ca_file, client_certificate.as_ref()));
    }
    cluster
}

/// Name, connect timeout and location: what all clusters have.
fn base_cluster(name: &str, location: Value) -> Value {
    extend(json!({"name": name, "connect_timeout": "5s"}), location)
}

/// The location of a bridge.
fn location_of_socket(name: &str, socket: &Path) -> Value {
    let address = address_of_socket(&socket.to_string_lossy());
    json!({"type": "STATIC", "load_assignment": health::assignment(name, &[json!({"address": address})])})
}

/// Verifies the certificate against the URL's host, whatever `Host` the client sends. SNI is the name without a final dot;
/// for an address no SNI is sent.
fn tls(host: &EndpointHost, ca_file: &Path, client: Option<&ClientCertificate>) -> Value {
    let (kind, name) = match host {
        EndpointHost::Name(name) => ("DNS", name.trim_end_matches('.').to_owned()),
        EndpointHost::Address(address) => ("IP_ADDRESS", address.to_string()),
    };
    let mut common = json!({
        // Envoy's default maximum for upstream connections is 1.2.
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "validation_context": {
            "trusted_ca": {"filename": ca_file.to_string_lossy()},
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}],
        },
    });
    if let Some(ClientCertificate { certificate, key }) = client {
        let file = |path: &Path| json!({"filename": path.to_string_lossy()});
        let pair = json!({"certificate_chain": file(certificate), "private_key": file(key)});
        set(&mut common, "tls_certificates", json!([pair]));
    }
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": common,
    });
    if kind == "DNS" {
        set(&mut context, "sni", name);
    }
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}
