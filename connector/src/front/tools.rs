//! `Mcp-Param-*` headers of 2026-07-28 ("Custom Headers from Tool Parameters").
//!
//! A tool's input schema names parameters whose values a call repeats as headers (`x-mcp-header`). A client on standard input and
//! output does not send headers, so the front does it for the client, with the schemas that passed in answers to `tools/list`. The
//! bridge compares the headers that it gets with the same schemas.
//!
//! **What this does not do:** take tools with wrong annotations out of the list, or ask for the list itself.
//! Cost: lists with annotations are parsed once; so are calls of tools that have them.

use super::headers::encoded;
use crate::message::Message;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use memchr::memmem;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The annotation in a schema.
const ANNOTATION: &str = "x-mcp-header";
/// Tools with annotations that are remembered. Further ones are sent without these headers.
const TOOLS: usize = 1000;
/// Parameters of a tool that are remembered.
const PARAMETERS: usize = 32;
/// Longest name of a tool, a property or a header that is remembered.
const NAME_BYTES: usize = 256;
/// Deepest property that is looked for.
const DEPTH: usize = 8;
/// Whole numbers below this are exact in every language.
const MAX_SAFE: f64 = 9_007_199_254_740_992.0;

/// The tools that have annotations, by name.
#[derive(Default)]
pub(crate) struct Tools(HashMap<String, Vec<Parameter>>);

struct Parameter {
    /// Names of the properties from the arguments to the value.
    path: Vec<String>,
    header: HeaderName,
}

// === impl Tools ===

impl Tools {
    /// Reads an answer to `tools/list`, which may be one page of several.
    pub(crate) fn learn(&mut self, answer: &Bytes) {
        if self.0.is_empty() && memmem::find(answer, ANNOTATION.as_bytes()).is_none() {
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let tools = answer.pointer("/result/tools").and_then(Value::as_array);
        for tool in tools.into_iter().flatten() {
            let Some(name) = tool.get("name").and_then(Value::as_str).filter(|name| name.len() <= NAME_BYTES) else {
                continue;
            };
            // The schema may have changed.
            self.0.remove(name);
            let mut parameters = Vec::new();
            if let Some(schema) = tool.get("inputSchema") {
                find(schema, &mut Vec::new(), &mut parameters);
            }
            if !parameters.is_empty() && self.0.len() < TOOLS {
                self.0.insert(name.to_owned(), parameters);
            }
        }
    }

    /// Adds the headers of a call. A parameter that is missing or null has none.
    pub(crate) fn add_headers(&self, call: &Message, headers: &mut HeaderMap) {
        if self.0.is_empty() || call.method() != Some("tools/call") {
            return;
        }
        let Some(parameters) = call.param("name").and_then(|name| self.0.get(&name)) else { return };
        let Ok(call) = serde_json::from_slice::<Value>(call.text()) else { return };
        let Some(arguments) = call.pointer("/params/arguments") else { return };
        for Parameter { path, header } in parameters {
            let value = path.iter().try_fold(arguments, |value, name| value.get(name));
            if let Some(value) = value.and_then(text_of).and_then(|text| encoded(&text)) {
                headers.insert(header.clone(), value);
            }
        }
    }
}

/// Finds the annotated properties that are reached through `properties` alone.
fn find(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flat_map(Map::iter) {
        if path.len() >= DEPTH || name.len() > NAME_BYTES {
            continue;
        }
        path.push(name.clone());
        let header = property.get(ANNOTATION).and_then(Value::as_str).filter(|name| name.len() <= NAME_BYTES);
        if let Some(header) = header.filter(|header| !header.is_empty())
            && let Ok(header) = HeaderName::from_bytes(format!("mcp-param-{header}").as_bytes())
            && found.len() < PARAMETERS
        {
            found.push(Parameter { path: path.clone(), header });
        }
        find(property, path, found);
        path.pop();
    }
}

/// A value as header text, if its type is allowed.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Number(number) => {
            let value = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < MAX_SAFE)?;
            Some(format!("{value:.0}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, Tools};
    use crate::message::Message;
    use bytes::Bytes;
    use hyper::header::HeaderMap;
    use serde_json::json;

    fn learn(tools: &mut Tools, list: &serde_json::Value) {
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": list}});
        tools.learn(&Bytes::from(answer.to_string()));
    }

    fn headers(tools: &Tools, name: &str, arguments: &serde_json::Value) -> Vec<(String, String)> {
        let params = json!({"name": name, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
        let mut headers = HeaderMap::new();
        tools.add_headers(&Message::read(&Bytes::from(call.to_string())).unwrap(), &mut headers);
        let pair = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut pairs: Vec<_> = headers.iter().map(pair).collect();
        pairs.sort();
        pairs
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn annotated_arguments_become_headers() {
        let mut tools = Tools::default();
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "query": {"type": "string"},
            "options": {"type": "object", "properties": {
                "limit": {"type": "integer", "x-mcp-header": "Limit"},
                "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"}}},
            "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "Item"}},
            "bad": {"type": "string", "x-mcp-header": "two words"}}});
        learn(&mut tools, &json!([{"name": "sql", "inputSchema": schema}, {"name": "plain", "inputSchema": {}}]));
        let arguments = json!({"region": "zürich", "query": "q", "options": {"limit": 42.0, "dry": false}, "bad": "x"});
        let expected = [
            ("mcp-param-dry-run", "false"),
            ("mcp-param-limit", "42"),
            ("mcp-param-region", "=?base64?esO8cmljaA==?="),
        ];
        assert_eq!(headers(&tools, "sql", &arguments), pairs(&expected));
        let missing = json!({"region": null, "options": {"limit": 1.5}});
        assert_eq!(headers(&tools, "sql", &missing), []);
        assert_eq!(headers(&tools, "plain", &arguments), []);
        assert_eq!(headers(&tools, "unknown", &arguments), []);
    }

    #[test]
    fn later_list_replaces_a_schema() {
        let mut tools = Tools::default();
        let annotated = json!({"properties": {"a": {"x-mcp-header": "A"}}});
        learn(
            &mut tools,
            &json!([{"name": "one", "inputSchema": annotated}, {"name": "two", "inputSchema": annotated}]),
        );
        learn(&mut tools, &json!([{"name": "one", "inputSchema": {}}]));
        assert_eq!(headers(&tools, "one", &json!({"a": "x"})), []);
        assert_eq!(headers(&tools, "two", &json!({"a": "x"})), pairs(&[("mcp-param-a", "x")]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut tools = Tools::default();
        let annotated = json!({"properties": {"a": {"x-mcp-header": "A"}}});
        let list: Vec<_> =
            (0..TOOLS + 5).map(|number| json!({"name": number.to_string(), "inputSchema": annotated})).collect();
        learn(&mut tools, &json!(list));
        assert_eq!(tools.0.len(), TOOLS);
    }
}
