//! Envoy's bootstrap, as one JSON document.
//!
//! All settings follow one rule: traffic is the same with and without the sidecar, except for the few headers that the
//! documentation lists. Envoy does not retry, does not close idle streams, does not normalise paths and adds no headers.

mod attributes;
mod audit;
mod cluster;
mod connections;
mod health;
mod listener;
mod local_reply;
mod notice;
mod page;
mod probe;
mod sampler;
mod stats;
mod telemetry;
mod tunnel;

use crate::environment::Settings;
use crate::machine::Machine;
use serde_json::{Value, json};

pub(crate) use listener::HTTP_STAT_PREFIX;
pub(crate) use notice::{
    CONNECT as CONNECT_NOTICE, FIRST_ANSWERS_KEY, PROXY as PROXY_NOTICE, REDIRECT as REDIRECT_NOTICE,
};
pub(crate) use probe::READY_KEY;
pub(crate) use tunnel::AUTHORIZATION_VARIABLE;

/// Name of the admin cluster. A server name has no slash, so this name never equals the upstream cluster's.
const ADMIN_CLUSTER: &str = "sidecar/admin";
/// Name of the OTLP cluster.
const OTLP_CLUSTER: &str = "sidecar/otlp";

/// Name of the cluster for WebSocket, where it is not the upstream's.
pub(crate) const WEB_SOCKET_CLUSTER: &str = "sidecar/websocket";

/// When TCP keepalive probes are sent.
struct Keepalive {
    idle_seconds: u32,
    interval_seconds: u32,
    probes: u32,
}

/// Detects a dead peer within 90 s on both sides. It is needed because idle streams are never closed.
const KEEPALIVE: Keepalive = Keepalive { idle_seconds: 60, interval_seconds: 10, probes: 3 };

/// Renders the bootstrap.
#[must_use]
pub fn render(settings: &Settings, machine: Machine) -> Value {
    let Settings { plugin, otlp, admin_port, .. } = settings;
    let mut clusters = vec![cluster::upstream(settings, machine), cluster::admin(*admin_port)];
    clusters.extend(cluster::web_socket(settings, machine));
    clusters.extend(health::loopback_cluster(settings));
    clusters.extend(otlp.as_ref().map(|otlp| cluster::otlp(settings, otlp)));
    let mut listeners = vec![listener::mcp(settings, machine), probe::listener(settings)];
    let name = upstream_cluster(settings);
    let to_upstream =
        settings.upstream.endpoint().map(|endpoint| (name.as_str(), endpoint, settings.upstream.proxy.as_ref()));
    let to_otlp = otlp.as_ref().map(|otlp| (OTLP_CLUSTER, &otlp.endpoint, otlp.proxy.as_ref()));
    for (name, endpoint, proxy) in [to_upstream, to_otlp].into_iter().flatten() {
        listeners.extend(proxy.map(|proxy| tunnel::listener(settings, name, endpoint, proxy)));
    }
    clusters.extend(settings.proxy().map(|proxy| tunnel::cluster(proxy, machine)));
    json!({
        "node": {"id": "mcp-sidecar", "cluster": plugin.server_name},
        "admin": {"address": address("127.0.0.1", *admin_port), "ignore_global_conn_limit": true},
        "static_resources": {
            "listeners": listeners,
            "clusters": clusters,
        },
        "stats_config": stats::config(),
        // A scrape shows histograms after a flush. With `stats_flush_on_admin` a scrape would show the histograms of the
        // scrape before it, because Envoy writes the page first.
        "stats_flush_interval": "1s",
        "overload_manager": overload_manager(machine),
        "layered_runtime": {"layers": [
            {"name": "sidecar", "static_layer": telemetry::runtime()},
            // The last layer wins: a drain sets its keys here.
            {"name": "admin", "admin_layer": {}},
        ]},
    })
}

/// A bootstrap from which Envoy reads the upstream's certificates and keys and nothing else; `None` without `https://`.
pub(crate) fn render_tls(settings: &Settings) -> Option<Value> {
    let clusters = [cluster::tls_only(&settings.upstream)?];
    Some(json!({"static_resources": {"clusters": clusters}}))
}

/// Name of the cluster of the server with this name, which is also the `envoy_cluster_name` of its series. Envoy ends that label at a dot, so
/// dots are replaced.
pub(crate) fn cluster_of(server_name: &str) -> String {
    server_name.replace('.', "_")
}

/// Name of the upstream's cluster.
pub(crate) fn upstream_cluster(settings: &Settings) -> String {
    cluster_of(&settings.plugin.server_name)
}

/// Envoy refuses requests before the kernel kills it for its memory, and connections before open files run out.
fn overload_manager(machine: Machine) -> Value {
    let Machine { connections, heap_bytes } = machine;
    let heap = "envoy.resource_monitors.fixed_heap";
    let downstream = "envoy.resource_monitors.global_downstream_max_connections";
    let action =
        |name: &str, share: f64| json!({"name": name, "triggers": [{"name": heap, "threshold": {"value": share}}]});
    json!({
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {"name": heap, "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                "max_heap_size_bytes": heap_bytes,
            }},
            {"name": downstream, "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": connections,
            }},
        ],
        "actions": [
            action("envoy.overload_actions.shrink_heap", 0.9),
            action("envoy.overload_actions.stop_accepting_requests", 0.95),
        ],
    })
}

fn address(host: &str, port: u16) -> Value {
    // `::` accepts IPv4 clients too, as users expect.
    let mut socket = json!({"address": host, "port_value": port});
    if host == "::" {
        set(&mut socket, "ipv4_compat", true);
    }
    json!({"socket_address": socket})
}

/// The address of a Unix socket.
fn address_of_socket(path: &str) -> Value {
    json!({"pipe": {"path": path}})
}

/// Milliseconds as a duration in protobuf's JSON format.
fn seconds(milliseconds: u32) -> String {
    format!("{}.{:03}s", milliseconds / 1000, milliseconds % 1000)
}

/// Adds a field to an object.
fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value.into());
    }
}
