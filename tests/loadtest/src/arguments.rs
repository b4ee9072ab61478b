//! Generates arguments for a tool's input schema: every required member, with its `const`, its `default`, the first of
//! `examples` or `enum`, or else the smallest value of its type.
//!
//! **What it does not do:** it takes the first alternative of `anyOf`, `oneOf` and `allOf`, and ignores `pattern`, `format`
//! and `$ref`. If a tool refuses the arguments, its error is counted like any other.

use serde_json::{Map, Value, json};

/// Values that the user gave, by argument name. They replace the generated ones.
pub(crate) type Given = Map<String, Value>;

/// Deeper schemas get null.
const MOST_DEPTH: usize = 16;

/// Arguments for a tool with this input schema.
pub(crate) fn fitting(schema: &Value, given: &Given) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        // A schema without a type accepts any value.
        return Value::Object(given.clone());
    };
    let mut arguments = object(schema, MOST_DEPTH);
    for (name, value) in given.iter().filter(|(name, _)| properties.contains_key(*name)) {
        arguments.insert(name.clone(), value.clone());
    }
    Value::Object(arguments)
}

fn object(schema: &Value, depth: usize) -> Map<String, Value> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let of = |name: &str| schema.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null);
    required.map(|name| (name.to_owned(), value(of(name), depth - 1))).collect()
}

fn value(schema: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|values| values.first());
    let said =
        schema.get("const").or_else(|| schema.get("default")).or_else(|| first("examples")).or_else(|| first("enum"));
    if let Some(said) = said {
        return said.clone();
    }
    if let Some(alternative) = ["anyOf", "oneOf", "allOf"].into_iter().find_map(first) {
        return value(alternative, depth - 1);
    }
    match schema.get("type").and_then(Value::as_str).or_else(|| first("type").and_then(Value::as_str)) {
        Some("object") => Value::Object(object(schema, depth)),
        Some("array") => array(schema, depth),
        Some("integer") => json!(smallest(schema).ceil() as i64),
        Some("number") => json!(smallest(schema)),
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        _ => text(schema),
    }
}

fn array(schema: &Value, depth: usize) -> Value {
    let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(100) as usize;
    let item = schema.get("items").unwrap_or(&Value::Null);
    Value::Array(vec![value(item, depth - 1); count])
}

/// A number within the bounds: 1 if they allow it.
fn smallest(schema: &Value) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0));
    1f64.min(most.unwrap_or(1.0)).max(least.unwrap_or(f64::MIN))
}

fn text(schema: &Value) -> Value {
    let bound =
        |key: &str, otherwise| schema.get(key).and_then(Value::as_u64).unwrap_or(otherwise).min(10_000) as usize;
    let (least, most) = (bound("minLength", 0), bound("maxLength", 10_000));
    json!("load test".chars().cycle().take(9.max(least).min(most)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{Given, fitting};
    use serde_json::{Value, json};

    #[track_caller]
    fn assert_argument(schema: Value, expected: Value) {
        let schema = json!({"type": "object", "properties": {"a": schema}, "required": ["a"]});
        assert_eq!(fitting(&schema, &Given::new()), json!({ "a": expected }));
    }

    #[test]
    fn only_required_arguments_are_given() {
        let schema = json!({
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        });
        assert_eq!(fitting(&schema, &Given::new()), json!({"city": "load test"}));
        assert_eq!(fitting(&json!({"type": "object"}), &Given::new()), json!({}));
    }

    #[test]
    fn configured_values_win_for_known_arguments() {
        let given = json!({"city": "Lisbon", "other": 1}).as_object().cloned().unwrap();
        let schema = json!({"properties": {"city": {"type": "string"}, "days": {}}, "required": ["city"]});
        assert_eq!(fitting(&schema, &given), json!({"city": "Lisbon"}));
        assert_eq!(fitting(&json!({"type": "object"}), &given), json!({"city": "Lisbon", "other": 1}));
    }

    #[test]
    fn values_of_the_schema_come_first() {
        assert_argument(json!({"type": "string", "default": "x", "enum": ["y"]}), json!("x"));
        assert_argument(json!({"type": "string", "enum": ["y", "z"]}), json!("y"));
        assert_argument(json!({"examples": [[1]], "type": "array"}), json!([1]));
        assert_argument(json!({"const": null}), json!(null));
        assert_argument(json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), json!(1));
    }

    #[test]
    fn values_stay_within_bounds() {
        assert_argument(json!({"type": "integer", "minimum": 5}), json!(5));
        assert_argument(json!({"type": "integer", "maximum": -3}), json!(-3));
        assert_argument(json!({"type": "integer", "exclusiveMinimum": 1}), json!(2));
        assert_argument(json!({"type": "number"}), json!(1.0));
        assert_argument(json!({"type": "string", "maxLength": 4}), json!("load"));
        assert_argument(json!({"type": "string", "minLength": 12}), json!("load testloa"));
        assert_argument(json!({"type": ["boolean", "null"]}), json!(false));
        assert_argument(
            json!({"type": "array", "items": {"type": "string"}, "minItems": 2}),
            json!(["load test", "load test"]),
        );
        assert_argument(
            json!({"type": "object", "properties": {"b": {"type": "null"}}, "required": ["b"]}),
            json!({"b": null}),
        );
    }

    #[test]
    fn unusual_schemas_terminate() {
        assert_argument(json!(true), json!("load test"));
        let nested = (0..50).fold(json!({"type": "string"}), |inner, _| json!({"anyOf": [inner]}));
        assert_argument(nested, json!(null));
        let object = |inner| json!({"type": "object", "properties": {"a": inner}, "required": ["a"]});
        let nested = (0..50).fold(json!({}), |inner, _| object(inner));
        assert!(fitting(&nested, &Given::new()).is_object());
    }
}
