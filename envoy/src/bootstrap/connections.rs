//! What clusters, listener and tunnel have in common: priorities, timeouts, keepalive, addresses.

use super::{KEEPALIVE, Keepalive, address, health, seconds, set};
use crate::environment::{Endpoint, EndpointHost, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};

/// Priority of the exchanges that a drain does not wait for: streams that a client opened to listen. It only selects the
/// gauge that counts them.
pub(crate) const STREAM_PRIORITY: &str = "HIGH";

/// Whether WebSocket uses a separate cluster.
pub(super) fn has_web_socket_cluster(settings: &Settings) -> bool {
    settings.upstream.is_https()
}

/// The discovery type and addresses of an endpoint. A name is one host with all its addresses; a connection uses the first
/// address that answers.
pub(super) fn location(name: &str, endpoint: &Endpoint) -> Value {
    let at = |host: &str| health::assignment(name, &[json!({"address": address(host, endpoint.port)})]);
    match &endpoint.host {
        EndpointHost::Name(host) => {
            json!({"type": "LOGICAL_DNS", "dns_lookup_family": "ALL", "load_assignment": at(host)})
        }
        EndpointHost::Address(host) => json!({"type": "STATIC", "load_assignment": at(&host.to_string())}),
    }
}

/// Limits that allow every stream which the listener accepts. `track_remaining` publishes the number of open requests per
/// priority, which a drain reads.
pub(super) fn thresholds(priority: &str, machine: Machine) -> Value {
    let Machine { connections, .. } = machine;
    json!({
        "priority": priority,
        "max_connections": connections,
        "max_pending_requests": connections,
        "max_requests": connections,
        "track_remaining": true,
    })
}

/// TCP keepalive, which detects dead peers.
pub(super) fn keepalive() -> Value {
    let Keepalive { idle_seconds, interval_seconds, probes } = KEEPALIVE;
    let keepalive =
        json!({"keepalive_time": idle_seconds, "keepalive_interval": interval_seconds, "keepalive_probes": probes});
    json!({"tcp_keepalive": keepalive})
}

/// Servers close idle connections (gunicorn after 2 s, Node and uvicorn after 5 s). A request sent at that moment would be
/// lost, so Envoy closes idle connections first.
pub(super) fn http_options(protocol: Value, idle_ms: Option<u32>) -> Value {
    let mut common = json!({"max_headers_count": 1000, "max_response_headers_kb": 256});
    if let Some(idle_ms) = idle_ms {
        set(&mut common, "idle_timeout", seconds(idle_ms));
    }
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": common,
    });
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": extend(options, protocol)})
}

/// Forwards header names in their original case.
pub(super) fn preserve_case() -> Value {
    json!({"stateful_formatter": {
        "name": "preserve_case",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
            "forward_reason_phrase": true,
        },
    }})
}

/// Merges the fields of `more` into `object`.
pub(super) fn extend(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}
