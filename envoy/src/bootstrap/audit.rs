//! The audit log: one line of JSON for each exchange that is MCP, in a file.
//!
//! Envoy's own JSON format sorts the fields and has no numbers from filter state. So each line is a text, in which CEL
//! expressions write the fields. Values of the filter state have no quotes, backslashes or control characters, because the
//! filter replaces them; other text of a client is not in the line.
//!
//! **Cost:** about twenty CEL expressions for each exchange; only with `MCP_AUDIT_LOG`.

use crate::environment::Settings;
use serde_json::{Value, json};
use std::path::Path;

/// True for exchanges that are MCP.
const IS_MCP: &str = "'wasm.mcp.method' in filter_state";
/// True if the request names a trace in its `_meta`.
const HAS_TRACE: &str = "'wasm.mcp.trace_parent' in filter_state";

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

/// The access logs that write the audit log, if it is on. Both write the same file; the first one has the traces that
/// requests name, which only a CEL expression can shorten, the second one the span's.
pub(super) fn logs(settings: &Settings) -> Vec<Value> {
    let Some(path) = &settings.audit_log else { return Vec::new() };
    let named = "\"%CEL(string(filter_state['wasm.mcp.trace_parent']).substring(3, 35))%\"";
    let of_span = if settings.otlp.is_some() { "\"%TRACE_ID%\"" } else { "null" };
    let server = &settings.plugin.server_name;
    vec![
        log(path, &format!("{IS_MCP} && {HAS_TRACE}"), &line(server, named)),
        log(path, &format!("{IS_MCP} && !({HAS_TRACE})"), &line(server, of_span)),
    ]
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
fn line(server: &str, trace_id: &str) -> String {
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
