//! The tunnel to an `https://` endpoint through a forward proxy: a listener on a Unix socket that turns each connection
//! into a CONNECT to the proxy.
//!
//! The endpoint's cluster connects to that socket and uses TLS with the endpoint, so the proxy sees only its name and port.
//! Health checks use the same tunnel. An internal listener would need no socket, but it exists on Envoy's workers only and
//! health checks run on the main thread.

use super::connections::{self, http_options, keepalive, thresholds};
use super::{address_of_socket, health, notice};
use crate::environment::{Endpoint, ForwardProxy, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};

/// Name of the proxy's cluster.
const PROXY_CLUSTER: &str = "sidecar/proxy";
/// The variable of Envoy's environment that holds `Proxy-Authorization`. In the bootstrap, the admin interface would show it.
pub(crate) const AUTHORIZATION_VARIABLE: &str = "MCP_SIDECAR_PROXY_AUTHORIZATION";

/// The location of a cluster that connects through the tunnel of the given name.
pub(super) fn location(settings: &Settings, tunnel: &str, cluster: &str) -> Value {
    let address = address_of_tunnel(settings, tunnel);
    json!({"type": "STATIC", "load_assignment": health::assignment(cluster, &[json!({"address": address})])})
}

/// An abstract socket, which leaves no file. Its name holds the admin port: both are unique in the network namespace.
fn address_of_tunnel(settings: &Settings, tunnel: &str) -> Value {
    address_of_socket(&format!("@mcp-sidecar/{}/{tunnel}", settings.admin_port))
}

/// The listener on that socket. It has no connection limit; the MCP listener's limit applies before it.
pub(super) fn listener(settings: &Settings, tunnel: &str, endpoint: &Endpoint, proxy: &ForwardProxy) -> Value {
    let authorization = proxy.authorization().map(|_| {
        json!({"header": {"key": "Proxy-Authorization", "value": format!("%ENVIRONMENT({AUTHORIZATION_VARIABLE})%")}})
    });
    let headers: Vec<_> = authorization.into_iter().collect();
    json!({
        "name": format!("tunnel/{tunnel}"),
        "address": address_of_tunnel(settings, tunnel),
        "ignore_global_conn_limit": true,
        "bypass_overload_manager": true,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "tunnel",
                "cluster": PROXY_CLUSTER,
                "idle_timeout": "0s",
                "tunneling_config": {
                    // A name is resolved by the proxy.
                    "hostname": endpoint.host_and_port(),
                    "headers_to_add": headers,
                },
                "access_log": [notice::of_tunnels()],
            },
        }]}],
    })
}

/// The cluster of the proxy.
pub(super) fn cluster(proxy: &ForwardProxy, machine: Machine) -> Value {
    let protocol = json!({"explicit_http_config": {"http_protocol_options": {}}});
    let mut cluster = connections::location(PROXY_CLUSTER, &proxy.endpoint);
    for (name, value) in [
        ("name", json!(PROXY_CLUSTER)),
        ("connect_timeout", json!("5s")),
        ("circuit_breakers", json!({"thresholds": [thresholds("DEFAULT", machine)]})),
        ("upstream_connection_options", keepalive()),
        ("typed_extension_protocol_options", http_options(protocol, None)),
    ] {
        super::set(&mut cluster, name, value);
    }
    cluster
}
