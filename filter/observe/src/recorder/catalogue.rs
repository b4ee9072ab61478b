//! What a server offers, remembered by digest, so that a definition which changes under its name is noticed.
//!
//! A [`Catalogue`] holds the digests of what each item was defined as, for one server, one list method and one protocol version; the
//! workers share it. Names and definitions are only ever added: a list may differ by who asks and by page.
//!
//! - `changed`: an item shows a definition that was not seen of it before. A definition that comes back is no news.
//! - `varies`: an item shows a fifth. It depends on who asks, or on the time, so its changes mean
//!   nothing: this is counted once, in place of `changed`, and the item is not followed any more.
//! - `added`: a name appears after the first full list, a page without `nextCursor` that was asked for without a cursor, or at
//!   the end of such a chain.
//!
//! A name that stands twice in one page counts by its first place.
//!
//! **Cost:** a page that this worker saw before costs a look-up in this VM, one without news a look-up per item; with news for
//! this worker a read of the catalogue, and a write where it is news for all.
//! **Memory:** at most 512 items with 17 bytes for one definition and 41 for four, so 9 to 21 KiB per server, method
//! and protocol version in the shared data, and up to 37 KiB in each VM. Items beyond that are not followed.

mod known;

use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::observation::Page;
use crate::shared_data::update;
use known::Known;
use rustc_hash::FxHashSet;

/// Most pages that are recognised as a whole.
const MAX_PAGES: usize = 64;

/// How many items of a page are news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: u32,
    pub(crate) changed: u32,
    pub(crate) varies: u32,
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
        if self.pages.len() >= MAX_PAGES {
            self.pages.clear();
        }
        self.pages.insert(self.page_digest(page));
    }

    /// Cursors, which servers may make up anew each time, matter only until a full list was seen.
    fn page_digest(&self, page: &Page<'_>) -> u64 {
        if self.known.is_full { page.digest() } else { page.place_digest() }
    }
}

#[cfg(test)]
mod tests;
