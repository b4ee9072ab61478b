//! Whether the MCP server can be reached: known with and without traffic, and never by a request to it.
//!
//! A server is checked by a TCP connection that closes at once (with TLS, after the handshake). Envoy checks only the
//! first address of a host, while traffic takes whichever answers. For `localhost`, where a server is bound to IPv4, to
//! IPv6 or to both, a second cluster therefore checks both addresses, and the upstream's own check asks `/health`, which
//! is what that cluster says. So the upstream is always one host, and its `envoy_cluster_membership_healthy` 0 or 1.
//! Not done: an https server on `localhost` that is bound to IPv6 alone gets its traffic, but counts as unreachable.

use super::{address, set, upstream_cluster};
use crate::endpoint::{Endpoint, EndpointHost, Scheme};
use crate::environment::Settings;
use serde_json::{Value, json};

/// Both addresses of `localhost`.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
/// Name of the cluster that checks them.
const LOOPBACK_CLUSTER: &str = "sidecar/loopback";
/// Where the answer is asked for on the probe listener.
pub(super) const PATH: &str = "/health";

/// The cluster whose health is the server's.
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
    let mut ask = timing("0.5s", "1s", 1);
    set(&mut ask, "http_health_check", json!({"path": PATH, "host": "sidecar"}));
    ask
}

/// Where `localhost` is, if the upstream is there: one host with both addresses.
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

/// The cluster that checks both addresses of `localhost`, and carries no traffic.
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

/// With TLS the upstream's check cannot go to the probe listener, which speaks none: then the first address is checked.
fn is_localhost(settings: &Settings) -> bool {
    let Endpoint { scheme, host, .. } = &settings.upstream.endpoint;
    *scheme == Scheme::Http && matches!(host, EndpointHost::Name(name) if name == "localhost")
}

/// Connects and closes. The panic threshold stays on, so an unhealthy single host still gets all traffic: a false alarm
/// blocks nothing.
fn connect() -> Value {
    let mut check = timing("2s", "5s", 2);
    set(&mut check, "tcp_health_check", json!({}));
    check
}

/// The same through the proxy, which needs time of its own. Envoy's first check comes before its listeners, that of the
/// tunnel too, and fails; the next one follows soon.
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
        // Its default of 60 s holds until the first request.
        "no_traffic_interval": interval,
        "unhealthy_threshold": unhealthy,
        "healthy_threshold": 1,
    })
}
