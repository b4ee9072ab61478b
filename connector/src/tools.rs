//! `Mcp-Param-*` headers of 2026-07-28 ("Custom Headers from Tool Parameters").
//!
//! A tool's input schema names parameters whose values a call repeats as headers (`x-mcp-header`). A client on standard input and
//! output does not send headers, so the front does it for the client, with the schemas that passed in answers to `tools/list`. The
//! bridge compares the headers that it gets with the same schemas.
//!
//! A schema with a wrong annotation counts as one without annotations: clients that follow the specification do not call its
//! tool. An annotation is wrong if its name is no header's name, if another one has the same name in upper or lower case, if the
//! property is no string, integer or boolean, or if it is not reached through `properties` alone.
//!
//! **What this does not do:** take tools with wrong annotations out of the list, or ask for the list itself.
//! Cost: lists with annotations are parsed once. Of a call only the annotated arguments are; the others are passed over.

use crate::message::{Message, StandsTwice};
use bytes::Bytes;
use hyper::header::HeaderName;
use memchr::memmem;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// The annotation in a schema.
const ANNOTATION: &str = "x-mcp-header";
/// The types of properties that may be annotated.
const TYPES: [&str; 3] = ["string", "integer", "boolean"];
/// Tools with annotations that are remembered. Further ones are sent without these headers.
const TOOLS: usize = 1000;
/// Parameters of a tool that are remembered. A tool with more has none.
const PARAMETERS: usize = 32;
/// Longest name of a tool, a property or a header that is remembered.
const NAME_BYTES: usize = 256;
/// Deepest property that may be annotated.
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
            let parameters = tool.get("inputSchema").map(parameters).unwrap_or_default();
            if !parameters.is_empty() && self.0.len() < TOOLS {
                self.0.insert(name.to_owned(), parameters);
            }
        }
    }

    /// The headers of a call, with the values of its arguments. A parameter that is missing or null, an object or an array
    /// has none.
    ///
    /// # Errors
    ///
    /// The name of a parameter stands twice.
    pub(crate) fn headers(&self, call: &Message) -> Result<Vec<(&HeaderName, Option<String>)>, StandsTwice> {
        if self.0.is_empty() || call.method() != Some("tools/call") {
            return Ok(Vec::new());
        }
        let Some(parameters) = call.param("name").and_then(|name| self.0.get(&name)) else { return Ok(Vec::new()) };
        let paths: Vec<_> = parameters.iter().map(|parameter| parameter.path.as_slice()).collect();
        let values = call.arguments(&paths)?;
        let headers = parameters.iter().map(|parameter| &parameter.header);
        Ok(headers.zip(values).map(|(header, value)| (header, value.and_then(text_of))).collect())
    }
}

/// The annotated parameters of a schema; none if an annotation is wrong.
fn parameters(schema: &Value) -> Vec<Parameter> {
    let mut found = Vec::new();
    find(schema, &mut Vec::new(), &mut found);
    let names: HashSet<_> = found.iter().map(|parameter| &parameter.header).collect();
    let is_valid = names.len() == found.len() && found.len() <= PARAMETERS && found.len() == annotations(schema);
    if is_valid { found } else { Vec::new() }
}

/// How many annotations a schema has, wherever they stand.
fn annotations(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => {
            members.iter().map(|(name, value)| usize::from(name == ANNOTATION) + annotations(value)).sum()
        }
        Value::Array(items) => items.iter().map(annotations).sum(),
        _ => 0,
    }
}

/// Finds the annotated properties that are reached through `properties` alone. Those with a wrong annotation are left out.
fn find(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flat_map(Map::iter) {
        if path.len() >= DEPTH || name.len() > NAME_BYTES {
            continue;
        }
        path.push(name.clone());
        if let Some(header) = annotation(property) {
            found.push(Parameter { path: path.clone(), header });
        }
        find(property, path, found);
        path.pop();
    }
}

/// The header of an annotated property. It is in lower case.
fn annotation(property: &Value) -> Option<HeaderName> {
    let name = property.get(ANNOTATION)?.as_str().filter(|name| !name.is_empty() && name.len() <= NAME_BYTES)?;
    property.get("type")?.as_str().filter(|kind| TYPES.contains(kind))?;
    HeaderName::from_bytes(format!("mcp-param-{name}").as_bytes()).ok()
}

