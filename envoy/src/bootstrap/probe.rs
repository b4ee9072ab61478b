//! The listener for probes and scrapes: `/ready`, `/health`, `/metrics`, nothing else.

use super::{ADMIN_CLUSTER, address, upstream_cluster};
use crate::environment::Settings;
use serde_json::{Value, json};

/// The listener. It stays open during a drain and no overload action stops it.
pub(super) fn listener(settings: &Settings) -> Value {
    let probe = settings.probe;
    let healthy = json!({upstream_cluster(settings): {"value": 100.0}});
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
                    // Both answer 503 while the sidecar drains.
                    health_check("/ready", &json!({})),
                    health_check("/health", &healthy),
                    {"name": "envoy.filters.http.router", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                        "suppress_envoy_headers": true,
                    }},
                ],
                "route_config": {"virtual_hosts": [{"name": "probe", "domains": ["*"], "routes": [{
                    "match": {"path": "/metrics"},
                    "route": {"cluster": ADMIN_CLUSTER, "prefix_rewrite": "/stats/prometheus"},
                }]}]},
            },
        }]}],
    })
}

fn health_check(path: &str, minimum: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
            "pass_through_mode": false,
            "cluster_min_healthy_percentages": minimum,
            "headers": [{"name": ":path", "string_match": {"exact": path}}],
        },
    })
}
