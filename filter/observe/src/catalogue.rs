//! What a server offers, remembered by digest, so that a definition which changes under its name is noticed.
//!
//! A [`Catalogue`] holds one digest per item name for one server, one list method and one revision; the workers share it.
//! Names are only ever added: a list may differ by who asks and by page. An item is `changed` when its digest is another
//! than the one known, `added` when its name appears after the first full list: a page without `nextCursor` that was asked
//! for without a cursor, or at the end of such a chain. A name that stands twice in one page counts by its first place.
//!
//! **Cost:** a page that this worker saw before costs a look-up in this VM; any other page that differs from what it knows
//! costs a read of the catalogue and a write where it is news. A worker that has not seen a change, and sees the former
//! definition again, does not ask.
//! **Memory:** at most [`MOST_ITEMS`] items of 16 bytes, 8 KiB per server, method and revision, once in this VM and once in
//! the shared data. Items beyond that are not followed.

use crate::digest::DigestKey;
use crate::page::Page;
use crate::shared::{SharedData, update};
use rustc_hash::{FxHashMap, FxHashSet};
use std::num::NonZeroU64;

/// Most items of one list that are followed.
const MOST_ITEMS: usize = 512;
/// Most pages that are recognised as a whole.
const MOST_PAGES: usize = 64;
/// Flags and the cursor, before the items.
const HEAD_BYTES: usize = 9;

/// How many items of a page are news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: u32,
    pub(crate) changed: u32,
}

/// What all workers know of one list.
#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    /// A full list was seen.
    is_full: bool,
    /// The cursor at which the first full list goes on; 0 where none is awaited.
    awaited: u64,
    /// Definitions by name, both as digests.
    items: FxHashMap<u64, u64>,
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
        let named: Vec<(u64, u64)> =
            page.items.iter().map(|item| (digest_key.digest(&item.name), item.digest)).collect();
        let Self { key, known, .. } = self;
        let before = known.clone();
        if known.clone().take(page, &named).0 {
            let found = update(shared, key, |bytes| {
                *known = Known::from_bytes(bytes);
                let (is_news, changes) = known.take(page, &named);
                if is_news {
                    *bytes = known.to_bytes();
                }
                (is_news, changes)
            });
            let Some(changes) = found else {
                *known = before;
                return Some(Changes::default());
            };
            if before.items.iter().any(|(name, digest)| known.items.get(name) != Some(digest)) {
                self.pages.clear();
            }
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
    /// Takes a page in: whether anything is another than before, and what of it is to be counted.
    fn take(&mut self, page: &Page<'_>, named: &[(u64, u64)]) -> (bool, Changes) {
        let mut changes = Changes::default();
        let mut is_news = false;
        let mut seen = FxHashSet::default();
        for &(name, definition) in named {
            if !seen.insert(name) {
                continue;
            }
            match self.items.get(&name) {
                Some(&before) if before == definition => continue,
                Some(_) => changes.changed += 1,
                None if self.items.len() >= MOST_ITEMS => continue,
                None => changes.added += u32::from(self.is_full),
            }
            self.items.insert(name, definition);
            is_news = true;
        }
        (self.follow(page) || is_news, changes)
    }

    /// Follows the pages of the first full list; whether that led anywhere.
    fn follow(&mut self, page: &Page<'_>) -> bool {
        let goes_on = page.cursor.is_none_or(|cursor| cursor.get() == self.awaited);
        // Of a page that was not kept as a whole, later ones would bring names that are not new at all.
        if self.is_full || !goes_on || !page.is_whole {
            return false;
        }
        let awaited = page.next_cursor.map_or(0, NonZeroU64::get);
        self.is_full = page.next_cursor.is_none();
        self.is_full || std::mem::replace(&mut self.awaited, awaited) != awaited
    }

    /// Anything that is no catalogue is an empty one.
    fn from_bytes(bytes: &[u8]) -> Self {
        let parse = || {
            let (&[is_full, ref awaited @ ..], items) = bytes.split_first_chunk::<HEAD_BYTES>()?;
            let (items, []) = items.as_chunks::<16>() else { return None };
            let pair = |item: &[u8; 16]| {
                let number = u128::from_le_bytes(*item);
                (number as u64, (number >> 64) as u64)
            };
            (is_full <= 1 && items.len() <= MOST_ITEMS).then(|| Self {
                is_full: is_full == 1,
                awaited: u64::from_le_bytes(*awaited),
                items: items.iter().map(pair).collect(),
            })
        };
        parse().unwrap_or_default()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.is_full)];
        bytes.extend(self.awaited.to_le_bytes());
        for (name, definition) in &self.items {
            bytes.extend(name.to_le_bytes());
            bytes.extend(definition.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalogue, Changes, HEAD_BYTES, Known, MOST_ITEMS};
    use crate::digest::DigestKey;
    use crate::page::{Item, Page};
    use crate::shared::{InMemory, SharedData};
    use crate::test;
    use std::num::NonZeroU64;

    const SAME: Option<Changes> = Some(Changes { added: 0, changed: 0 });
    const ADDED: Option<Changes> = Some(Changes { added: 1, changed: 0 });
    const CHANGED: Option<Changes> = Some(Changes { added: 0, changed: 1 });

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
        assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), CHANGED, "and back");
        assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), SAME);
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
        assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 16 * MOST_ITEMS);
        for digest in 0..1000 {
            workers.list(0, &[("n0", digest)]);
        }
        assert!(workers.catalogues[0].pages.len() <= super::MOST_PAGES);
    }

    #[test]
    fn ok_anything_but_a_catalogue_is_an_empty_one() {
        let known = Known { is_full: true, awaited: 5, items: [(1, 2), (3, 4)].into_iter().collect() };
        assert_eq!(Known::from_bytes(&known.to_bytes()), known);
        for bytes in [&b""[..], b"x", &[0xff; 25], &[1; 10], &[0; 9 + 16 * (MOST_ITEMS + 1)]] {
            assert_eq!(Known::from_bytes(bytes), Known::default());
        }
        let mut workers = Workers::new();
        workers.shared.write("list", b"foreign", None);
        assert_eq!(workers.list(0, &[("a", 1)]), SAME);
        assert_eq!(workers.list(1, &[("a", 2)]), CHANGED);
    }
}
