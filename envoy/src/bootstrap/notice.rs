//! Notices: access logs from which the launcher learns of failures while Envoy runs (`notices`).
//!
//! Envoy writes them to its standard input, which is the writing end of a pipe to the launcher. Envoy uses that descriptor
//! for nothing else.

use serde_json::{Value, json};

/// The file that Envoy writes to.
const PATH: &str = "/proc/self/fd/0";
/// First word of a line about a redirect; the rest is its `Location`.
pub(crate) const REDIRECT: &str = "redirect";
/// First word of a line about a tunnel that failed; the rest is Envoy's reason.
pub(crate) const PROXY: &str = "proxy";
/// First word of a line about a failed connection to the server; then Envoy's response code details and its reason.
pub(crate) const CONNECT: &str = "connect";

/// A line for each redirect.
pub(super) fn of_redirects() -> Value {
    let status = |operator: &str, status: u32| {
        let value = json!({"default_value": status, "runtime_key": "sidecar.redirect"});
        json!({"status_code_filter": {"comparison": {"op": operator, "value": value}}})
    };
    let filter = json!({"and_filter": {"filters": [status("GE", 300), status("LE", 399)]}});
    log(&format!("{REDIRECT} %RESP(LOCATION)%"), &filter)
}

/// A line for each tunnel that the proxy refuses, or whose proxy does not accept connections.
pub(super) fn of_tunnels() -> Value {
    log(
        &format!("{PROXY} %UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        &json!({"response_flag_filter": {"flags": ["UF", "UH"]}}),
    )
}

/// A line for each exchange whose connection to the server fails. Envoy does not send the reason to clients. For a name with
/// several addresses it is the reason of the last address.
pub(super) fn of_connections() -> Value {
    log(
        &format!("{CONNECT} %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        &json!({"response_flag_filter": {"flags": ["UF"]}}),
    )
}

fn log(line: &str, filter: &Value) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "filter": filter,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": PATH,
            "log_format": {"text_format_source": {"inline_string": format!("{line}\n")}},
        },
    })
}
