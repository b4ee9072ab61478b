//! The names of the tools in the latest lists of one server, as digests, and which lists are complete.
//!
//! | page | what happens |
//! |---|---|
//! | without cursor and without `nextCursor` | it is a complete list |
//! | with `nextCursor` | its chain waits for a page with this cursor |
//! | with an awaited cursor | it continues the chain; without `nextCursor`, the list is complete |
//! | with another cursor | the start of its chain was not seen, so it completes no list. Its names are added to the latest list |
//!
//! Pages do not tell which client they are for. If two clients get different pages with the same `nextCursor`, their chains
//! become one, with the names of both. So a list may have too many names, but it never lacks one.

use crate::digest::combine;
use crate::host::Time;
use crate::observation::Page;
use crate::read::reader::NAME_BYTES;
use crate::shared_data::{StoredDigest, decode};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// How many different complete lists are kept.
const MAX_LISTS: usize = 4;
/// How many chains wait for their next page at most. If there are more, the oldest one completes no list.
const MAX_CHAINS: usize = 4;
/// How many names a list has at most; with more, calls are not counted any more.
pub(super) const MAX_NAMES: usize = 512;

/// The digests of names, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Names(Vec<StoredDigest>);

/// One page of a list of tools.
#[derive(Clone, Debug)]
pub(super) struct ToolPage {
    names: Names,
    /// All names of the page are in `names`.
    is_whole: bool,
    cursor: Option<NonZeroU64>,
    next_cursor: Option<NonZeroU64>,
    at: Time,
    /// Digest of the names and sizes of the items.
    pub(super) digest: u64,
}

/// The pages so far of a list that is not complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    /// The digest of the next page's cursor.
    awaited: StoredDigest,
    /// How many different pages have this `nextCursor`: so many clients may still send the cursor.
    clients: u32,
    names: Names,
}

/// What all workers know of the tools that one server lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct KnownTools {
    /// It is not known which names are listed: a definition varies, or a list is too long.
    pub(super) is_uncertain: bool,
    /// When the first complete list passed.
    pub(super) complete_since: Option<Time>,
    /// The last different lists, the latest first.
    lists: Vec<Names>,
    /// The oldest first.
    chains: Vec<Chain>,
}

// === impl Names ===

impl Names {
    /// A sort would add 3 KB to the module. A list has so few names that it is not faster.
    fn insert(&mut self, name: StoredDigest) {
        if let Err(at) = self.0.binary_search(&name) {
            self.0.insert(at, name);
        }
    }

    pub(super) fn contains(&self, name: StoredDigest) -> bool {
        self.0.binary_search(&name).is_ok()
    }

    fn contains_all(&self, names: &Self) -> bool {
        names.0.iter().all(|&name| self.contains(name))
    }

    fn insert_all(&mut self, others: &Self) {
        others.0.iter().for_each(|&name| self.insert(name));
    }
}

// === impl ToolPage ===

impl ToolPage {
    pub(super) fn of(page: &Page<'_>) -> Self {
        // The rest of a longer name is not known.
        let is_cut = page.items.iter().any(|item| item.name.len() >= NAME_BYTES);
        let mut names = Names::default();
        let mut digest = 0;
        for item in page.items {
            let name = Text::digest_of(&item.name);
            digest = combine(combine(digest, name), item.bytes.into());
            names.insert(StoredDigest(name));
        }
        Self {
            digest,
            names,
            is_whole: page.is_whole && !is_cut && page.items.len() <= MAX_NAMES,
            cursor: page.cursor,
            next_cursor: page.next_cursor,
            at: page.at,
        }
    }

    /// Whether the page is a whole list.
    pub(super) fn is_list(&self) -> bool {
        self.cursor.is_none() && self.next_cursor.is_none()
    }
}

// === impl KnownTools ===

