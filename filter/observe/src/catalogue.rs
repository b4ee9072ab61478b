//! What a server offers, remembered by digest, so that a definition which changes under its name is noticed.
//!
//! A [`Catalogue`] holds the digests of what each item was defined as, for one server, one list method and one revision; the
//! workers share it. Names and definitions are only ever added: a list may differ by who asks and by page.
//!
//! - `changed`: an item shows a definition that was not seen of it before. A definition that comes back is no news.
//! - `varies`: an item shows one more than [`MOST_DEFINITIONS`]. It depends on who asks, or on the time, so its changes mean
//!   nothing: this is counted once, in place of `changed`, and the item is not followed any more.
//! - `added`: a name appears after the first full list, a page without `nextCursor` that was asked for without a cursor, or at
//!   the end of such a chain.
//!
//! A name that stands twice in one page counts by its first place.
//!
//! **Cost:** a page that this worker saw before costs a look-up in this VM, one without news a look-up per item; with news for
//! this worker a read of the catalogue, and a write where it is news for all.
//! **Memory:** at most [`MOST_ITEMS`] items with 17 bytes for one definition and 41 for four, so 9 to 21 KiB per server, method
//! and revision in the shared data, and up to 37 KiB in each VM. Items beyond that are not followed.

use crate::digest::DigestKey;
use crate::page::Page;
use crate::shared::{SharedData, update};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;

/// Most items of one list that are followed.
const MOST_ITEMS: usize = 512;
/// Most definitions of one item that are known; with one more it varies.
const MOST_DEFINITIONS: usize = 4;
/// Most pages that are recognised as a whole.
const MOST_PAGES: usize = 64;
/// Flags and the cursor, before the items.
const HEAD_BYTES: usize = 9;

/// How many items of a page are news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) varies: u32,
}

/// What an item was seen to be defined as.
#[derive(Clone, Debug, PartialEq)]
enum Definitions {
    /// All of them, as digests: one to [`MOST_DEFINITIONS`].
    Seen(Box<[u64]>),
    /// More than that.
    Vary,
}

/// What all workers know of one list.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// A full list was seen.
    is_full: bool,
    /// The cursor at which the first full list goes on; 0 where none is awaited.
    awaited: u64,
    /// By the digest of the name.
    items: FxHashMap<u64, Definitions>,
}

/// One list of one server, as this VM knows it.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Where it is in the shared data.
    key: String,
    known: Known,
    /// Pages with nothing new in them.
    pages: FxHashSet<u64>,
}

// === impl Catalogue ===

impl Catalogue {
    pub(crate) fn new(key: String) -> Self {
        Self { key, known: Known::default(), pages: FxHashSet::default() }
    }

    /// What is new in a page; `None` where all of it was seen before in this VM, so that nothing else can be learnt from it.
    pub(crate) fn compare(
        &mut self,
        page: &Page<'_>,
        digest_key: DigestKey,
        shared: &dyn SharedData,
    ) -> Option<Changes> {
        if self.pages.contains(&self.page_digest(page)) {
            return None;
        }
        let mut names = FxHashSet::default();
        let items = page.items.iter().map(|item| (digest_key.digest(&item.name), item.digest));
        let items: Vec<(u64, u64)> = items.filter(|(name, _)| names.insert(*name)).collect();
        let Self { key, known, .. } = self;
        if known.learns_from(page, &items) {
            let found = update(shared, key, |bytes| {
                *known = Known::from_bytes(bytes);
                let is_news = known.learns_from(page, &items);
                let changes = known.take(page, &items);
                if is_news {
                    *bytes = known.to_bytes();
                }
                (is_news, changes)
            });
            let Some(changes) = found else {
                // What was not written is not so.
                *known = Known::default();
                return Some(Changes::default());
            };
            self.remember(page);
            return Some(changes);
        }
        self.remember(page);
        Some(Changes::default())
    }

    fn remember(&mut self, page: &Page<'_>) {
        if self.pages.len() >= MOST_PAGES {
            self.pages.clear();
        }
        self.pages.insert(self.page_digest(page));
    }

    /// Cursors, which servers may make up anew each time, matter only until a full list was seen.
    fn page_digest(&self, page: &Page<'_>) -> u64 {
        if self.known.is_full { page.digest() } else { page.place_digest() }
    }
}

// === impl Known ===

impl Known {
    /// Whether anything in a page is not known yet; its items are names and definitions as digests, each name once.
    fn learns_from(&self, page: &Page<'_>, items: &[(u64, u64)]) -> bool {
        let is_news = |&(name, definition): &(u64, u64)| match self.items.get(&name) {
            Some(Definitions::Seen(seen)) => !seen.contains(&definition),
            Some(Definitions::Vary) => false,
            None => self.items.len() < MOST_ITEMS,
        };
        self.follow(page).is_some() || items.iter().any(is_news)
    }

