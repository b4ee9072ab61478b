//! The part of JSON-RPC that the load needs: templates of requests, and a few members of responses.

use crate::protocol_version::ProtocolVersion;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// The methods that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    Initialize,
    Discover,
    ToolsList,
    ToolsCall,
    ResourcesList,
    ResourcesRead,
}

/// A request without its id, which is made once and sent often.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) method: Method,
    /// The index of the tool in [`crate::offer::Offer::tools`].
    pub(crate) tool: Option<usize>,
    /// The headers of 2026-07-28 that repeat the body.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    rest: String,
}

/// A message of the server.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: Option<Value>,
    pub(crate) method: Option<String>,
    pub(crate) result: Option<Success>,
    pub(crate) error: Option<Failure>,
}

/// A result.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Success {
    #[serde(default)]
    pub(crate) is_error: bool,
    pub(crate) result_type: Option<String>,
    pub(crate) task: Option<IgnoredAny>,
    pub(crate) protocol_version: Option<String>,
}

/// An error object.
#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    #[serde(default)]
    data: Value,
}

// === impl Failure ===

impl Failure {
    /// The name of the rate limit rule that refused the request, if it is the sidecar's refusal.
    pub(crate) fn rule(&self) -> Option<&str> {
        let member = |name| self.data.get(name).and_then(Value::as_str);
        member("rule").filter(|_| member("reason") == Some("rate_limited"))
    }
}

// === impl Method ===

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Discover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::ResourcesList => "resources/list",
            Self::ResourcesRead => "resources/read",
        }
    }
}

// === impl Template ===

impl Template {
    pub(crate) fn new(method: Method, mut params: Value, protocol_version: ProtocolVersion) -> Self {
        let mut headers = Vec::new();
        if protocol_version.is_modern() {
            let name = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str);
            headers.push((HeaderName::from_static("mcp-method"), HeaderValue::from_static(method.name())));
            headers.extend(name.map(|name| (HeaderName::from_static("mcp-name"), header_value(name))));
            if let Some(params) = params.as_object_mut() {
                params.insert("_meta".to_owned(), metadata(protocol_version));
            }
        }
        let rest = format!(r#","method":"{}","params":{params}}}"#, method.name());
        Self { method, tool: None, headers, rest }
    }

    /// `initialize`, as the first message of a session.
    pub(crate) fn initialize(protocol_version: ProtocolVersion) -> Self {
        let client = json!({"name": "loadtest", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({"protocolVersion": protocol_version.name(), "capabilities": {}, "clientInfo": client});
        Self::new(Method::Initialize, params, protocol_version)
    }

    /// The body with this id.
    pub(crate) fn body(&self, id: u64) -> Bytes {
        let mut body = String::with_capacity(self.rest.len() + 40);
        body.push_str(r#"{"jsonrpc":"2.0","id":"#);
        body.push_str(&id.to_string());
        body.push_str(&self.rest);
        Bytes::from(body)
    }
}

// === impl Message ===

impl Message {
    /// Whether it is the response to the request `id`. On the request's own exchange an error may have any id: servers that cannot
    /// read a request send null or an id of their own.
    pub(crate) fn answers(&self, id: u64, own_exchange: bool) -> bool {
        let has_id = self.id.as_ref().and_then(Value::as_u64) == Some(id);
        self.method.is_none()
            && (has_id && (self.result.is_some() || self.error.is_some()) || own_exchange && self.error.is_some())
    }

    /// The client's response to a server request: an error, because the client has no model, no user and no roots; a result only
    /// for `ping`.
    pub(crate) fn reply(&self) -> Option<Bytes> {
        let (method, id) = (self.method.as_deref()?, self.id.as_ref()?);
        let answer = match method {
            "ping" => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            _ => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "the load test offers nothing"}})
            }
        };
        Some(Bytes::from(answer.to_string()))
    }
}

fn metadata(protocol_version: ProtocolVersion) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": protocol_version.name(),
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "loadtest", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// A header value in the coding of 2026-07-28: as it is if a header can contain it, else in Base64.
fn header_value(value: &str) -> HeaderValue {
    let is_plain =
        value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && value.trim() == value && !value.starts_with("=?");
    let coded = if is_plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) };
    HeaderValue::from_str(&coded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::{Message, Method, Template, header_value};
    use crate::protocol_version::ProtocolVersion;
    use serde_json::{Value, json};

    #[test]
    fn request_has_the_members_of_its_protocol_version() {
        let params = json!({"name": "echo", "arguments": {}});
        let old = Template::new(Method::ToolsCall, params.clone(), ProtocolVersion::V2025_11_25);
        assert_eq!(old.headers, []);
        let body: Value = serde_json::from_slice(&old.body(7)).unwrap();
        assert_eq!(body, json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}));

        let new = Template::new(Method::ToolsCall, params, ProtocolVersion::V2026_07_28);
        let headers: Vec<_> =
            new.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("mcp-method", "tools/call"), ("mcp-name", "echo")]);
        let body: Value = serde_json::from_slice(&new.body(1)).unwrap();
        assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    }

    #[test]
    fn header_values_are_encoded() {
        assert_eq!(header_value("get_forecast"), "get_forecast");
        assert_eq!(header_value("é"), "=?base64?w6k=?=");
        assert_eq!(header_value(" a"), "=?base64?IGE=?=");
    }

    #[test]
    fn responses_and_server_requests_are_told_apart() {
        let read = |text| serde_json::from_str::<Message>(text).unwrap();
        assert!(read(r#"{"id":1,"result":{}}"#).answers(1, true));
        assert!(!read(r#"{"id":2,"result":{}}"#).answers(1, true));
        assert!(!read(r#"{"id":1,"method":"ping"}"#).answers(1, true));
        let refused = read(r#"{"id":null,"error":{"code":-32700}}"#);
        assert!(refused.answers(1, true) && !refused.answers(1, false));
        assert_eq!(read(r#"{"id":"a","method":"ping"}"#).reply().unwrap(), r#"{"id":"a","jsonrpc":"2.0","result":{}}"#);
        assert!(read(r#"{"method":"notifications/progress"}"#).reply().is_none());
    }

    #[test]
    fn refusal_names_its_rule() {
        let rule = |data: &str| {
            let text = format!(r#"{{"id":1,"error":{{"code":-32000,"message":"","data":{data}}}}}"#);
            let message: Message = serde_json::from_str(&text).unwrap();
            message.error.unwrap().rule().map(str::to_owned)
        };
        assert_eq!(rule(r#"{"reason":"rate_limited","rule":"a","retryAfterMs":5}"#).as_deref(), Some("a"));
        assert_eq!(rule(r#"{"reason":"busy","rule":"a"}"#), None);
        assert_eq!(rule(r#""rate_limited""#), None);
        assert_eq!(rule("null"), None);
    }
}
