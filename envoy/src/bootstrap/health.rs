//! Health checks: whether the MCP server accepts connections, with and without traffic; for a program, what its bridge
//! reports.
//!
//! A check of a URL opens a TCP connection (with TLS, completes the handshake) and closes it; no request is sent. Envoy checks only
//! the first address of a host, but traffic uses the first address that answers. A server on `localhost` may listen on
//! IPv4, on IPv6 or on both. For `localhost` a second cluster therefore checks both addresses, and the upstream's health
//! check requests `/health`, which reports that cluster's health. So the upstream is always one host, and its
//! `envoy_cluster_membership_healthy` is 0 or 1.
//!
//! **What this does not do:** an https server on `localhost` that listens on IPv6 only receives its traffic but is reported
//! as unreachable.

use super::{address, set, upstream_cluster};
use crate::environment::{Endpoint, EndpointHost, Scheme, Settings};
use serde_json::{Value, json};

/// The addresses of `localhost`.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
/// Name of the cluster that checks both addresses.
const LOOPBACK_CLUSTER: &str = "sidecar/loopback";
/// Path of the health check on the probe listener.
pub(super) const PATH: &str = "/health";

/// Name of the cluster whose health is reported as the server's.
pub(super) fn cluster_name(settings: &Settings) -> String {
    if localhost_port(settings).is_some() { LOOPBACK_CLUSTER.to_owned() } else { upstream_cluster(settings) }
}

/// The upstream's health check.
pub(super) fn check(settings: &Settings) -> Value {
    if settings.upstream.program().is_some() {
        return ask_bridge();
    }
    if settings.upstream.proxy.is_some() {
        return connect_through_proxy();
    }
    if localhost_port(settings).is_none() {
        return connect();
    }
    let mut check = timing("0.5s", "1s", 1);
    set(&mut check, "http_health_check", json!({"path": PATH, "host": "sidecar"}));
    check
}

/// The location of an upstream on `localhost`: one host with both addresses. `None` for other upstreams.
pub(super) fn loopback_location(settings: &Settings) -> Option<Value> {
    let port = localhost_port(settings)?;
    let [first, second] = LOOPBACK.map(|host| address(host, port));
    let probe = settings.own_probe();
    let endpoint = json!({
        "address": first,
        "additional_addresses": [{"address": second}],
        "health_check_config": {"address": address(&probe.ip().to_string(), probe.port())},
    });
    let assignment = assignment(&upstream_cluster(settings), &[endpoint]);
    Some(json!({"type": "STATIC", "load_assignment": assignment}))
}

/// The cluster that checks both addresses of `localhost`. It carries no traffic.
pub(super) fn loopback_cluster(settings: &Settings) -> Option<Value> {
    let port = localhost_port(settings)?;
    let endpoints = LOOPBACK.map(|host| json!({"address": address(host, port)}));
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

/// The port of a server on `localhost`, whose two addresses are checked. With TLS the first address is checked: the upstream's check would use
/// TLS, and the probe listener accepts plain text only.
fn localhost_port(settings: &Settings) -> Option<u16> {
    let Endpoint { scheme, host, port, .. } = settings.upstream.endpoint()?;
    let is_checked = *scheme == Scheme::Http && matches!(host, EndpointHost::Name(name) if name == "localhost");
    is_checked.then_some(*port)
}

/// A GET to the bridge of a program. It fails while the last start of the program failed. The first check begins before Envoy
/// compiles the module on the same thread, and may time out; the next one follows at once.
fn ask_bridge() -> Value {
    let mut check = timing("5s", "1s", 1);
    set(&mut check, "unhealthy_edge_interval", "0.1s");
    set(&mut check, "http_health_check", json!({"path": mcp_connector::HEALTH_PATH, "host": "sidecar"}));
    check
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
