//! Finds members of a JSON object without reading the rest of it.
//!
//! Cost: one pass over the text, no allocation unless a name has escapes. It is iterative, so depth has no limit.

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// Byte ranges of the values of the named members, within `text`. A name that stands twice is an error: programs differ in
/// which of the two they read.
///
/// # Errors
///
/// `text` is not exactly one JSON object, or has one of the names twice.
pub(super) fn members<const N: usize>(text: &str, names: [&str; N]) -> serde_json::Result<[Option<Range<usize>>; N]> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Members { text, names })?;
    json.end()?;
    Ok(found)
}

/// The byte range of `part`, which is a part of `text`.
pub(super) fn range_in(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

struct Members<'t, 'n, const N: usize> {
    text: &'t str,
    names: [&'n str; N],
}

// === impl Members ===

impl<'t, const N: usize> Visitor<'t> for Members<'t, '_, N> {
    type Value = [Option<Range<usize>>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(place) = map.next_key_seed(Place(&self.names))? {
            let value = map.next_value::<&RawValue>()?;
            if let Some(slot) = place.and_then(|place| found.get_mut(place))
                && slot.replace(range_in(self.text, value.get())).is_some()
            {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(found)
    }
}

/// Reads a name and returns its place among the names that are looked for.
struct Place<'n>(&'n [&'n str]);

// === impl Place ===

impl<'t> DeserializeSeed<'t> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'t>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

#[cfg(test)]
mod tests {
    use super::members;

    fn values<const N: usize>(text: &str, names: [&str; N]) -> Option<Vec<Option<String>>> {
        let found = members(text, names).ok()?;
        Some(found.into_iter().map(|range| range.map(|range| text.get(range).unwrap().to_owned())).collect())
    }

    #[test]
    fn values_are_found_as_they_stand() {
        let text = r#" {"a": 1.50 ,"i\u0064":"é\u00e9", "c":{"id":3}} "#;
        let found = values(text, ["id", "a", "b"]).unwrap();
        assert_eq!(found, [Some("\"é\\u00e9\"".to_owned()), Some("1.50".to_owned()), None]);
    }

    #[test]
    fn name_that_stands_twice_is_refused() {
        assert_eq!(values(r#"{"id":1,"i\u0064":2}"#, ["id"]), None);
        assert!(values(r#"{"other":1,"other":2,"id":3}"#, ["id"]).is_some());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "1", "{\"id\":1} x", "{\"id\":1", "null"] {
            assert_eq!(values(text, ["id"]), None, "{text}");
        }
    }

    #[test]
    fn depth_has_no_limit() {
        let text = format!("{{\"a\":{}{},\"id\":7}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(values(&text, ["id"]).unwrap(), [Some("7".to_owned())]);
    }
}
