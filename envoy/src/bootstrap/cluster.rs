//! Where Envoy connects to: the MCP server, its own admin interface, an OTLP receiver.

use super::listener::{STREAM_PRIORITY, preserve_case};
use super::{ADMIN_CLUSTER, OTLP_CLUSTER, address, keepalive, set, upstream_cluster};
use crate::endpoint::{Endpoint, EndpointHost, Scheme};
use crate::environment::{Otlp, OtlpProtocol, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::Path;

/// The MCP server.
pub(super) fn upstream(settings: &Settings, machine: Machine) -> Value {
    let upstream = &settings.upstream;
    let mut cluster = reach(&upstream_cluster(settings), &upstream.endpoint, upstream.ca_file.as_deref());
    set(&mut cluster, "circuit_breakers", circuit_breakers(machine));
    set(&mut cluster, "health_checks", health_checks());
    set(&mut cluster, "upstream_connection_options", json!({"tcp_keepalive": keepalive()}));
    let http1 = json!({
        "enable_trailers": true,
        "allow_chunked_length": true,
        "header_key_format": preserve_case(),
    });
    // TLS negotiates the protocol; without it a server speaks HTTP/1.1.
    let protocol = match upstream.endpoint.scheme {
        Scheme::Http => json!({"explicit_http_config": {"http_protocol_options": http1}}),
        Scheme::Https => json!({"auto_config": {"http_protocol_options": http1, "http2_protocol_options": {}}}),
    };
    set(&mut cluster, "typed_extension_protocol_options", http_options(protocol));
    cluster
}

/// Envoy's admin interface, for the scrape on the probe listener.
pub(super) fn admin(port: u16) -> Value {
    json!({
        "name": ADMIN_CLUSTER,
        "type": "STATIC",
        "load_assignment": assignment(ADMIN_CLUSTER, "127.0.0.1", port),
    })
}

/// The OTLP receiver.
pub(super) fn otlp(otlp: &Otlp) -> Value {
    let mut cluster = reach(OTLP_CLUSTER, &otlp.endpoint, otlp.ca_file.as_deref());
    if otlp.protocol == OtlpProtocol::Grpc {
        let protocol = json!({"explicit_http_config": {"http2_protocol_options": {}}});
        set(&mut cluster, "typed_extension_protocol_options", http_options(protocol));
    }
    cluster
}

/// A cluster of one endpoint. A name is one host with all its addresses, IPv4 and IPv6, of which a connection takes the
/// first that answers, so `localhost` works whichever the server is bound to.
fn reach(name: &str, endpoint: &Endpoint, ca_file: Option<&Path>) -> Value {
    let host = match &endpoint.host {
        EndpointHost::Name(host) => host.clone(),
        EndpointHost::Address(host) => host.to_string(),
    };
    let mut cluster = json!({
        "name": name,
        "connect_timeout": "5s",
        "load_assignment": assignment(name, &host, endpoint.port),
    });
    match endpoint.host {
        EndpointHost::Name(_) => {
            set(&mut cluster, "type", "LOGICAL_DNS");
            set(&mut cluster, "dns_lookup_family", "ALL");
        }
        EndpointHost::Address(_) => set(&mut cluster, "type", "STATIC"),
    }
    if let (Scheme::Https, Some(ca_file)) = (endpoint.scheme, ca_file) {
        set(&mut cluster, "transport_socket", tls(&endpoint.host, ca_file));
    }
    cluster
}

fn assignment(name: &str, host: &str, port: u16) -> Value {
    json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}]})
}

/// Verifies the certificate against the URL's host, whatever `Host` the client sends. An address is never sent as SNI.
fn tls(host: &EndpointHost, ca_file: &Path) -> Value {
    let (kind, name) = match host {
        EndpointHost::Name(name) => ("DNS", name.clone()),
        EndpointHost::Address(address) => ("IP_ADDRESS", address.to_string()),
    };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context": {
            "trusted_ca": {"filename": ca_file},
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": name}}],
        }},
    });
    if kind == "DNS" {
        set(&mut context, "sni", name);
    }
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}

/// Room for every stream the listener takes. `track_remaining` makes the requests under way readable per priority, which
/// is how a drain knows what it waits for.
fn circuit_breakers(machine: Machine) -> Value {
    let Machine { connections, .. } = machine;
    let threshold = |priority: &str| {
        json!({
            "priority": priority,
            "max_connections": connections,
            "max_pending_requests": connections,
            "max_requests": connections,
            "track_remaining": true,
        })
    };
    json!({"thresholds": [threshold("DEFAULT"), threshold(STREAM_PRIORITY)]})
}

/// Connects and closes, and never sends a request. The panic threshold stays on, so an unhealthy single host still gets
/// all traffic: a false alarm blocks nothing.
fn health_checks() -> Value {
    json!([{
        "timeout": "2s",
        "interval": "5s",
        // Its default of 60 s holds until the first request.
        "no_traffic_interval": "5s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "tcp_health_check": {},
    }])
}

fn http_options(protocol: Value) -> Value {
    let mut options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        // Node and uvicorn close idle connections after 5 s; a request sent at that moment would be lost.
        "common_http_protocol_options": {"idle_timeout": "4s", "max_headers_count": 1000, "max_response_headers_kb": 256},
    });
    if let (Value::Object(options), Value::Object(protocol)) = (&mut options, protocol) {
        options.extend(protocol);
    }
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options})
}
