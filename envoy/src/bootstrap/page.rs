//! The live page at `/` of the probe listener: one file, which Envoy sends itself. It reads `/metrics` from the same port.
//!
//! The file is built from `page/src` and committed, so building the sidecar needs no Node.js.

use serde_json::{Value, json};

/// The file.
const PAGE: &str = include_str!("../../../page/page.html");
/// Longest body of a direct response, in bytes. Envoy's default is 4096. The build of the page has a lower limit.
pub(super) const SIZE_LIMIT: usize = 256 * 1024;
/// How the file's `Content-Security-Policy` begins, in its `<meta>`.
const POLICY: &str = r#"<meta http-equiv="Content-Security-Policy" content=""#;

/// The route. Its response has the policy of the file as a header, with what a `<meta>` cannot say: no other page may frame it.
pub(super) fn route() -> Value {
    let policy = format!("{}; frame-ancestors 'none'", policy());
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", &policy),
        ("cache-control", "no-cache"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ]
    .map(|(key, value)| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}));
    json!({
        "match": {"path": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": PAGE}},
        "response_headers_to_add": headers,
    })
}

/// The policy in the file. It holds the hashes of the file's script and style.
fn policy() -> &'static str {
    PAGE.split_once(POLICY)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("default-src 'none'", |(policy, _)| policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_allows_script_and_style_by_hash_and_no_other_host() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("; connect-src 'self';"), "{policy}");
        for refused in ["unsafe", "http:", "https:", "*"] {
            assert!(!policy.contains(refused), "{policy}");
        }
    }

    #[test]
    fn page_is_smaller_than_the_limit() {
        assert!(PAGE.len() < SIZE_LIMIT);
        // Envoy replaces what stands between percent signs in headers.
        assert!(!policy().contains('%'));
    }
}
