//! The listener that MCP clients connect to: one HTTP connection manager with the filter and its routes.

use super::connections::{STREAM_PRIORITY, has_web_socket_cluster, preserve_case};
use super::{
    KEEPALIVE, WEB_SOCKET_CLUSTER, address, audit, local_reply, notice, seconds, set, telemetry, upstream_cluster,
};
use crate::environment::{FilterPlugin, HostHeader, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};

/// Prefix of the listener's HTTP stats.
pub(crate) const HTTP_STAT_PREFIX: &str = "mcp";
/// The only upgrade that is accepted.
const WEBSOCKET: &str = "websocket";

/// The listener.
pub(super) fn mcp(settings: &Settings, machine: Machine) -> Value {
    let Settings { listener, .. } = settings;
    json!({
        "name": "mcp",
        "address": address(&listener.ip().to_string(), listener.port()),
        // A drain closes inbound listeners only, so the probe listener stays open.
        "traffic_direction": "INBOUND",
        // MCP has few long connections: balance them over the workers.
        "connection_balance_config": {"exact_balance": {}},
        // A second process on this port must fail instead of taking a share of the traffic.
        "enable_reuse_port": false,
        "tcp_backlog_size": 4096,
        "socket_options": keepalive(),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(settings, machine),
        }]}],
    })
}

/// Bytes of a held body that Envoy buffers before it answers 413. The filter holds at most 64 KiB. But Envoy counts all that it
/// reads after a part was held, before the filter lets it pass, and it reads up to 1 MiB at once.
const HELD_BODY_LIMIT: u64 = 2 << 20;

/// TCP keepalive of the listening socket; accepted connections inherit it. The numbers are Linux's option numbers.
fn keepalive() -> Value {
    let option = |name: &str, level: u32, number: u32, value: u32| json!({"description": name, "level": level, "name": number, "int_value": value, "state": "STATE_PREBIND"});
    json!([
        option("SO_KEEPALIVE", 1, 9, 1),
        option("TCP_KEEPIDLE", 6, 4, KEEPALIVE.idle_seconds),
        option("TCP_KEEPINTVL", 6, 5, KEEPALIVE.interval_seconds),
        option("TCP_KEEPCNT", 6, 6, KEEPALIVE.probes),
    ])
}

fn connection_manager(settings: &Settings, machine: Machine) -> Value {
    let endpoint = settings.upstream.endpoint();
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": HTTP_STAT_PREFIX,
        "codec_type": "AUTO",
        "stream_idle_timeout": "0s",
        "request_timeout": "0s",
        "request_headers_timeout": "0s",
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": false,
        "preserve_external_request_id": true,
        "use_remote_address": false,
        "skip_xff_append": true,
        // A client that waits for 100 before it sends the body waits for the server. A held request never reaches the server, so
        // then Envoy answers 100 itself.
        "proxy_100_continue": !settings.plugin.holds_requests,
        "normalize_path": false,
        "merge_slashes": false,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "max_request_headers_kb": 256,
        "common_http_protocol_options": {"max_headers_count": 1000, "headers_with_underscores_action": "ALLOW"},
        "http_protocol_options": {
            "accept_http_10": true,
            "default_host_for_http_10": endpoint.map_or("localhost", |endpoint| &endpoint.authority),
            "allow_chunked_length": true,
            "enable_trailers": true,
            "header_key_format": preserve_case(),
            // A server may ignore an upgrade. Envoy would refuse it, and clients that offer h2c would fail.
            "ignore_http_11_upgrade": anything_but(WEBSOCKET),
        },
        "upgrade_configs": [{"upgrade_type": WEBSOCKET}],
        // Envoy's default is 1,024; a stream may stay open for days.
        "http2_protocol_options": {"max_concurrent_streams": machine.connections},
        // With the default of 1 s, a client sees a stream that the server broke one second late.
        "delayed_close_timeout": "0s",
        "local_reply_config": local_reply::config(settings, machine),
        "early_header_mutation_extensions": [{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                // These headers would let a client change Envoy's timeouts, retries and hosts.
                "mutations": [{"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}}],
            },
        }],
        "http_filters": [
            {"name": "mcp_observability", "typed_config": filter(&settings.plugin)},
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                "suppress_envoy_headers": true,
            }},
        ],
        "route_config": {"name": "mcp", "virtual_hosts": [virtual_host(settings)]},
    });
    let redirects = settings.upstream.rewrites_host().then(notice::of_redirects);
    let connections = settings.upstream.is_https().then(notice::of_connections);
    let answers = endpoint.map(|_| notice::of_answers());
    let logs = redirects.into_iter().chain(connections).chain(answers).chain(telemetry::access_log(settings));
    let logs: Vec<_> = logs.chain(audit::logs(settings)).collect();
    set(&mut manager, "access_log", logs);
    telemetry::extend(&mut manager, settings);
    manager
}

