//! Headers of a POST, as each revision wants them.
//!
//! Up to 2025-11-25: `Mcp-Session-Id` and `MCP-Protocol-Version` as the answer to `initialize` gave them. 2026-07-28
//! ("Request Metadata"): `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`, and no session.

use crate::message::Message;
use crate::metadata::{METHOD, NAME, PROTOCOL_VERSION, encoded, name_of};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const ACCEPTED: &str = "application/json, text/event-stream";

/// What the answer to `initialize` said.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// Servers without sessions have none.
    pub(super) id: Option<HeaderValue>,
    /// The negotiated protocol version.
    pub(super) version: Option<HeaderValue>,
}

// === impl Session ===

impl Session {
    /// Headers of a GET or DELETE.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [(SESSION, &self.id), (PROTOCOL_VERSION, &self.version)] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers
    }

    /// Headers of a POST up to 2025-11-25. A server that answers with an event stream where the client prefers one sends its
    /// headers before the answer.
    pub(super) fn post_headers(&self, prefers_events: bool) -> HeaderMap {
        let accept = if prefers_events { "text/event-stream, application/json;q=0.9" } else { ACCEPTED };
        with_content(self.headers(), accept)
    }
}

/// Headers of a POST that names its protocol version itself. A method that cannot be a header's value is left out.
pub(super) fn modern(message: &Message, version: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let method = message.method().unwrap_or_default();
    for (name, value) in [(PROTOCOL_VERSION, version), (METHOD, method)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if let Some(name) = name_of(message).and_then(|name| encoded(&name)) {
        headers.insert(NAME, name);
    }
    with_content(headers, ACCEPTED)
}

fn with_content(mut headers: HeaderMap, accept: &'static str) -> HeaderMap {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers
}

#[cfg(test)]
mod tests {
    use super::{Session, modern};
    use crate::message::Message;
    use bytes::Bytes;
    use hyper::header::HeaderMap;

    fn modern_headers(method: &str, params: &str) -> HeaderMap {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        modern(&Message::read(&Bytes::from(text)).unwrap(), "2026-07-28")
    }

    #[test]
    fn modern_request_names_version_method_and_name() {
        let cases = [
            ("tools/call", r#"{"name":"add","arguments":{"name":"x"}}"#, Some("add")),
            ("prompts/get", r#"{"name":"héllo"}"#, Some("=?base64?aMOpbGxv?=")),
            ("resources/read", r#"{"uri":"file:///a","name":"no"}"#, Some("file:///a")),
            ("tasks/get", r#"{"taskId":"t-1"}"#, Some("t-1")),
            ("tools/list", r#"{"name":"no"}"#, None),
            ("tools/call", r#"{"name":7}"#, None),
        ];
        for (method, params, name) in cases {
            let headers = modern_headers(method, params);
            assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
            assert_eq!(headers["mcp-method"], method);
            assert_eq!(headers.get("mcp-name").map(|value| value.to_str().unwrap()), name, "{method}");
            assert_eq!(headers["accept"], "application/json, text/event-stream");
            assert!(!headers.contains_key("mcp-session-id"));
        }
    }

    #[test]
    fn session_without_id_sends_none() {
        let headers = Session::default().post_headers(false);
        assert!(!headers.contains_key("mcp-session-id") && !headers.contains_key("mcp-protocol-version"));
        assert_eq!(headers["content-type"], "application/json");
    }
}