/// A value as header text. Objects and arrays are not parsed: they may be large.
fn text_of(value: &str) -> Option<String> {
    if value.starts_with(['{', '[']) {
        return None;
    }
    match serde_json::from_str(value).ok()? {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < MAX_SAFE);
            Some(whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, Tools};
    use crate::message::Message;
    use bytes::Bytes;
    use serde_json::json;

    fn learn(tools: &mut Tools, list: &serde_json::Value) {
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": list}});
        tools.learn(&Bytes::from(answer.to_string()));
    }

    fn call(name: &str, arguments: &str) -> Message {
        let params = format!(r#"{{"name":"{name}","arguments":{arguments}}}"#);
        let call = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{params}}}"#);
        Message::read(&Bytes::from(call)).unwrap()
    }

    fn headers(tools: &Tools, name: &str, arguments: &serde_json::Value) -> Vec<(String, String)> {
        let call = call(name, &arguments.to_string());
        let headers = tools.headers(&call).unwrap().into_iter();
        let mut pairs: Vec<_> = headers.filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
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
                "dry": {"type": "boolean", "x-mcp-header": "Dry-Run"}}}}});
        learn(&mut tools, &json!([{"name": "sql", "inputSchema": schema}, {"name": "plain", "inputSchema": {}}]));
        let arguments = json!({"region": "zürich", "query": "q", "options": {"limit": 42.0, "dry": false}});
        let expected = [("mcp-param-dry-run", "false"), ("mcp-param-limit", "42"), ("mcp-param-region", "zürich")];
        assert_eq!(headers(&tools, "sql", &arguments), pairs(&expected));
        let missing = json!({"region": null, "options": {"limit": 1.5, "dry": []}});
        assert_eq!(headers(&tools, "sql", &missing), pairs(&[("mcp-param-limit", "1.5")]));
        assert_eq!(headers(&tools, "plain", &arguments), []);
        assert_eq!(headers(&tools, "unknown", &arguments), []);
    }

    #[test]
    fn schema_with_a_wrong_annotation_has_none() {
        let good = json!({"type": "string", "x-mcp-header": "A"});
        for (wrong, is_wrong) in [
            (json!({"type": "string", "x-mcp-header": "B"}), false),
            (json!({"type": "string", "x-mcp-header": "a"}), true),
            (json!({"type": "string", "x-mcp-header": "A"}), true),
            (json!({"type": "string", "x-mcp-header": "two words"}), true),
            (json!({"type": "string", "x-mcp-header": ""}), true),
            (json!({"type": "string", "x-mcp-header": 1}), true),
            (json!({"type": "number", "x-mcp-header": "B"}), true),
            (json!({"x-mcp-header": "B"}), true),
            (json!({"type": "array", "items": {"type": "string", "x-mcp-header": "B"}}), true),
            (json!({"anyOf": [{"type": "string", "x-mcp-header": "B"}]}), true),
            (json!({"properties": {"deep": {"type": "string", "x-mcp-header": "a"}}}), true),
        ] {
            let mut tools = Tools::default();
            let schema = json!({"properties": {"good": good, "other": wrong}});
            learn(&mut tools, &json!([{"name": "one", "inputSchema": schema}]));
            let found = headers(&tools, "one", &json!({"good": "x"}));
            assert_eq!(found, if is_wrong { Vec::new() } else { pairs(&[("mcp-param-a", "x")]) }, "{wrong}");
        }
    }

    #[test]
    fn argument_that_stands_twice_is_refused_if_it_is_a_header() {
        let mut tools = Tools::default();
        let schema = json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}});
        learn(&mut tools, &json!([{"name": "one", "inputSchema": schema}]));
        let twice = tools.headers(&call("one", r#"{"a":"x","a":"y"}"#)).map(drop).unwrap_err();
        assert_eq!(twice.to_string(), "`a` stands twice");
        assert_eq!(tools.headers(&call("one", r#"{"a":"x","b":1,"b":2}"#)).unwrap()[0].1.as_deref(), Some("x"));
    }

    #[test]
    fn other_arguments_are_passed_over() {
        let mut tools = Tools::default();
        let schema = json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}});
        learn(&mut tools, &json!([{"name": "one", "inputSchema": schema}]));
        // A parser of values refuses what is nested so deeply.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let call = call("one", &format!(r#"{{"deep":{deep},"a":"x"}}"#));
        assert_eq!(tools.headers(&call).unwrap()[0].1.as_deref(), Some("x"));
    }

    #[test]
    fn later_list_replaces_a_schema() {
        let mut tools = Tools::default();
        let annotated = json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}});
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
        let annotated = json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}}});
        let list: Vec<_> =
            (0..TOOLS + 5).map(|number| json!({"name": number.to_string(), "inputSchema": annotated})).collect();
        learn(&mut tools, &json!(list));
        assert_eq!(tools.0.len(), TOOLS);
    }
}
