//! Label values made of what peers sent: cleaned, cut, and few.
//!
//! A budget per label keeps the number of series bounded whatever arrives. Names that the server confirmed (by publishing
//! them in a list, or by a call that succeeded) have the configured limit to themselves; all the others share
//! [`UNCONFIRMED`]. What finds no room is `other`.

use rustc_hash::FxHashMap;

/// Names that no answer ever confirmed: probing clients, typing errors.
const UNCONFIRMED: u16 = 20;

/// A value that is safe in a stat name and in Prometheus' text format, at most `most` bytes, cut at a character boundary.
///
/// Quotes, backslashes, `;`, `=`, control characters and invalid UTF-8 become `_`, and so do dots at the end: Envoy drops
/// them from a tag, and `a` beside `a.` would be one series twice, which fails the whole scrape.
pub(crate) fn clean(bytes: &[u8], most: usize) -> String {
    let mut label = String::with_capacity(bytes.len().min(most));
    for chunk in bytes.utf8_chunks() {
        let invalid = if chunk.invalid().is_empty() { None } else { Some('_') };
        let characters = chunk.valid().chars().map(|character| if is_harmless(character) { character } else { '_' });
        for character in characters.chain(invalid) {
            if label.len() + character.len_utf8() > most {
                return end_without_dot(label);
            }
            label.push(character);
        }
    }
    end_without_dot(label)
}

fn is_harmless(character: char) -> bool {
    !character.is_control() && !matches!(character, '"' | '\\' | ';' | '=')
}

/// Every dot at the end becomes `_`.
pub(crate) fn end_without_dot(mut label: String) -> String {
    let kept = label.trim_end_matches('.').len();
    let dots = label.len() - kept;
    label.truncate(kept);
    label.extend(std::iter::repeat_n('_', dots));
    label
}

/// One of a label's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// By its place in [`Names`].
    Admitted(u16),
    /// No room, or no name at all.
    Other,
}

/// What came of asking for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) name: Name,
    /// Admitted by this call.
    pub(crate) is_new: bool,
    /// Became `other` for want of room.
    pub(crate) overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    index: u16,
    confirmed: bool,
}

/// The values of one label.
///
/// Memory: at most `limit + 20` values of `limits.label_bytes` each, twice.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    limit: u16,
    confirmed: u16,
    unconfirmed: u16,
    entries: FxHashMap<Box<str>, Entry>,
    values: Vec<Box<str>>,
}

// === impl Names ===

impl Names {
    pub(crate) fn new(limit: u16) -> Self {
        Self { limit, confirmed: 0, unconfirmed: 0, entries: FxHashMap::default(), values: Vec::new() }
    }

    /// The value to use for `label`, a text that [`clean`] made.
    pub(crate) fn admit(&mut self, label: &str, confirmed: bool) -> Admission {
        let has_room = self.confirmed < self.limit;
        if let Some(entry) = self.entries.get_mut(label) {
            if confirmed && !entry.confirmed && has_room {
                entry.confirmed = true;
                self.confirmed += 1;
                self.unconfirmed -= 1;
            }
            return Admission { name: Name::Admitted(entry.index), is_new: false, overflowed: false };
        }
        let counter = if confirmed { &mut self.confirmed } else { &mut self.unconfirmed };
        let most = if confirmed { self.limit } else { UNCONFIRMED };
        let index = u16::try_from(self.values.len()).unwrap_or(u16::MAX);
        if *counter >= most {
            return Admission { name: Name::Other, is_new: false, overflowed: true };
        }
        *counter += 1;
        self.entries.insert(label.into(), Entry { index, confirmed });
        self.values.push(label.into());
        Admission { name: Name::Admitted(index), is_new: true, overflowed: false }
    }

    pub(crate) fn text(&self, name: Name) -> &str {
        match name {
            Name::Admitted(index) => self.values.get(usize::from(index)).map_or("other", |value| value),
            Name::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Names, UNCONFIRMED, clean};
    use crate::test;

    #[test]
    fn ok_hostile_values_are_harmless() {
        assert_eq!(clean(b"x;.;status=.=ok", 128), "x_._status_._ok");
        assert_eq!(clean(b"a\"b\\c\nd\0e\x7f", 128), "a_b_c_d_e_");
        assert_eq!(clean(b"a\xffb\xc3", 128), "a_b_");
        assert_eq!(clean("é😀 x/y".as_bytes(), 128), "é😀 x/y");
        assert_eq!(clean("aé".as_bytes(), 2), "a");
        assert_eq!(clean(b"..a...b..", 128), "..a...b__");
        assert_eq!(clean(b"abc.d", 4), "abc_");
        assert_eq!(clean(b"...", 128), "___");
        assert_eq!(clean(&[b'a'; 500], 128).len(), 128);
    }

    #[test]
    fn ok_confirmed_names_are_not_crowded_out() {
        let mut names = Names::new(3);
        for index in 0..100 {
            names.admit(&format!("invented{index}"), false);
        }
        assert!(names.admit("invented99", false).overflowed);
        for (index, label) in ["a", "b", "c"].iter().enumerate() {
            let admission = names.admit(label, true);
            assert_eq!(admission.name, Name::Admitted(UNCONFIRMED + index as u16));
            assert!(admission.is_new);
        }
        assert_eq!(names.admit("d", true).name, Name::Other);
        assert!(!names.admit("a", true).is_new);
        assert_eq!(names.text(names.entries.get("b").map(|entry| Name::Admitted(entry.index)).unwrap()), "b");
    }

    #[test]
    fn ok_a_confirmed_name_frees_the_small_budget() {
        let mut names = Names::new(100);
        for index in 0..UNCONFIRMED {
            assert!(names.admit(&format!("n{index}"), false).is_new);
        }
        assert!(names.admit("late", false).overflowed);
        assert!(!names.admit("n0", true).is_new);
        assert!(names.admit("late", false).is_new);
    }
}
