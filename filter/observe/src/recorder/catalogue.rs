//! The definitions that a server lists, as digests, to count those that change.
//!
//! A [`Catalogue`] belongs to one server, one list method and one protocol version. All workers share it. It only grows,
//! because a list may differ by caller and by page.
//!
//! | counted | when |
//! |---|---|
//! | `changed` | an item has a definition that it did not have before; a definition that returns does not count again |
//! | `varies` | an item has its fifth definition. Its definition depends on the caller or on the time, so its changes are not counted. It counts once, instead of `changed`, and the item is not followed any more |
//! | `added` | a name appears after the first full list: a page without `nextCursor` that was requested without a cursor, or the last page of such a chain |
//!
//! If a page has a name twice, the second item is ignored.
//!
//! **Cost:** one look-up in this VM for a page that this VM saw before; one per item for another page. A page with an unknown name
//! or definition costs a read of the shared data, and a write if it is unknown to all workers.
//! **Memory:** at most 512 items with 17 bytes for one definition and 41 for four: 9 to 21 KiB per server, method and
//! protocol version in the shared data, and up to 37 KiB in each VM. More items are not followed.

mod known_definitions;

use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::observation::Page;
use crate::shared_data::{StoredDigest, encode, update};
use known_definitions::KnownDefinitions;
use rustc_hash::FxHashSet;

/// How many pages are recognised as a whole at most.
const MAX_PAGES: usize = 64;

/// How many items of a page count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) varies: u32,
}

/// The definitions of one list of one server in this VM.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// The key in the shared data.
    key: String,
    known: KnownDefinitions,
    /// Digests of pages that were compared before.
    pages: FxHashSet<u64>,
}

// === impl Catalogue ===

impl Catalogue {
    pub(crate) fn new(key: String) -> Self {
        Self { key, known: KnownDefinitions::default(), pages: FxHashSet::default() }
    }

    /// What is new in a page; `None` if this VM saw the page before.
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
        let items = page.items.iter();
        let items = items.map(|item| (StoredDigest(digest_key.digest(&item.name)), StoredDigest(item.digest)));
        let items: Vec<_> = items.filter(|(name, _)| names.insert(*name)).collect();
        let Self { key, known, .. } = self;
        if known.has_news(page, &items) {
            let found = update(shared, key, |bytes| {
                *known = KnownDefinitions::from_bytes(bytes);
                let is_news = known.has_news(page, &items);
                let changes = known.add(page, &items);
                if is_news {
                    *bytes = encode(known);
                }
                (is_news, changes)
            });
            let Some(changes) = found else {
                // The write failed, so other workers do not know it.
                *known = KnownDefinitions::default();
                return Some(Changes::default());
            };
            self.remember(page);
            return Some(changes);
        }
        self.remember(page);
        Some(Changes::default())
    }

    fn remember(&mut self, page: &Page<'_>) {
        if self.pages.len() >= MAX_PAGES {
            self.pages.clear();
        }
        self.pages.insert(self.page_digest(page));
    }

    /// Identifies a page. A server may send another cursor each time, so cursors are included only until the first full list.
    fn page_digest(&self, page: &Page<'_>) -> u64 {
        if self.known.is_full { page.digest() } else { page.digest_with_cursors() }
    }
}

#[cfg(test)]
mod tests;
