//! What all workers know of one list, and its form in the shared data.

use super::Changes;
use crate::observation::Page;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;

/// Most items of one list that are followed.
pub(super) const MAX_ITEMS: usize = 512;
/// Most definitions of one item that are known; with one more it varies.
const MAX_DEFINITIONS: usize = 4;
/// Flags and the cursor, before the items.
pub(super) const HEAD_BYTES: usize = 9;

/// What an item was seen to be defined as.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Definitions {
    /// All of them, as digests: one to [`MAX_DEFINITIONS`].
    Seen(Box<[u64]>),
    /// More than that.
    Vary,
}

/// What all workers know of one list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    /// A full list was seen.
    pub(super) is_full: bool,
    /// The cursor at which the first full list goes on; 0 where none is awaited.
    pub(super) awaited: u64,
    /// By the digest of the name.
    pub(super) items: FxHashMap<u64, Definitions>,
}

// === impl Known ===

impl Known {
    /// Whether anything in a page is not known yet; its items are names and definitions as digests, each name once.
    pub(super) fn learns_from(&self, page: &Page<'_>, items: &[(u64, u64)]) -> bool {
        let is_news = |&(name, definition): &(u64, u64)| match self.items.get(&name) {
            Some(Definitions::Seen(seen)) => !seen.contains(&definition),
            Some(Definitions::Vary) => false,
            None => self.items.len() < MAX_ITEMS,
        };
        self.follow(page).is_some() || items.iter().any(is_news)
    }

    /// Takes a page in: what of it is to be counted.
    pub(super) fn take(&mut self, page: &Page<'_>, items: &[(u64, u64)]) -> Changes {
        let mut changes = Changes::default();
        for &(name, definition) in items {
            let has_room = self.items.len() < MAX_ITEMS;
            match self.items.entry(name) {
                Entry::Occupied(mut item) => item.get_mut().take(definition, &mut changes),
                Entry::Vacant(place) if has_room => {
                    place.insert(Definitions::Seen([definition].into()));
                    changes.added += u32::from(self.is_full);
                }
                Entry::Vacant(_) => {}
            }
        }
        if let Some((is_full, awaited)) = self.follow(page) {
            (self.is_full, self.awaited) = (is_full, awaited);
        }
        changes
    }

    /// Follows the pages of the first full list: whether it is full now, and the cursor that is awaited next. `None` where the
    /// page leads nowhere.
    fn follow(&self, page: &Page<'_>) -> Option<(bool, u64)> {
        let goes_on = page.cursor.is_none_or(|cursor| cursor.get() == self.awaited);
        // Of a page that was not kept as a whole, later ones would bring names that are not new at all.
        if self.is_full || !goes_on || !page.is_whole {
            return None;
        }
        let next = (page.next_cursor.is_none(), page.next_cursor.map_or(0, NonZeroU64::get));
        (next != (self.is_full, self.awaited)).then_some(next)
    }

    /// Anything that is no catalogue is an empty one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let parse = || {
            let (&[is_full, ref awaited @ ..], mut rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
            let mut known = Self { is_full: is_full == 1, awaited: u64::from_le_bytes(*awaited), ..Self::default() };
            while let Some((name, after)) = rest.split_first_chunk::<8>() {
                let (definitions, after) = Definitions::from_bytes(after)?;
                known.items.insert(u64::from_le_bytes(*name), definitions);
                rest = after;
            }
            (is_full <= 1 && rest.is_empty() && known.items.len() <= MAX_ITEMS).then_some(known)
        };
        parse().unwrap_or_default()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_full)];
        bytes.extend(self.awaited.to_le_bytes());
        for (name, definitions) in &self.items {
            bytes.extend(name.to_le_bytes());
            definitions.write_to(&mut bytes);
        }
        bytes
    }
}

// === impl Definitions ===

impl Definitions {
    fn take(&mut self, definition: u64, changes: &mut Changes) {
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

    /// How many, 0 where they vary, and these.
    fn write_to(&self, bytes: &mut Vec<u8>) {
        let seen: &[u64] = if let Self::Seen(seen) = self { seen } else { &[] };
        bytes.push(u8::try_from(seen.len()).unwrap_or(0));
        bytes.extend(seen.iter().flat_map(|definition| definition.to_le_bytes()));
    }

    fn from_bytes(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&count, rest) = bytes.split_first()?;
        if count == 0 {
            return Some((Self::Vary, rest));
        }
        let count = usize::from(count);
        let (seen, rest) = rest.split_at_checked(8 * count)?;
        let seen = seen.as_chunks::<8>().0.iter().map(|definition| u64::from_le_bytes(*definition)).collect();
        (count <= MAX_DEFINITIONS).then_some((Self::Seen(seen), rest))
    }
}
