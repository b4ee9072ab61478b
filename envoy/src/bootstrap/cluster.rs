//! Where Envoy connects to: the MCP server, its own admin interface, an OTLP receiver.

use super::listener::{STREAM_PRIORITY, preserve_case};
use super::{ADMIN_CLUSTER, KEEPALIVE, Keepalive, OTLP_CLUSTER, address, health, set, upstream_cluster};
use crate::endpoint::{Endpoint, EndpointHost, Scheme};
use crate::environment::{Otlp, OtlpProtocol, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::Path;

/// The MCP server.
pub(super) fn upstream(settings: &Settings, machine: Machine) -> Value {
    let upstream = &settings.upstream;
    let name = upstream_cluster(settings);
    let location = health::loopback_location(settings).unwrap_or_else(|| location(&name, &upstream.endpoint));
    let mut cluster = reach(&name, &upstream.endpoint, upstream.ca_file.as_deref(), location);
    set(&mut cluster, "circuit_breakers", circuit_breakers(machine));
    set(&mut cluster, "health_checks", json!([health::check(settings)]));
    let Keepalive { idle_seconds, interval_seconds, probes } = KEEPALIVE;
    let keepalive =
        json!({"keepalive_time": idle_seconds, "keepalive_interval": interval_seconds, "keepalive_probes": probes});
    set(&mut cluster, "upstream_connection_options", json!({"tcp_keepalive": keepalive}));
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
        "load_assignment": health::assignment(ADMIN_CLUSTER, &[json!({"address": address("127.0.0.1", port)})]),
    })
}

/// The OTLP receiver.
pub(super) fn otlp(otlp: &Otlp) -> Value {
    let location = location(OTLP_CLUSTER, &otlp.endpoint);
    let mut cluster = reach(OTLP_CLUSTER, &otlp.endpoint, otlp.ca_file.as_deref(), location);
    if otlp.protocol == OtlpProtocol::Grpc {
        let protocol = json!({"explicit_http_config": {"http2_protocol_options": {}}});
        set(&mut cluster, "typed_extension_protocol_options", http_options(protocol));
    }
    cluster
}

/// A cluster of one host at a location.
fn reach(name: &str, endpoint: &Endpoint, ca_file: Option<&Path>, location: Value) -> Value {
    let mut cluster = json!({"name": name, "connect_timeout": "5s"});
    if let (Scheme::Https, Some(ca_file)) = (endpoint.scheme, ca_file) {
        set(&mut cluster, "transport_socket", tls(&endpoint.host, ca_file));
    }
    extend(cluster, location)
}

/// Where an endpoint is. A name is one host with all its addresses, of which a connection takes the first that answers.
fn location(name: &str, endpoint: &Endpoint) -> Value {
    let at = |host: &str| health::assignment(name, &[json!({"address": address(host, endpoint.port)})]);
    match &endpoint.host {
        EndpointHost::Name(host) => {
            json!({"type": "LOGICAL_DNS", "dns_lookup_family": "ALL", "load_assignment": at(host)})
        }
        EndpointHost::Address(host) => json!({"type": "STATIC", "load_assignment": at(&host.to_string())}),
    }
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
            "trusted_ca": {"filename": ca_file.to_string_lossy()},
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

fn http_options(protocol: Value) -> Value {
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        // Node and uvicorn close idle connections after 5 s; a request sent at that moment would be lost.
        "common_http_protocol_options": {"idle_timeout": "4s", "max_headers_count": 1000, "max_response_headers_kb": 256},
    });
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": extend(options, protocol)})
}

/// Both objects in one.
fn extend(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}