/// Matchers, ignoring case, that match every word except the given one. RE2 has no negation, so the patterns match words
/// that are shorter, that are longer, or that differ in one letter.
fn anything_but(word: &str) -> Vec<Value> {
    let other_letter = word.char_indices().map(|(index, letter)| format!(".{{{index}}}[^{letter}].*"));
    let others =
        [format!(".{{0,{}}}", word.len().saturating_sub(1)), format!("{word}.+")].into_iter().chain(other_letter);
    others.map(|regex| json!({"safe_regex": {"regex": format!("(?i){regex}")}})).collect()
}

fn filter(plugin: &FilterPlugin) -> Value {
    let FilterPlugin { module, config, variables, holds_requests, .. } = plugin;
    let mut plugin = json!({
        "name": "mcp_observability",
        "root_id": "mcp_observability",
        "failure_policy": "FAIL_OPEN",
        "vm_config": {
            "vm_id": "mcp_observability",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module.to_string_lossy()}},
            "environment_variables": {"host_env_keys": variables},
        },
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": Value::Object(config.clone()).to_string(),
        },
    });
    if *holds_requests {
        // Without it a filter that holds the headers never receives the body. Envoy has the field since 1.35.
        set(&mut plugin, "allow_on_headers_stop_iteration", true);
    }
    json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": plugin})
}

/// The one virtual host of the listener.
fn virtual_host(settings: &Settings) -> Value {
    let mut host = json!({"name": "mcp", "domains": ["*"], "routes": routes(settings)});
    if settings.plugin.holds_requests {
        set(&mut host, "request_body_buffer_limit", HELD_BODY_LIMIT);
    }
    host
}

/// Routes in order of matching; all of them lead to the MCP server.
///
/// | request | limited wait for response headers | a drain waits for it |
/// |---|---|---|
/// | WebSocket (https upstream) | no | no |
/// | GET, which may open a stream and never is an operation | no | no |
/// | POST of `subscriptions/listen` | yes | no |
/// | other POST | yes | yes |
/// | other methods | no | yes |
fn routes(settings: &Settings) -> Value {
    let get = json!({"name": ":method", "string_match": {"exact": "GET"}});
    let post = json!({"name": ":method", "string_match": {"exact": "POST"}});
    let listen = json!({"name": "mcp-method", "string_match": {"exact": "subscriptions/listen"}});
    let offer = json!({"name": "upgrade", "string_match": {"exact": WEBSOCKET, "ignore_case": true}});
    let socket = has_web_socket_cluster(settings)
        .then(|| route(settings, WEB_SOCKET_CLUSTER, &[offer], Some(STREAM_PRIORITY), false));
    let name = upstream_cluster(settings);
    let others = [
        route(settings, &name, &[get], Some(STREAM_PRIORITY), false),
        route(settings, &name, &[post.clone(), listen], Some(STREAM_PRIORITY), true),
        route(settings, &name, &[post], None, true),
        route(settings, &name, &[], None, false),
    ];
    socket.into_iter().chain(others).collect()
}

fn route(settings: &Settings, cluster: &str, headers: &[Value], priority: Option<&str>, limited: bool) -> Value {
    let upstream = &settings.upstream;
    let mut action = json!({"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"});
    if let Some(priority) = priority {
        set(&mut action, "priority", priority);
    }
    if limited && upstream.timeout_ms > 0 {
        // Without `retry_on` nothing is retried, and the timeout covers only the wait for response headers.
        set(&mut action, "retry_policy", json!({"per_try_timeout": seconds(upstream.timeout_ms)}));
    }
    if let Some(endpoint) = upstream.endpoint().filter(|endpoint| endpoint.path != "/") {
        set(&mut action, "regex_rewrite", json!({"pattern": {"regex": "^/$"}, "substitution": endpoint.path}));
    }
    if let Some(endpoint) = upstream.endpoint().filter(|_| upstream.host_header == HostHeader::Upstream) {
        set(&mut action, "host_rewrite_literal", endpoint.authority.as_str());
    }
    json!({"match": {"prefix": "/", "headers": headers}, "route": action})
}
