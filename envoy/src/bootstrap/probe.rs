//! The listener for probes and scrapes. It serves `/ready`, `/health`, `/metrics` and, at `/`, the live page; other paths are
//! 404, and say where MCP is. On a loopback address, other host names than loopback ones are 403.

use super::{ADMIN_CLUSTER, address, health, page};
use crate::environment::Settings;
use serde_json::{Value, json};

/// Runtime key: the percentage of `/ready` requests that return 200. A drain sets it to 0.
pub(crate) const READY_KEY: &str = "sidecar.ready";

/// The listener. It stays open during a drain, and overload actions do not apply to it.
pub(super) fn listener(settings: &Settings) -> Value {
    let probe = settings.probe;
    json!({
        "name": "probe",
        "address": address(&probe.ip().to_string(), probe.port()),
        "enable_reuse_port": false,
        "ignore_global_conn_limit": true,
        "bypass_overload_manager": true,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "probe",
                "generate_request_id": false,
                "http_filters": [
                    health_check(settings),
                    {"name": "envoy.filters.http.router", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                        "suppress_envoy_headers": true,
                    }},
                ],
                "route_config": {
                    "max_direct_response_body_size_bytes": page::SIZE_LIMIT,
                    "ignore_port_in_host_matching": true,
                    "virtual_hosts": virtual_hosts(settings),
                },
            },
        }]}],
    })
}

/// `/health`: 200 while any address of the server accepts connections, else 503.
fn health_check(settings: &Settings) -> Value {
    json!({
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
            "pass_through_mode": false,
            "cluster_min_healthy_percentages": {health::cluster_name(settings): {"value": 1.0}},
            "headers": [{"name": ":path", "string_match": {"exact": health::PATH}}],
        },
    })
}

/// On a loopback address only requests to loopback names are answered: with DNS rebinding a web page of another site could read the
/// metrics otherwise. On other addresses the sidecar cannot know its names.
fn virtual_hosts(settings: &Settings) -> Value {
    let address = settings.probe.ip();
    let routes = routes(settings);
    if !address.is_loopback() {
        return json!([{"name": "probe", "domains": ["*"], "routes": routes}]);
    }
    let own = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    if !names.contains(&own) {
        names.push(own);
    }
    let refusal =
        "The probe port is on a loopback address, so the host in the URL must be localhost or that address.\n";
    let refused =
        json!([{"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": {"inline_string": refusal}}}]);
    json!([
        {"name": "probe", "domains": names, "routes": routes},
        {"name": "other", "domains": ["*"], "routes": refused},
    ])
}

fn routes(settings: &Settings) -> Value {
    let elsewhere =
        format!("This port has /, /metrics, /ready and /health. MCP is on port {}.\n", settings.listener.port());
    let ready = json!({"runtime_key": READY_KEY, "default_value": {"numerator": 100}});
    json!([
        {"match": {"path": "/ready", "runtime_fraction": ready}, "direct_response": {"status": 200}},
        {"match": {"path": "/ready"}, "direct_response": {"status": 503}},
        {"match": {"path": "/metrics"}, "route": {"cluster": ADMIN_CLUSTER, "prefix_rewrite": "/stats/prometheus"}},
        page::route(),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": elsewhere}}},
    ])
}
