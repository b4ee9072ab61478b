//! Envoy's bootstrap, as one JSON document.
//!
//! The rule behind every choice: what passes is the same with and without the sidecar, but for the few headers that the
//! documentation lists. No retries, no idle cut, no normalised paths, no header of Envoy's own.

mod cluster;
mod health;
mod listener;
mod local_reply;
mod notice;
mod probe;
mod stats;
mod telemetry;
mod tunnel;

use crate::environment::Settings;
use crate::machine::Machine;
use serde_json::{Value, json};

pub(crate) use listener::HTTP_STAT_PREFIX;
pub(crate) use notice::{PROXY as PROXY_NOTICE, REDIRECT as REDIRECT_NOTICE, TLS as TLS_NOTICE};
pub(crate) use probe::READY_KEY;
pub(crate) use tunnel::AUTHORIZATION_VARIABLE;

/// Name of the admin cluster. A server name cannot hold a slash, so it never meets the upstream cluster's.
const ADMIN_CLUSTER: &str = "sidecar/admin";
/// Name of the OTLP cluster.
const OTLP_CLUSTER: &str = "sidecar/otlp";

/// Name of the cluster that WebSockets go to, where they do not go to the upstream's.
pub(crate) const WEB_SOCKET_CLUSTER: &str = "sidecar/websocket";

/// When TCP asks whether a peer is still there.
struct Keepalive {
    idle_seconds: u32,
    interval_seconds: u32,
    probes: u32,
}

/// Finds a dead peer within 90 s on both sides, since no stream is ever cut for being idle.
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
    let to_upstream = (name.as_str(), &settings.upstream.endpoint, settings.upstream.proxy.as_ref());
    let to_otlp = otlp.as_ref().map(|otlp| (OTLP_CLUSTER, &otlp.endpoint, otlp.proxy.as_ref()));
    for (name, endpoint, proxy) in [Some(to_upstream), to_otlp].into_iter().flatten() {
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
        // Histograms show in a scrape once they are flushed. Flushing by the scrape itself (`stats_flush_on_admin`) would
        // show them in the next one only: Envoy writes the page first.
        "stats_flush_interval": "1s",
        "overload_manager": overload_manager(machine),
        "layered_runtime": {"layers": [
            {"name": "sidecar", "static_layer": telemetry::runtime()},
            // Last, so that what a drain sets wins.
            {"name": "admin", "admin_layer": {}},
        ]},
    })
}

/// What is enough for Envoy to read the upstream's certificates and keys; nothing without `https://`.
pub(crate) fn render_tls(settings: &Settings) -> Option<Value> {
    let clusters = [cluster::tls_alone(&settings.upstream)?];
    Some(json!({"static_resources": {"clusters": clusters}}))
}

/// Name of the upstream's cluster, and so its `envoy_cluster_name`, by which its health is known as the server's. A dot
/// would cut it short there.
pub(crate) fn upstream_cluster(settings: &Settings) -> String {
    settings.plugin.server_name.replace('.', "_")
}

/// Envoy refuses work before the kernel ends it for its memory, and connections before files run out.
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
    // `::` takes IPv4 clients as well, as users expect of it.
    let mut socket = json!({"address": host, "port_value": port});
    if host == "::" {
        set(&mut socket, "ipv4_compat", true);
    }
    json!({"socket_address": socket})
}

/// A socket of this machine by its path.
fn address_of_socket(path: &str) -> Value {
    json!({"pipe": {"path": path}})
}

/// Milliseconds as a duration of protobuf's JSON form.
fn seconds(milliseconds: u32) -> String {
    format!("{}.{:03}s", milliseconds / 1000, milliseconds % 1000)
}

/// Adds a field to an object.
fn set(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value.into());
    }
}
