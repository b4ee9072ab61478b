//! A configuration that was written as a `google.protobuf.Struct`: Envoy 1.40 hands over its bytes, not JSON.

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Field};
use serde_json::{Map, Number, Value};

/// Deepest nesting that is converted; the settings have two levels.
const MAX_DEPTH: usize = 8;

/// The object that the bytes describe; `None` if they are no `Struct`.
pub(super) fn decode(bytes: &[u8]) -> Option<Map<String, Value>> {
    object(Struct::decode(bytes).ok()?, MAX_DEPTH)
}

fn object(structure: Struct, depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    structure.fields.into_iter().map(|(name, field)| Some((name, value(field, depth)?))).collect()
}

fn value(field: Field, depth: usize) -> Option<Value> {
    Some(match field.kind? {
        Kind::NullValue(_) => Value::Null,
        Kind::NumberValue(number) => Value::Number(Number::from_f64(number)?),
        Kind::StringValue(text) => Value::String(text),
        Kind::BoolValue(value) => Value::Bool(value),
        Kind::StructValue(structure) => Value::Object(object(structure, depth)?),
        Kind::ListValue(list) => {
            let depth = depth.checked_sub(1)?;
            Value::Array(list.values.into_iter().map(|field| value(field, depth)).collect::<Option<_>>()?)
        }
    })
}
