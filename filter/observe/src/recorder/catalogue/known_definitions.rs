//! The definitions of one list that all workers know.

use super::Changes;
use crate::observation::Page;
use crate::recorder::stored::{Reader, Stored, write_u64s};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;

/// How many items of one list are followed at most.
pub(super) const MAX_ITEMS: usize = 512;
/// How many definitions of one item are kept at most; with one more the item varies.
const MAX_DEFINITIONS: usize = 4;

/// The definitions of one item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Definitions {
    /// The digests of all of them: one to [`MAX_DEFINITIONS`].
    Seen(Box<[u64]>),
    /// There were more than [`MAX_DEFINITIONS`].
    Vary,
}

/// The definitions of one list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KnownDefinitions {
    /// A full list was seen.
    pub(super) is_full: bool,
    /// The cursor of the next page of the first full list; 0 if no page is awaited.
    pub(super) awaited: u64,
    /// By the digest of the name.
    pub(super) items: FxHashMap<u64, Definitions>,
}

// === impl KnownDefinitions ===

impl KnownDefinitions {
    /// Whether a page has a name or a definition that is not known, or continues the first full list. `items` are the digests of
    /// names and definitions, each name once.
    pub(super) fn has_news(&self, page: &Page<'_>, items: &[(u64, u64)]) -> bool {
        let is_news = |&(name, definition): &(u64, u64)| match self.items.get(&name) {
            Some(Definitions::Seen(seen)) => !seen.contains(&definition),
            Some(Definitions::Vary) => false,
            None => self.items.len() < MAX_ITEMS,
        };
        self.follow_first_list(page).is_some() || items.iter().any(is_news)
    }

    /// Adds a page; returns what is new in it.
    pub(super) fn add(&mut self, page: &Page<'_>, items: &[(u64, u64)]) -> Changes {
        let mut changes = Changes::default();
        for &(name, definition) in items {
            let has_room = self.items.len() < MAX_ITEMS;
            match self.items.entry(name) {
                Entry::Occupied(mut item) => item.get_mut().add(definition, &mut changes),
                Entry::Vacant(place) if has_room => {
                    place.insert(Definitions::Seen([definition].into()));
                    changes.added += u32::from(self.is_full);
                }
                Entry::Vacant(_) => {}
            }
        }
        if let Some((is_full, awaited)) = self.follow_first_list(page) {
            (self.is_full, self.awaited) = (is_full, awaited);
        }
        changes
    }

    /// Follows the pages of the first full list. Returns the values of `is_full` and `awaited` after this page; `None` if the page
    /// is not the next one of that list, or changes neither value.
    fn follow_first_list(&self, page: &Page<'_>) -> Option<(bool, u64)> {
        let is_next = page.cursor.is_none_or(|cursor| cursor.get() == self.awaited);
        // If a page was not kept as a whole, its missing names would count as new later.
        if self.is_full || !is_next || !page.is_whole {
            return None;
        }
        let next = (page.next_cursor.is_none(), page.next_cursor.map_or(0, NonZeroU64::get));
        (next != (self.is_full, self.awaited)).then_some(next)
    }
}

/// The flag, the cursor, and each item.
impl Stored for KnownDefinitions {
    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let (is_full, awaited) = (bytes.u8()?, bytes.u64()?);
        let mut items = FxHashMap::default();
        while !bytes.is_empty() {
            items.insert(bytes.u64()?, Definitions::read(bytes)?);
        }
        let known = Self { is_full: is_full == 1, awaited, items };
        (is_full <= 1 && known.items.len() <= MAX_ITEMS).then_some(known)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.is_full.into());
        write_u64s(bytes, &[self.awaited]);
        for (&name, definitions) in &self.items {
            write_u64s(bytes, &[name]);
            definitions.write(bytes);
        }
    }
}

// === impl Definitions ===

impl Definitions {
    fn add(&mut self, definition: u64, changes: &mut Changes) {
        let Self::Seen(seen) = self else { return };
        if seen.contains(&definition) {
            return;
        }
        if seen.len() < MAX_DEFINITIONS {
            *seen = seen.iter().copied().chain([definition]).collect();
            changes.changed += 1;
        } else {
            *self = Self::Vary;
            changes.varies += 1;
        }
    }

    /// The number of definitions, 0 if they vary, and their digests.
    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        match usize::from(bytes.u8()?) {
            0 => Some(Self::Vary),
            count @ 1..=MAX_DEFINITIONS => Some(Self::Seen(bytes.u64s(count)?.into())),
            _ => None,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let seen: &[u64] = if let Self::Seen(seen) = self { seen } else { &[] };
        bytes.push(u8::try_from(seen.len()).unwrap_or(0));
        write_u64s(bytes, seen);
    }
}
