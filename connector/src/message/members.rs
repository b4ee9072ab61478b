//! Finds members of a JSON object, or the items of an array, without reading the rest.
//!
//! Cost: one pass over the text, no allocation unless a name has escapes. It is iterative, so depth has no limit.

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// What was found in an object.
pub(super) struct Members<const N: usize> {
    /// Byte ranges of the values of the named members. One that stands twice is missing: programs differ in which of the two they
    /// read.
    pub(super) found: [Option<Range<usize>>; N],
    /// A name that stands twice.
    pub(super) twice: Option<&'static str>,
}

// === impl Members ===

impl<const N: usize> Default for Members<N> {
    fn default() -> Self {
        Self { found: [const { None }; N], twice: None }
    }
}

/// Finds the named members, within `text`.
///
/// # Errors
///
/// `text` is not exactly one JSON object.
pub(super) fn members<const N: usize>(text: &str, names: [&'static str; N]) -> serde_json::Result<Members<N>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_map(Search { text, names })?;
    json.end()?;
    Ok(found)
}

/// The items of an array. `None`: there are more than `most`.
///
/// # Errors
///
/// `text` is not exactly one JSON array.
pub(super) fn items(text: &str, most: usize) -> serde_json::Result<Option<Vec<&RawValue>>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let found = json.deserialize_seq(Items { most })?;
    json.end()?;
    Ok(found)
}

struct Items {
    most: usize,
}

// === impl Items ===

impl<'t> Visitor<'t> for Items {
    type Value = Option<Vec<&'t RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.most {
            let Some(item) = array.next_element()? else { return Ok(Some(items)) };
            items.push(item);
        }
        let mut has_more = false;
        while array.next_element::<IgnoredAny>()?.is_some() {
            has_more = true;
        }
        Ok((!has_more).then_some(items))
    }
}

/// The byte range of `part`, which is a part of `text`.
pub(super) fn range_in(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

struct Search<'t, const N: usize> {
    text: &'t str,
    names: [&'static str; N],
}

// === impl Search ===

impl<'t, const N: usize> Visitor<'t> for Search<'t, N> {
    type Value = Members<N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ranges = [const { None }; N];
        let mut is_twice = [false; N];
        while let Some(place) = map.next_key_seed(Place(&self.names))? {
            let value = map.next_value::<&RawValue>()?;
            let Some(place) = place else { continue };
            if let (Some(slot), Some(is_twice)) = (ranges.get_mut(place), is_twice.get_mut(place)) {
                *is_twice = slot.replace(range_in(self.text, value.get())).is_some() || *is_twice;
            }
        }
        let mut members = Members { found: ranges, twice: None };
        for ((slot, name), is_twice) in members.found.iter_mut().zip(self.names).zip(is_twice) {
            if is_twice {
                *slot = None;
                members.twice = Some(name);
            }
        }
        Ok(members)
    }
}

/// Reads a name and returns its place among the names that are looked for.
struct Place<'n>(&'n [&'static str]);

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

    fn values<const N: usize>(text: &str, names: [&'static str; N]) -> Option<Vec<Option<String>>> {
        let members = members(text, names).ok()?;
        Some(members.found.into_iter().map(|range| range.map(|range| text.get(range).unwrap().to_owned())).collect())
    }

    #[test]
    fn values_are_found_as_they_stand() {
        let text = r#" {"a": 1.50 ,"i\u0064":"é\u00e9", "c":{"id":3}} "#;
        let found = values(text, ["id", "a", "b"]).unwrap();
        assert_eq!(found, [Some("\"é\\u00e9\"".to_owned()), Some("1.50".to_owned()), None]);
    }

    #[test]
    fn name_that_stands_twice_is_missing() {
        for text in [r#"{"id":1,"a":3,"i\u0064":2}"#, r#"{"id":1,"id":2,"a":3,"id":1}"#] {
            let members = members(text, ["a", "id"]).unwrap();
            assert!(members.found[0].is_some() && members.found[1].is_none(), "{text}");
            assert_eq!(members.twice, Some("id"), "{text}");
        }
        assert_eq!(members(r#"{"other":1,"other":2,"id":3}"#, ["id"]).unwrap().twice, None);
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
