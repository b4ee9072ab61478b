//! A configuration as a `google.protobuf.Struct`: Envoy 1.40 hands its bytes to the filter, not JSON.
//!
//! Source: `google/protobuf/struct.proto` and the wire format of Protocol Buffers. Unknown fields are ignored. If
//! a field occurs twice, the last one counts, as in that format.
//!
//! **Why no crate is used:** the usual one makes the module much larger (`docs/performance.md`).

use serde_json::{Map, Number, Value};

/// Deepest nesting that is read; the settings have four levels.
const MAX_DEPTH: usize = 8;

/// The value of a field, by its wire type.
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of a message, one after the other.
struct WireFields<'a>(&'a [u8]);

/// The object that the bytes describe; `None` if they are not a `Struct`.
pub(super) fn decode(bytes: &[u8]) -> Option<Map<String, Value>> {
    object(bytes, MAX_DEPTH)
}

/// `Struct { map<string, Value> fields = 1; }`
fn object(bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let mut map = Map::new();
    let mut fields = WireFields(bytes);
    while let Some((number, wire)) = fields.next()? {
        if let (1, Wire::Bytes(entry)) = (number, wire) {
            let (key, value) = map_entry(entry, depth)?;
            map.insert(key, value);
        }
    }
    Some(map)
}

/// An entry of the map: `string key = 1; Value value = 2;`
fn map_entry(bytes: &[u8], depth: usize) -> Option<(String, Value)> {
    let (mut key, mut found) = (String::new(), None);
    let mut fields = WireFields(bytes);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, Wire::Bytes(bytes)) => found = Some(value(bytes, depth)?),
            _ => {}
        }
    }
    Some((key, found?))
}

/// `Value`: one of null (1), number (2), string (3), bool (4), struct (5), list (6).
fn value(bytes: &[u8], depth: usize) -> Option<Value> {
    let mut found = None;
    let mut fields = WireFields(bytes);
    while let Some((number, wire)) = fields.next()? {
        found = match (number, wire) {
            (1, Wire::Varint(_)) => Some(Value::Null),
            (2, Wire::Fixed64(bits)) => Some(Value::Number(Number::from_f64(f64::from_le_bytes(bits))?)),
            (3, Wire::Bytes(bytes)) => Some(Value::String(text(bytes)?)),
            (4, Wire::Varint(bit)) => Some(Value::Bool(bit != 0)),
            (5, Wire::Bytes(bytes)) => Some(Value::Object(object(bytes, depth)?)),
            (6, Wire::Bytes(bytes)) => Some(Value::Array(list(bytes, depth)?)),
            _ => found,
        };
    }
    found
}

/// `ListValue { repeated Value values = 1; }`
fn list(bytes: &[u8], depth: usize) -> Option<Vec<Value>> {
    let depth = depth.checked_sub(1)?;
    let mut values = Vec::new();
    let mut fields = WireFields(bytes);
    while let Some((number, wire)) = fields.next()? {
        if let (1, Wire::Bytes(bytes)) = (number, wire) {
            values.push(value(bytes, depth)?);
        }
    }
    Some(values)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

// === impl WireFields ===

impl<'a> WireFields<'a> {
    /// The next field's number and value; `Some(None)` at the end, `None` if the bytes are broken.
    #[inline(never)]
    #[expect(clippy::option_option, reason = "the outer one is for the question mark operator")]
    fn next(&mut self) -> Option<Option<(u64, Wire<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.take(8)?.try_into().ok()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed32)?,
            _ => return None,
        };
        Some(Some((key >> 3, wire)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, decode};
    use crate::test;
    use serde_json::{Value, json};

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn entry(name: &str, value: &[u8]) -> Vec<u8> {
        field(1, &[field(1, name.as_bytes()), field(2, value)].concat())
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let list = field(6, &[field(1, &field(3, b"x")), field(1, &[0x20, 0])].concat());
        let bytes = [
            entry("null", &[0x08, 0]),
            entry("number", &[&[0x11][..], &2.5_f64.to_le_bytes()].concat()),
            entry("bool", &[0x20, 1]),
            entry("list", &list),
            entry("object", &field(5, &entry("inner", &field(3, "é".as_bytes())))),
        ];
        let expected =
            json!({"null": null, "number": 2.5, "bool": true, "list": ["x", false], "object": {"inner": "é"}});
        assert_eq!(decode(&bytes.concat()).map(Value::Object), Some(expected));
    }

    #[test]
    fn unknown_fields_are_ignored_and_the_last_of_a_name_counts() {
        let unknown = [&[0x7d, 1, 2, 3, 4, 0x78, 0xff, 1][..], &field(9, b"x")].concat();
        let bytes = [unknown, entry("a", &field(3, b"1")), entry("a", &[field(3, b"1"), field(3, b"2")].concat())];
        assert_eq!(decode(&bytes.concat()).map(Value::Object), Some(json!({"a": "2"})));
    }

    #[test]
    fn broken_bytes_are_not_a_structure() {
        let whole = entry("a", &field(3, b"text"));
        for end in 1..whole.len() {
            assert_eq!(decode(&whole[..end]), None, "{end}");
        }
        for bytes in [&b"\x0b"[..], &[0x0a, 0xff], &[0xff; 20], &entry("a", b""), &entry("a", &field(3, b"\xff"))] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| (1..depth).fold(entry("a", &[0x20, 1]), |inner, _| entry("a", &field(5, &inner)));
        assert!(decode(&nested(MAX_DEPTH)).is_some());
        assert_eq!(decode(&nested(MAX_DEPTH + 1)), None);
    }
}
