//! The audit log: one line of JSON for each exchange that is MCP, in a file.
//!
//! Envoy's own JSON format sorts the fields and has no numbers from filter state. So each line is a text, in which CEL
//! expressions write the fields. Values of the filter state have no quotes, backslashes or control characters, because the
//! filter replaces them; other text of a client is not in the line.
//!
//! **Cost:** about twenty CEL expressions for each exchange, and up to four that choose its access log; only with `MCP_AUDIT_LOG`.

use crate::environment::Settings;
use serde_json::{Value, json};
use std::path::Path;

/// True for exchanges that are MCP.
const IS_MCP: &str = "'wasm.mcp.method' in filter_state";
/// True if the request names a trace in its `_meta`.
const NAMES_TRACE: &str = "'wasm.mcp.trace_parent' in filter_state";
/// True if the request has a valid `traceparent` header, as W3C Trace Context specifies it. With `OTEL_EXPORTER_OTLP_ENDPOINT`
/// it is the span's: Envoy has written its own before the exchange is logged. Two patterns that share a hyphen, because Envoy
/// limits the size of one.
const HAS_PARENT: &str = "'traceparent' in request.headers && size(request.headers['traceparent']) == 55 \
    && request.headers['traceparent'].matches('^[0-9a-f]{2}-[0-9a-f]{32}-') \
    && request.headers['traceparent'].matches('-[0-9a-f]{16}-[0-9a-f]{2}$') \
    && !request.headers['traceparent'].matches('^ff|-0+-')";
/// True if Envoy has answered before its router wrote a `traceparent` header.
const HAS_NO_PARENT: &str = "!('traceparent' in request.headers)";

/// What a field shows.
#[derive(Clone, Copy)]
enum Field {
    /// A key of the filter state, as a string.
    Text(&'static str),
    /// A key of the filter state, as a number.
    Number(&'static str),
    /// A format of Envoy that yields JSON.
    Json(&'static str),
}

/// The fields before `trace_id`, without `time` and `server`.
const FIELDS: &[(&str, Field)] = &[
    ("user", Field::Text("user")),
    ("client", Field::Text("client")),
    ("session", Field::Text("session")),
    ("method", Field::Text("method")),
    ("tool", Field::Text("tool")),
    ("resource", Field::Text("resource")),
    ("prompt", Field::Text("prompt")),
    ("request_id", Field::Text("request_id")),
    ("status", Field::Text("status")),
    ("error_type", Field::Text("error_type")),
    ("error_code", Field::Number("error_code")),
    // Without a response the code is 0 or absent.
    ("http_status", Field::Json("%CEL(has(response.code) && response.code > 0 ? string(response.code) : 'null')%")),
    ("duration_ms", Field::Json(DURATION)),
    ("request_bytes", Field::Number("request_bytes")),
    ("response_bytes", Field::Number("response_bytes")),
    ("protocol_version", Field::Text("protocol_version")),
    ("transport", Field::Text("transport")),
];

/// Milliseconds with three decimals: of the operation, as in the histograms; of the whole exchange if it has no operation.
const DURATION: &str = "%CEL('wasm.mcp.duration_us' in filter_state \
    ? string(double(int(string(filter_state['wasm.mcp.duration_us']))) / 1000.0) \
    : 'wasm.mcp.status' in filter_state ? 'null' \
    : string(double(int(double(string(request.duration).replace('s', '')) * 1000000.0)) / 1000.0))%";

/// The access logs that write the audit log, if it is on. All of them write the same file, and each exchange has a line of one
/// of them: they differ in `trace_id`, of which only CEL expressions can cut a part out of a header.
///
/// Where `traceparent` is not valid, Envoy's tracer starts no span, and `%TRACE_ID%` is not a trace.
pub(super) fn logs(settings: &Settings) -> Vec<Value> {
    let Some(path) = &settings.audit_log else { return Vec::new() };
    let named = (NAMES_TRACE, "\"%CEL(string(filter_state['wasm.mcp.trace_parent']).substring(3, 35))%\"");
    let of_header = (HAS_PARENT, "\"%CEL(request.headers['traceparent'].substring(3, 35))%\"");
    let of_span = settings.otlp.is_some().then_some((HAS_NO_PARENT, "\"%TRACE_ID%\""));
    let mut others = IS_MCP.to_owned();
    let mut logs = Vec::new();
    for (condition, trace_id) in [named, of_header].into_iter().chain(of_span) {
        logs.push(log(path, &format!("{others} && ({condition})"), &line(settings, trace_id)));
        others.push_str(&format!(" && !({condition})"));
    }
    logs.push(log(path, &others, &line(settings, "null")));
    logs
}

/// The condition under which an exchange is logged, as a filter of an access log.
pub(super) fn only_mcp() -> Value {
    filter(IS_MCP)
}

fn filter(expression: &str) -> Value {
    json!({"extension_filter": {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression,
        },
    }})
}

/// One line: the fields in their documented order.
fn line(settings: &Settings, trace_id: &str) -> String {
    let server = &settings.plugin.server_name;
    let fields: String = FIELDS.iter().map(|&(name, field)| format!(",\"{name}\":{}", field.format())).collect();
    format!(
        "{{\"time\":\"%START_TIME%\",\"server\":\"{server}\"{fields},\"trace_id\":{trace_id},\
         \"remote_address\":\"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%\"}}\n"
    )
}

fn log(path: &Path, condition: &str, line: &str) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "filter": filter(condition),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path.to_string_lossy(),
            "log_format": {"text_format_source": {"inline_string": line}, "formatters": [{
                "name": "envoy.formatter.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.formatter.cel.v3.Cel",
                    // Off by default, because they allocate as much as their arguments. The filter bounds these.
                    "cel_config": {
                        "enable_string_conversion": true,
                        "enable_string_concat": true,
                        "enable_string_functions": true,
                    },
                },
            }]},
        },
    })
}

// === impl Field ===

impl Field {
    fn format(self) -> String {
        let (key, quote) = match self {
            Self::Json(format) => return format.to_owned(),
            Self::Text(key) => (key, "'\"'"),
            Self::Number(key) => (key, "''"),
        };
        let state = format!("string(filter_state['wasm.mcp.{key}'])");
        format!("%CEL('wasm.mcp.{key}' in filter_state ? {quote} + {state} + {quote} : 'null')%")
    }
}
