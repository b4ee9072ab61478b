//! What a few HTTP headers mean: content types, `Accept`, paths, and the value coding of `Mcp-Name`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `application/json` and `application/*+json`.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    if content_type == b"application/json" {
        return true;
    }
    let media_type = media_type(content_type).to_ascii_lowercase();
    media_type == b"application/json" || (media_type.starts_with(b"application/") && media_type.ends_with(b"+json"))
}

/// `text/event-stream`.
pub(crate) fn is_event_stream(content_type: &[u8]) -> bool {
    media_type(content_type).eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether `Accept` names both of MCP's answer forms.
pub(crate) fn accepts_both(accept: &[u8]) -> bool {
    let names =
        |wanted: &[u8]| accept.split(|&byte| byte == b',').any(|part| media_type(part).eq_ignore_ascii_case(wanted));
    names(b"application/json") && names(b"text/event-stream")
}

/// Whether the query carries a session of HTTP+SSE, in any SDK's spelling.
pub(crate) fn has_session_query(path: &[u8]) -> bool {
    let Some(query) = path.splitn(2, |&byte| byte == b'?').nth(1) else { return false };
    query.split(|&byte| byte == b'&').any(|pair| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        matches!(name, b"sessionId" | b"session_id" | b"sessionid")
    })
}

/// Whether a content encoding changes the bytes.
pub(crate) fn is_encoded(content_encoding: &[u8]) -> bool {
    let coding = content_encoding.trim_ascii();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}

/// A mirrored header value in plain form: `=?base64?...?=` is decoded (2026-07-28, value encoding of headers).
pub(crate) fn decode_mirrored(value: &[u8]) -> Vec<u8> {
    let coded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    coded.and_then(|coded| STANDARD.decode(coded).ok()).unwrap_or_else(|| value.to_vec())
}

fn media_type(value: &[u8]) -> &[u8] {
    value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::{accepts_both, decode_mirrored, has_session_query, is_encoded, is_event_stream, is_json};
    use crate::test;

    #[test]
    fn ok_content_types() {
        assert!(is_json(b"application/json"));
        assert!(is_json(b"Application/JSON; charset=utf-8"));
        assert!(is_json(b"application/problem+json"));
        assert!(!is_json(b"text/json") && !is_json(b"application/jsonp") && !is_json(b""));
        assert!(is_event_stream(b"text/event-stream;charset=utf-8"));
        assert!(accepts_both(b"text/event-stream, application/json;q=0.9"));
        assert!(!accepts_both(b"*/*") && !accepts_both(b"application/json"));
        assert!(is_encoded(b"gzip") && !is_encoded(b" Identity ") && !is_encoded(b""));
    }

    #[test]
    fn ok_session_queries() {
        assert!(has_session_query(b"/message?sessionId=1"));
        assert!(has_session_query(b"/m/?a=b&session_id=1"));
        assert!(!has_session_query(b"/sessionId=1") && !has_session_query(b"/m?xsessionid=1"));
    }

    #[test]
    fn ok_mirrored_values() {
        assert_eq!(decode_mirrored(b"=?base64?YWRk?="), b"add");
        assert_eq!(decode_mirrored(b"add"), b"add");
        assert_eq!(decode_mirrored(b"=?base64?***?="), b"=?base64?***?=");
    }
}
