//! What the launcher is told as it happens: lines that it reads and passes on in its own words, each once.
//!
//! Envoy writes them as access logs to its standard input, which the launcher gives it as the writing end of a pipe: the
//! one descriptor that Envoy has no other use for.

use serde_json::{Value, json};

/// Where the lines go.
const PATH: &str = "/proc/self/fd/0";
/// First word of a line about a redirect; the rest is its `Location`.
pub(crate) const REDIRECT: &str = "redirect";
/// First word of a line about a tunnel that the proxy did not make; the rest is Envoy's reason.
pub(crate) const PROXY: &str = "proxy";

/// First word of a line about a TLS connection to the server that failed; the rest is Envoy's reason.
pub(crate) const TLS: &str = "tls";

/// A line for every redirect.
pub(super) fn of_redirects() -> Value {
    let status = |operator: &str, status: u32| {
        let value = json!({"default_value": status, "runtime_key": "sidecar.redirect"});
        json!({"status_code_filter": {"comparison": {"op": operator, "value": value}}})
    };
    let filter = json!({"and_filter": {"filters": [status("GE", 300), status("LE", 399)]}});
    log(&format!("{REDIRECT} %RESP(LOCATION)%"), &filter)
}

/// A line for every connection that the proxy did not take further.
pub(super) fn of_the_proxy() -> Value {
    log(
        &format!("{PROXY} %UPSTREAM_TRANSPORT_FAILURE_REASON%"),
        &json!({"response_flag_filter": {"flags": ["UF", "UH"]}}),
    )
}

/// A line for every exchange whose server could not be connected to. Clients are not told the reason, which is Envoy's rule. Of a
/// name with several addresses it is the last one's.
pub(super) fn of_handshakes() -> Value {
    log(&format!("{TLS} %UPSTREAM_TRANSPORT_FAILURE_REASON%"), &json!({"response_flag_filter": {"flags": ["UF"]}}))
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
