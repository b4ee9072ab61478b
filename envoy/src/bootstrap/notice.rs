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

/// Key of the lowest status of which each answer has a line.
pub(crate) const FIRST_ANSWERS_KEY: &str = "sidecar.first_answers";

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

/// A line, in JSON, for each POST until one has succeeded, and later for each 403 and 421. The launcher changes the runtime key
/// at the first success. A path has its query here.
pub(super) fn of_answers() -> Value {
    let status = |operator: &str, status: u32, key: &str| json!({"status_code_filter": {"comparison": {"op": operator, "value": {"default_value": status, "runtime_key": key}}}});
    let post = json!({"header_filter": {"header": {"name": ":method", "string_match": {"exact": "POST"}}}});
    let first = status("GE", 200, FIRST_ANSWERS_KEY);
    let refused = [403, 421].map(|number| status("EQ", number, "sidecar.refused"));
    let statuses = json!({"or_filter": {"filters": [first, refused[0], refused[1]]}});
    let format = json!({"json_format": {
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "path": "%REQ(:PATH)%",
        "host": "%REQ(:AUTHORITY)%",
        "origin": "%REQ(ORIGIN)%",
        "content_type": "%RESP(CONTENT-TYPE)%",
        "location": "%RESP(LOCATION)%",
        // Only whether there is one.
        "authenticate": "%RESP(WWW-AUTHENTICATE):1%",
    }});
    log_with(&format, &json!({"and_filter": {"filters": [post, statuses]}}))
}

fn log(line: &str, filter: &Value) -> Value {
    log_with(&json!({"text_format_source": {"inline_string": format!("{line}\n")}}), filter)
}

fn log_with(format: &Value, filter: &Value) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "filter": filter,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": PATH,
            "log_format": format,
        },
    })
}
