//! Attributes of spans and OTLP logs: the names of OpenTelemetry's conventions for MCP, and the formats of Envoy that yield
//! their values.
//!
//! Most values come from the filter state that the filter writes. Request headers and bodies are not exported. Envoy leaves out
//! an attribute of a span whose value is absent or empty; in a log an absent value is `-`.

use crate::environment::Settings;

/// Attributes that are one key of the filter state.
const FILTER_STATE: &[(&str, &str)] = &[
    ("mcp.method.name", "mcp.method"),
    ("gen_ai.tool.name", "mcp.tool"),
    ("gen_ai.prompt.name", "mcp.prompt"),
    ("mcp.resource.uri", "mcp.resource"),
    ("mcp.protocol.version", "mcp.protocol_version"),
    // A keyed hash, never the id itself.
    ("mcp.session.id", "mcp.session"),
    ("jsonrpc.request.id", "mcp.request_id"),
    ("rpc.response.status_code", "mcp.error_code"),
    ("mcp.client.name", "mcp.client"),
    ("mcp.status", "mcp.status"),
    // Of a batch: how many requests it has. The other attributes describe the first.
    ("mcp.batch_size", "mcp.batch_size"),
    ("user.id", "mcp.user"),
    // From the request's `_meta`. The collector moves the span to this trace.
    ("mcp.trace_parent", "mcp.trace_parent"),
];

/// Attributes that need a choice.
const CHOICES: &[(&str, &str)] = &[
    ("gen_ai.operation.name", "%CEL(filter_state['wasm.mcp.method'] == b'tools/call' ? 'execute_tool' : '')%"),
    // The conventions hold these codes for the caller's fault: then only the code is set.
    (
        "error.type",
        "%CEL(filter_state['wasm.mcp.error_type'] == b'invalid_request' ? b'' : filter_state['wasm.mcp.error_type'])%",
    ),
    (
        "network.protocol.version",
        "%CEL(request.protocol == 'HTTP/2' ? '2' : request.protocol == 'HTTP/1.0' ? '1.0' : '1.1')%",
    ),
];

/// Attributes of the connection. The client is the peer of the connection; `X-Forwarded-For` can be forged.
const CONNECTION: &[(&str, &str)] = &[
    ("network.transport", "tcp"),
    ("network.protocol.name", "http"),
    ("client.address", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("client.port", "%DOWNSTREAM_DIRECT_REMOTE_PORT%"),
    // Without the query, which in HTTP+SSE has a session id.
    ("url.path", "%PATH(NQ)%"),
];

/// Attributes that only logs have: the rest of the audit log's record, and the HTTP exchange.
const OF_LOGS: &[(&str, &str)] = &[
    ("mcp.transport", "%FILTER_STATE(wasm.mcp.transport:PLAIN)%"),
    ("mcp.error_type", "%FILTER_STATE(wasm.mcp.error_type:PLAIN)%"),
    ("mcp.duration_us", "%FILTER_STATE(wasm.mcp.duration_us:PLAIN)%"),
    ("mcp.request_bytes", "%FILTER_STATE(wasm.mcp.request_bytes:PLAIN)%"),
    ("mcp.response_bytes", "%FILTER_STATE(wasm.mcp.response_bytes:PLAIN)%"),
    ("http.request.method", "%REQ(:METHOD)%"),
    ("http.response.status_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("duration_ms", "%DURATION%"),
];

/// The name of a span: the operation, or the method if the exchange has no operation. Other traffic keeps Envoy's name.
pub(super) const SPAN_NAME: &str = r#"%COALESCE({"operators":[{"command":"FILTER_STATE","param":"wasm.mcp.operation:PLAIN"},{"command":"FILTER_STATE","param":"wasm.mcp.method:PLAIN"}]})%"#;

/// Attributes of a span, each with its format.
pub(super) fn of_spans(settings: &Settings) -> Vec<(&'static str, String)> {
    // A program has no address.
    let address = settings
        .upstream
        .endpoint()
        .map(|endpoint| [("server.address", endpoint.host_text()), ("server.port", endpoint.port.to_string())]);
    let state = FILTER_STATE.iter().map(|&(name, key)| (name, format!("%FILTER_STATE(wasm.{key}:PLAIN)%")));
    let formats = CHOICES.iter().chain(CONNECTION).map(|&(name, format)| (name, format.to_owned()));
    state.chain(formats).chain(address.into_iter().flatten()).collect()
}

/// Attributes of a log record, each with its format.
pub(super) fn of_logs(settings: &Settings) -> Vec<(&'static str, String)> {
    let more = OF_LOGS.iter().map(|&(name, format)| (name, format.to_owned()));
    let server = ("mcp.server.name", settings.plugin.server_name.clone());
    of_spans(settings).into_iter().chain([server]).chain(more).collect()
}