impl KnownTools {
    /// The tools in a value of the shared data; none if it is not such a value.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let known: Self = decode(bytes);
        let names = known.lists.iter().chain(known.chains.iter().map(|chain| &chain.names));
        let is_bounded = known.lists.len() <= MAX_LISTS && known.chains.len() <= MAX_CHAINS;
        if is_bounded && names.into_iter().all(|names| names.0.len() <= MAX_NAMES) { known } else { Self::default() }
    }

    /// Whether it is certain that no list has this name.
    pub(super) fn lack(&self, name: StoredDigest) -> bool {
        let is_listed = || self.all_names().any(|names| names.contains(name));
        self.has_complete_list() && !self.is_uncertain && !is_listed()
    }

    pub(super) fn has_complete_list(&self) -> bool {
        self.complete_since.is_some()
    }

    /// Whether a call of this tool counts as unlisted: it ended after the first complete list. `at` is `None` for calls that a
    /// tick ended.
    pub(super) fn counts(&self, tool: StoredDigest, at: Option<Time>) -> bool {
        let is_later = at.is_none_or(|at| self.complete_since.is_some_and(|since| at >= since));
        is_later && self.lack(tool)
    }

    fn all_names(&self) -> impl Iterator<Item = &Names> {
        self.lists.iter().chain(self.chains.iter().map(|chain| &chain.names))
    }

    /// Adds a page. Returns the names of the list that it completes.
    pub(super) fn add(&mut self, page: &ToolPage) -> Option<Names> {
        let before = page.cursor.map_or_else(|| Some(Names::default()), |cursor| self.continued(cursor));
        let is_continued = before.is_some();
        let mut names = before.unwrap_or_default();
        names.insert_all(&page.names);
        if !page.is_whole || names.0.len() > MAX_NAMES {
            self.is_uncertain = true;
            return None;
        }
        match page.next_cursor {
            _ if !is_continued => self.add_to_latest(&names),
            Some(next) => self.wait(next, names),
            None => {
                self.complete(names.clone(), page.at);
                return Some(names);
            }
        }
        None
    }

    /// The names of the chain that waits for this cursor.
    fn continued(&mut self, cursor: NonZeroU64) -> Option<Names> {
        let index = self.chains.iter().position(|chain| chain.awaited.0 == cursor.get())?;
        let chain = self.chains.get_mut(index)?;
        chain.clients = chain.clients.saturating_sub(1);
        if chain.clients == 0 { Some(self.chains.remove(index).names) } else { Some(chain.names.clone()) }
    }

    /// A chain waits for its next page.
    fn wait(&mut self, next: NonZeroU64, names: Names) {
        let awaited = StoredDigest(next.get());
        let Some(chain) = self.chains.iter_mut().find(|chain| chain.awaited == awaited) else {
            self.chains.push(Chain { awaited, clients: 1, names });
            if self.chains.len() > MAX_CHAINS {
                let oldest = self.chains.remove(0).names;
                self.add_to_latest(&oldest);
            }
            return;
        };
        if chain.names == names {
            return;
        }
        chain.clients += 1;
        chain.names.insert_all(&names);
        if chain.names.0.len() > MAX_NAMES {
            self.is_uncertain = true;
            self.chains.retain(|chain| chain.awaited != awaited);
        }
    }

    fn complete(&mut self, names: Names, at: Time) {
        self.complete_since.get_or_insert(at);
        self.lists.retain(|list| *list != names);
        self.lists.insert(0, names);
        self.lists.truncate(MAX_LISTS);
    }

    /// Adds names to the latest list, which then counts as another list.
    fn add_to_latest(&mut self, names: &Names) {
        if self.all_names().any(|list| list.contains_all(names)) {
            return;
        }
        let Some(latest) = self.lists.first_mut() else { return self.lists.push(names.clone()) };
        latest.insert_all(names);
        if latest.0.len() > MAX_NAMES {
            self.is_uncertain = true;
            self.lists.clear();
        }
    }
}
