//! Health checks: whether the MCP server accepts connections, with and without traffic.
//!
//! A check opens a TCP connection (with TLS, completes the handshake) and closes it; no request is sent. Envoy checks only
//! the first address of a host, but traffic uses the first address that answers. A server on `localhost` may listen on
//! IPv4, on IPv6 or on both. For `localhost` a second cluster therefore checks both addresses, and the upstream's health
//! check requests `/health`, which reports that cluster's health. So the upstream is always one host, and its
//! `envoy_cluster_membership_healthy` is 0 or 1.
//!
//! **What this does not do:** an https server on `localhost` that listens on IPv6 only receives its traffic but is reported
//! as unreachable.

use super::{address, set, upstream_cluster};
use crate::endpoint::{Endpoint, EndpointHost, Scheme};
use crate::environment::Settings;
use serde_json::{Value, json};

/// The addresses of `localhost`.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
/// Name of the cluster that checks both addresses.
const LOOPBACK_CLUSTER: &str = "sidecar/loopback";
/// Path of the health check on the probe listener.
pub(super) const PATH: &str = "/health";

/// Name of the cluster whose health is reported as the server's.
pub(super) fn cluster_name(settings: &Settings) -> String {
    if is_localhost(settings) { LOOPBACK_CLUSTER.to_owned() } else { upstream_cluster(settings) }
}

/// The upstream's health check.
pub(super) fn check(settings: &Settings) -> Value {
    if settings.upstream.proxy.is_some() {
        return connect_through_proxy();
    }
    if !is_localhost(settings) {
        return connect();
    }
    let mut check = timing("0.5s", "1s", 1);
    set(&mut check, "http_health_check", json!({"path": PATH, "host": "sidecar"}));
    check
}

/// The location of an upstream on `localhost`: one host with both addresses. `None` for other upstreams.
pub(super) fn loopback_location(settings: &Settings) -> Option<Value> {
    let [first, second] = LOOPBACK.map(|host| address(host, settings.upstream.endpoint.port));
    let probe = settings.own_probe();
    let endpoint = json!({
        "address": first,
        "additional_addresses": [{"address": second}],
        "health_check_config": {"address": address(&probe.ip().to_string(), probe.port())},
    });
    let assignment = assignment(&upstream_cluster(settings), &[endpoint]);
    is_localhost(settings).then(|| json!({"type": "STATIC", "load_assignment": assignment}))
}

/// The cluster that checks both addresses of `localhost`. It carries no traffic.
pub(super) fn loopback_cluster(settings: &Settings) -> Option<Value> {
    if !is_localhost(settings) {
        return None;
    }
    let endpoints = LOOPBACK.map(|host| json!({"address": address(host, settings.upstream.endpoint.port)}));
    Some(json!({
        "name": LOOPBACK_CLUSTER,
        "type": "STATIC",
        "load_assignment": assignment(LOOPBACK_CLUSTER, &endpoints),
        "health_checks": [connect()],
    }))
}

pub(super) fn assignment(name: &str, endpoints: &[Value]) -> Value {
    let endpoints: Vec<_> = endpoints.iter().map(|endpoint| json!({"endpoint": endpoint})).collect();
    json!({"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]})
}

/// Whether both addresses of `localhost` are checked. With TLS the first address is checked: the upstream's check would use
/// TLS, and the probe listener accepts plain text only.
fn is_localhost(settings: &Settings) -> bool {
    let Endpoint { scheme, host, .. } = &settings.upstream.endpoint;
    *scheme == Scheme::Http && matches!(host, EndpointHost::Name(name) if name == "localhost")
}

/// A check that connects and closes. Envoy's panic threshold stays enabled, so the only host gets all traffic even when it
/// is unhealthy, and a wrong result blocks no traffic.
fn connect() -> Value {
    let mut check = timing("2s", "5s", 2);
    set(&mut check, "tcp_health_check", json!({}));
    check
}

/// The same through the proxy, with a longer timeout. Envoy starts checks before its listeners, so the first check finds no
/// tunnel and fails; the next one follows after 1 s.
fn connect_through_proxy() -> Value {
    let mut check = timing("5s", "5s", 2);
    set(&mut check, "unhealthy_edge_interval", "1s");
    set(&mut check, "tcp_health_check", json!({}));
    check
}

fn timing(timeout: &str, interval: &str, unhealthy: u32) -> Value {
    json!({
        "timeout": timeout,
        "interval": interval,
        // Used until the first request; the default is 60 s.
        "no_traffic_interval": interval,
        "unhealthy_threshold": unhealthy,
        "healthy_threshold": 1,
    })
}
