//! The definitions of one list that all workers know.

use super::Changes;
use crate::observation::Page;
use crate::shared_data::{StoredDigest, decode};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;

/// How many items of one list are followed at most.
pub(super) const MAX_ITEMS: usize = 512;
/// How many definitions of one item are kept at most; with one more the item varies.
const MAX_DEFINITIONS: usize = 4;

/// The digests of all definitions of one item, at most [`MAX_DEFINITIONS`]. Empty if there were more: the item varies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Definitions(pub(super) Box<[StoredDigest]>);

/// The definitions of one list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KnownDefinitions {
    /// A full list was seen.
    pub(super) is_full: bool,
    /// The cursor of the next page of the first full list; 0 if no page is awaited.
    #[serde(with = "postcard::fixint::le")]
    pub(super) awaited: u64,
    /// By the digest of the name.
    pub(super) items: FxHashMap<StoredDigest, Definitions>,
}

// === impl KnownDefinitions ===

impl KnownDefinitions {
    /// The definitions in a value of the shared data; none if it is not such a value.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let known: Self = decode(bytes);
        let is_bounded = |definitions: &Definitions| definitions.0.len() <= MAX_DEFINITIONS;
        if known.items.len() <= MAX_ITEMS && known.items.values().all(is_bounded) { known } else { Self::default() }
    }

    /// Whether a page has a name or a definition that is not known, or continues the first full list. `items` are the digests of
    /// names and definitions, each name once.
    pub(super) fn has_news(&self, page: &Page<'_>, items: &[(StoredDigest, StoredDigest)]) -> bool {
        let is_news = |&(name, definition): &(StoredDigest, StoredDigest)| match self.items.get(&name) {
            Some(definitions) => definitions.is_news(definition),
            None => self.items.len() < MAX_ITEMS,
        };
        self.follow_first_list(page).is_some() || items.iter().any(is_news)
    }

    /// Adds a page; returns what is new in it.
    pub(super) fn add(&mut self, page: &Page<'_>, items: &[(StoredDigest, StoredDigest)]) -> Changes {
        let mut changes = Changes::default();
        for &(name, definition) in items {
            let has_room = self.items.len() < MAX_ITEMS;
            match self.items.entry(name) {
                Entry::Occupied(mut item) => item.get_mut().add(definition, &mut changes),
                Entry::Vacant(place) if has_room => {
                    place.insert(Definitions([definition].into()));
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

// === impl Definitions ===

impl Definitions {
    fn vary(&self) -> bool {
        self.0.is_empty()
    }

    fn is_news(&self, definition: StoredDigest) -> bool {
        !self.vary() && !self.0.contains(&definition)
    }

    fn add(&mut self, definition: StoredDigest, changes: &mut Changes) {
        if !self.is_news(definition) {
            return;
        }
        if self.0.len() < MAX_DEFINITIONS {
            self.0 = self.0.iter().copied().chain([definition]).collect();
            changes.changed += 1;
        } else {
            self.0 = Box::default();
            changes.varies += 1;
        }
    }
}
