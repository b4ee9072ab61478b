//! Headers of 2026-07-28 that repeat what the body says ("Request Metadata"): their names, the value of `Mcp-Name`, and how values
//! are encoded ("Value Encoding").

use crate::message::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderName, HeaderValue};

pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What `Mcp-Name` repeats. Most methods have none.
pub(crate) fn name_of(message: &Message) -> Option<String> {
    match message.method()? {
        "tools/call" | "prompts/get" => message.param("name"),
        "resources/read" => message.param("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => message.param("taskId"),
        _ => None,
    }
}

/// A value as `Mcp-Name` and `Mcp-Param-*` carry it: plain if it can be, else as Base64.
pub(crate) fn encoded(value: &str) -> Option<HeaderValue> {
    let is_printable = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let has_outer_space = value.starts_with(' ') || value.ends_with(' ');
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    if is_printable && !has_outer_space && !looks_encoded {
        return HeaderValue::from_str(value).ok();
    }
    HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(value))).ok()
}

/// A value as it stands, or base64 between markers.
pub(crate) fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    match value.strip_prefix(b"=?base64?").and_then(|value| value.strip_suffix(b"?=")) {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(value.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::{decoded, encoded};

    #[test]
    fn values_are_encoded_as_in_the_examples_of_the_specification() {
        let cases = [
            ("us-west1", "us-west1"),
            ("", ""),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ];
        for (value, expected) in cases {
            assert_eq!(encoded(value).unwrap(), expected, "{value}");
            assert_eq!(decoded(expected.as_bytes()).unwrap(), value.as_bytes());
        }
    }
}
