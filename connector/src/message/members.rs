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

/// What was found under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Missing,
    /// The byte range of its value.
    Once(Range<usize>),
    Twice,
}

/// Finds the named members, within `text`.
///
/// # Errors
///
/// `text` is not exactly one JSON object.
pub(super) fn members<const N: usize>(text: &str, names: [&'static str; N]) -> serde_json::Result<Members<N>> {
    let mut slots = [const { Slot::Missing }; N];
    search(text, &names, &mut slots)?;
    let twice = slots.iter().zip(names).filter(|(slot, _)| **slot == Slot::Twice).map(|(_, name)| name).next_back();
    let found = slots.map(|slot| if let Slot::Once(range) = slot { Some(range) } else { None });
    Ok(Members { found, twice })
}

/// The same, for any number of names. Each has a slot.
pub(super) fn search(text: &str, names: &[&str], slots: &mut [Slot]) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Search { text, names, slots })?;
    json.end()
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

struct Search<'t, 'n> {
    text: &'t str,
    names: &'n [&'n str],
    slots: &'n mut [Slot],
}

// === impl Search ===

impl<'t> Visitor<'t> for Search<'t, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(place) = map.next_key_seed(Place(self.names))? {
            let value = map.next_value::<&RawValue>()?;
            if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
                let range = range_in(self.text, value.get());
                *slot = if *slot == Slot::Missing { Slot::Once(range) } else { Slot::Twice };
            }
        }
        Ok(())
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
