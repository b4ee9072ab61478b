//! The live page at `/` of the probe listener, which Envoy sends itself. The page reads `/metrics` from the same port.

use crate::page::{PAGE, headers};
use serde_json::{Value, json};

/// Longest body of a direct response, in bytes. Envoy's default is 4096. The build of the page has a lower limit.
pub(super) const SIZE_LIMIT: usize = 256 * 1024;

/// The route.
pub(super) fn route() -> Value {
    let headers = headers().map(
        |(key, value)| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}),
    );
    json!({
        "match": {"path": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": PAGE}},
        "response_headers_to_add": headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_smaller_than_the_limit() {
        assert!(PAGE.len() < SIZE_LIMIT);
        // Envoy replaces what stands between percent signs in headers.
        assert!(headers().iter().all(|(_, value)| !value.contains('%')));
    }
}