    /// Takes a page in: what of it is to be counted.
    fn take(&mut self, page: &Page<'_>, items: &[(u64, u64)]) -> Changes {
        let mut changes = Changes::default();
        for &(name, definition) in items {
            let has_room = self.items.len() < MOST_ITEMS;
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
    fn from_bytes(bytes: &[u8]) -> Self {
        let parse = || {
            let (&[is_full, ref awaited @ ..], mut rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
            let mut known = Self { is_full: is_full == 1, awaited: u64::from_le_bytes(*awaited), ..Self::default() };
            while let Some((name, after)) = rest.split_first_chunk::<8>() {
                let (definitions, after) = Definitions::from_bytes(after)?;
                known.items.insert(u64::from_le_bytes(*name), definitions);
                rest = after;
            }
            (is_full <= 1 && rest.is_empty() && known.items.len() <= MOST_ITEMS).then_some(known)
        };
        parse().unwrap_or_default()
    }

    fn to_bytes(&self) -> Vec<u8> {
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
        if seen.len() < MOST_DEFINITIONS {
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
        (count <= MOST_DEFINITIONS).then_some((Self::Seen(seen), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalogue, Changes, Definitions, HEAD_BYTES, Known, MOST_ITEMS};
    use crate::digest::DigestKey;
    use crate::page::{Item, Page};
    use crate::shared::{InMemory, SharedData};
    use crate::test;
    use std::num::NonZeroU64;

    const SAME: Option<Changes> = Some(Changes { added: 0, changed: 0, varies: 0 });
    const ADDED: Option<Changes> = Some(Changes { added: 1, changed: 0, varies: 0 });
    const CHANGED: Option<Changes> = Some(Changes { added: 0, changed: 1, varies: 0 });
    const VARIES: Option<Changes> = Some(Changes { added: 0, changed: 0, varies: 1 });

    struct Workers {
        shared: InMemory,
        catalogues: [Catalogue; 2],
    }

    impl Workers {
        fn new() -> Self {
            let catalogues = [0, 1].map(|_| Catalogue::new("list".to_owned()));
            Self { shared: InMemory::default(), catalogues }
        }

        /// A page of names with the digests of their definitions.
        fn page(
            &mut self,
            worker: usize,
            items: &[(&str, u64)],
            cursor: Option<u64>,
            next_cursor: Option<u64>,
        ) -> Option<Changes> {
            let items: Vec<Item> =
                items.iter().map(|&(name, digest)| Item { name: name.as_bytes().into(), digest }).collect();
            let page = Page {
                items: &items,
                is_whole: true,
                cursor: cursor.and_then(NonZeroU64::new),
                next_cursor: next_cursor.and_then(NonZeroU64::new),
            };
            self.catalogues[worker].compare(&page, DigestKey::default(), &self.shared)
        }

        fn list(&mut self, worker: usize, items: &[(&str, u64)]) -> Option<Changes> {
            self.page(worker, items, None, None)
        }
    }

    #[test]
    fn ok_a_change_is_counted_once_in_the_process() {
        let mut workers = Workers::new();
        assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), SAME);
        assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), SAME);
        assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), None);
        assert_eq!(workers.list(0, &[("a", 2), ("b", 1)]), CHANGED);
        assert_eq!(workers.list(1, &[("a", 2), ("b", 1)]), SAME);
        assert_eq!(workers.list(0, &[("a", 2), ("b", 1)]), None);
        assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), None, "and back");
    }

    #[test]
    fn ok_a_definition_per_user_settles() {
        let mut workers = Workers::new();
        let counted =
            |found: Vec<Option<Changes>>| found.into_iter().filter(|found| !matches!(*found, SAME | None)).collect();
        let turns: Vec<_> =
            (0..40).map(|turn| workers.list(turn % 2, &[("a", turn as u64 / 2 % 2), ("b", 1)])).collect();
        let first: Vec<_> = counted(turns);
        assert_eq!(first, [CHANGED]);
        // More users: three more are known, the next is one too many.
        let turns: Vec<_> = (0..100).map(|turn| workers.list(turn % 2, &[("a", turn as u64), ("b", 1)])).collect();
        let more: Vec<_> = counted(turns);
        assert_eq!(more, [CHANGED, CHANGED, VARIES]);
        assert_eq!(workers.list(0, &[("a", 7), ("b", 2)]), CHANGED, "the others are followed");
    }

    #[test]
    fn ok_what_varies_costs_no_shared_data() {
        let mut workers = Workers::new();
        for definition in 0..5 {
            workers.list(0, &[("a", definition)]);
        }
        workers.list(1, &[("a", 5)]);
        workers.shared.write("list", b"foreign", workers.shared.read("list").map(|value| value.version));
        for definition in 6..100 {
            assert_eq!(workers.list(definition as usize % 2, &[("a", definition)]), SAME);
        }
        assert_eq!(workers.shared.read("list").unwrap().bytes, b"foreign", "nothing was written");
    }

    #[test]
    fn ok_what_could_not_be_written_is_not_known() {
        let mut workers = Workers::new();
        workers.list(0, &[("a", 1)]);
        workers.shared.refuse(true);
        assert_eq!(workers.list(0, &[("a", 2)]), SAME);
        workers.shared.refuse(false);
        assert_eq!(workers.list(0, &[("a", 2)]), CHANGED);
    }

    #[test]
    fn ok_names_after_the_first_full_list_are_added() {
        let mut workers = Workers::new();
        assert_eq!(workers.list(0, &[("a", 1)]), SAME);
        assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), ADDED);
        assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), SAME);
    }

    #[test]
    fn ok_lists_that_differ_by_scope_are_no_news() {
        let mut workers = Workers::new();
        workers.list(0, &[("a", 1), ("b", 1), ("c", 1)]);
        for _ in 0..3 {
            for worker in [0, 1] {
                assert!([SAME, None].contains(&workers.list(worker, &[("a", 1)])));
                assert!([SAME, None].contains(&workers.list(worker, &[("c", 1), ("b", 1)])));
                assert!([SAME, None].contains(&workers.list(worker, &[])));
            }
        }
    }

    #[test]
    fn ok_a_full_list_is_a_chain_of_pages_on_any_worker() {
        let mut workers = Workers::new();
        assert_eq!(workers.page(0, &[("a", 1)], None, Some(7)), SAME);
        assert_eq!(workers.page(1, &[("z", 1)], Some(9), None), SAME, "the end of another chain");
        assert_eq!(workers.page(1, &[("b", 1)], Some(7), Some(8)), SAME);
        assert_eq!(workers.page(0, &[("c", 1)], Some(8), None), SAME);
        assert_eq!(workers.page(1, &[("a", 1)], None, Some(17)), SAME);
        assert_eq!(workers.page(1, &[("b", 1), ("new", 1)], Some(17), Some(18)), ADDED);
    }

    #[test]
    fn ok_a_name_that_stands_twice_is_no_news() {
        let mut workers = Workers::new();
        for _ in 0..3 {
            assert!([SAME, None].contains(&workers.list(0, &[("a", 1), ("a", 2)])));
            assert!([SAME, None].contains(&workers.list(1, &[("a", 1), ("a", 2)])));
        }
    }

    #[test]
    fn ok_bounded() {
        let mut workers = Workers::new();
        workers.list(0, &[]);
        let names: Vec<String> = (0..2 * MOST_ITEMS).map(|index| format!("n{index}")).collect();
        let items: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(workers.list(0, &items).unwrap().added as usize, MOST_ITEMS);
        assert_eq!(workers.list(1, &items), SAME);
        assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 17 * MOST_ITEMS);
        for digest in 2..5 {
            let items: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), digest)).collect();
            assert_eq!(workers.list(0, &items).unwrap().changed as usize, MOST_ITEMS);
        }
        assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 41 * MOST_ITEMS);
        for digest in 0..1000 {
            workers.list(0, &[("n0", digest)]);
        }
        assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 41 * MOST_ITEMS - 32);
        assert!(workers.catalogues[0].pages.len() <= super::MOST_PAGES);
    }

    #[test]
    fn ok_anything_but_a_catalogue_is_an_empty_one() {
        let seen = |definitions: &[u64]| Definitions::Seen(definitions.into());
        let items = [(1, seen(&[2])), (3, seen(&[4, 5, 6, 7])), (8, Definitions::Vary)].into_iter().collect();
        let known = Known { is_full: true, awaited: 5, items };
        assert_eq!(Known::from_bytes(&known.to_bytes()), known);
        let crowded = Known { items: (0..=MOST_ITEMS as u64).map(|name| (name, seen(&[1]))).collect(), ..known };
        let many = [&[0; HEAD_BYTES + 8][..], &[5], &[1; 40]].concat();
        for bytes in [&b""[..], b"x", &[0xff; 25], &[1; 10], &[0; HEAD_BYTES + 8], &many, &crowded.to_bytes()] {
            assert_eq!(Known::from_bytes(bytes), Known::default());
        }
        let mut workers = Workers::new();
        workers.shared.write("list", b"foreign", None);
        assert_eq!(workers.list(0, &[("a", 1)]), SAME);
        assert_eq!(workers.list(1, &[("a", 2)]), CHANGED);
    }
}
