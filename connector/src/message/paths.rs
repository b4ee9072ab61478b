//! Values deep in a JSON object, by the names on the way to them.
//!
//! Cost: one pass over each object on the way. What is not on the way is passed over, however large it is.

use super::members::{Slot, search};
use std::fmt;

/// A name on the way to a value that stands twice in its object. Programs differ in which of the two they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandsTwice(String);

/// The values at the ends of paths, as they stand in `object`. A value is missing if one of the names on its path is.
///
/// # Errors
///
/// A name on a path stands twice.
pub(super) fn values<'t>(object: &'t str, paths: &[&[String]]) -> Result<Vec<Option<&'t str>>, StandsTwice> {
    let mut found = vec![None; paths.len()];
    let wanted: Vec<_> = paths.iter().copied().zip(&mut found).collect();
    find(object, wanted)?;
    Ok(found)
}

/// Finds the values of one object. The depth is that of the longest path.
fn find<'t>(object: &'t str, wanted: Vec<(&[String], &mut Option<&'t str>)>) -> Result<(), StandsTwice> {
    let mut names: Vec<&str> = wanted.iter().filter_map(|(path, _)| path.first()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let mut slots = vec![Slot::Missing; names.len()];
    if search(object, &names, &mut slots).is_err() {
        // What is no object has no members.
        return Ok(());
    }
    let mut below: Vec<Vec<_>> = names.iter().map(|_| Vec::new()).collect();
    for (path, value) in wanted {
        let Some((first, rest)) = path.split_first() else { continue };
        let Ok(place) = names.binary_search(&first.as_str()) else { continue };
        match (slots.get(place), below.get_mut(place)) {
            (Some(Slot::Twice), _) => return Err(StandsTwice(first.clone())),
            (Some(Slot::Once(range)), _) if rest.is_empty() => *value = object.get(range.clone()),
            (Some(Slot::Once(_)), Some(below)) => below.push((rest, value)),
            _ => {}
        }
    }
    for (slot, below) in slots.into_iter().zip(below) {
        if let Slot::Once(range) = slot
            && !below.is_empty()
        {
            find(object.get(range).unwrap_or_default(), below)?;
        }
    }
    Ok(())
}

impl fmt::Display for StandsTwice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` stands twice", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{StandsTwice, values};

    fn find<'t>(object: &'t str, paths: &[&str]) -> Result<Vec<Option<&'t str>>, StandsTwice> {
        let paths: Vec<Vec<String>> = paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        values(object, &paths.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_found_at_each_depth() {
        let object = r#"{"a":1.50,"o":{"x":"\u00e9","p":{"y":[1, 2]},"a":7},"b":null}"#;
        let found = find(object, &["a", "o.x", "o.p.y", "o.a", "b", "o.p"]).unwrap();
        let expected = ["1.50", r#""\u00e9""#, "[1, 2]", "7", "null", r#"{"y":[1, 2]}"#];
        assert_eq!(found, expected.map(Some));
    }

    #[test]
    fn value_is_missing_if_a_name_or_an_object_on_its_path_is() {
        let object = r#"{"a":1,"s":"{\"x\":1}","l":[{"x":1}],"n":null}"#;
        for path in ["b", "a.x", "s.x", "l.x", "n.x", "b.x"] {
            assert_eq!(find(object, &[path]).unwrap(), [None], "{path}");
        }
        for object in ["", "[]", "1", "null"] {
            assert_eq!(find(object, &["a"]).unwrap(), [None], "{object}");
        }
    }

    #[test]
    fn name_on_a_path_that_stands_twice_is_refused() {
        let object = r#"{"a":1,"o":{"x":1,"\u0078":2},"o2":{"y":1},"a":2,"z":1}"#;
        assert_eq!(find(object, &["z", "a"]), Err(StandsTwice("a".to_owned())));
        assert_eq!(find(object, &["o.x"]), Err(StandsTwice("x".to_owned())));
        // Others may.
        assert_eq!(find(object, &["o2.y", "z"]).unwrap(), [Some("1"), Some("1")]);
    }
}
