//! The tools that one server lists: their names, to count calls of tools that are not listed, and the sizes of their definitions.
//!
//! All workers share three values: the names ([`known_tools`]), the sizes ([`definition_sizes`]), and a number that changes after
//! each change of the other two. A worker has a copy of the names.
//!
//! **What it does not do:** it does not know which client may use which tools. A call counts as unlisted only if no recent list of
//! any client has its tool. If it is not certain which tools are listed, no call counts:
//!
//! - no complete list was seen
//! - a list passed that could not be read (it was compressed in a way that is not read, cut or broken)
//! - the definition of a tool varies ([`super::catalogue`])
//! - a list has more than 512 tools, an item that was not kept, or a name of 1024 bytes and more
//!
//! **Cost:** a call of a tool that the copy has costs no host call. A call of another tool costs a read of the number, and of the
//! names if they changed. Calls of a worker that knows no complete list wait for the next
//! tick, or for 64 calls, because another worker may know one. They count if they ended after that list passed. A tick reads the number once for each server with a complete list or with waiting calls. So a
//! tool that is no longer listed is found within a tick. A list that equals the latest one costs a read of the number; another
//! page a read of names and sizes, and a write of what changed.
//! **Memory:** at most 8 times 512 names of 8 bytes, in each VM and in the shared data; and in the shared data 512 labels with 14
//! bytes each.

mod definition_sizes;
mod known_tools;

use crate::host::{SharedData, Time};
use crate::observation::Page;
use crate::shared_data::{StoredDigest, change_generation, encode, generation, update};
use crate::text::Text;
pub(super) use definition_sizes::Definition;
use definition_sizes::DefinitionSizes;
use known_tools::{KnownTools, Names, ToolPage};

/// How many calls wait at most. If there are more, they do not wait for the tick.
const MAX_WAITING: usize = 64;

/// The lists of one server's tools in this VM.
#[derive(Debug)]
pub(super) struct ToolLists {
    /// The keys in the shared data.
    names_key: String,
    sizes_key: String,
    generation_key: String,
    known: KnownTools,
    /// The number that was read before `known` was.
    generation: Option<u64>,
    /// The digest of the latest page, if it was a whole list.
    latest: Option<u64>,
    /// The tools of calls that ended while this worker knew no complete list, and when they ended.
    waiting: Vec<(StoredDigest, Option<Time>)>,
}

/// A page whose names were added.
#[derive(Debug)]
pub(super) struct AddedPage {
    page: ToolPage,
    /// The number in the shared data before.
    generation: u64,
    /// The names of the list that the page completes.
    complete: Option<Names>,
    /// The stored names changed.
    is_changed: bool,
}

// === impl Definition ===

impl Definition {
    pub(super) fn new(name: &[u8], label: Box<str>, bytes: u32) -> Self {
        Self { name: StoredDigest(Text::digest_of(name)), label, bytes }
    }
}

// === impl ToolLists ===

impl ToolLists {
    /// `key` is the prefix of the keys in the shared data.
    pub(super) fn new(key: &str) -> Self {
        let [names_key, sizes_key, generation_key] =
            ["names", "sizes", "generation"].map(|name| format!("{key}/{name}"));
        Self {
            names_key,
            sizes_key,
            generation_key,
            known: KnownTools::default(),
            generation: None,
            latest: None,
            waiting: Vec::new(),
        }
    }

    /// Finds out whether other workers saw other lists. Returns how many of the waiting calls count.
    pub(super) fn tick(&mut self, shared: &dyn SharedData) -> u64 {
        if !self.known.is_uncertain && (self.known.has_complete_list() || !self.waiting.is_empty()) {
            self.read_if_changed(shared);
        }
        let Self { known, waiting, .. } = self;
        waiting.drain(..).filter(|&(tool, at)| known.counts(tool, at)).count() as u64
    }

    /// A call of the tool with this digest of its name ended. Returns how many calls count now as unlisted. Before the first
    /// complete list, [`Self::tick`] decides that.
    pub(super) fn called(&mut self, tool: u64, at: Option<Time>, shared: &dyn SharedData) -> u64 {
        let tool = StoredDigest(tool);
        if self.known.has_complete_list() || self.generation.is_none() {
            if self.known.has_complete_list() && !self.known.lack(tool) {
                return 0;
            }
            // Another worker may have seen a list with the tool.
            self.read_if_changed(shared);
        }
        if self.known.has_complete_list() || self.known.is_uncertain {
            return u64::from(self.known.counts(tool, at));
        }
        self.waiting.push((tool, at));
        if self.waiting.len() >= MAX_WAITING { self.tick(shared) } else { 0 }
    }

    #[inline(never)]
    fn read_if_changed(&mut self, shared: &dyn SharedData) {
        let generation = generation(shared, &self.generation_key);
        if self.generation != Some(generation) {
            let names = shared.read(&self.names_key);
            self.known = names.map(|names| KnownTools::from_bytes(&names.bytes)).unwrap_or_default();
            self.generation = Some(generation);
            self.latest = None;
        }
    }

    /// A list could not be read, so it is not certain which tools are listed.
    #[inline(never)]
    pub(super) fn miss(&mut self, shared: &dyn SharedData) {
        let known = &mut self.known;
        let is_changed = update(shared, &self.names_key, |bytes| {
            *known = KnownTools::from_bytes(bytes);
            let is_changed = !std::mem::replace(&mut known.is_uncertain, true);
            *bytes = encode(known);
            (is_changed, is_changed)
        });
        self.known.is_uncertain = true;
        if is_changed == Some(true) {
            change_generation(shared, &self.generation_key);
        }
    }

    /// Adds the names of a page; `None` if the page is the latest list already.
    pub(super) fn add(&mut self, page: &Page<'_>, varies: bool, shared: &dyn SharedData) -> Option<AddedPage> {
        let page = ToolPage::of(page);
        let generation = generation(shared, &self.generation_key);
        let is_latest = self.generation == Some(generation) && self.latest == Some(page.digest);
        if page.is_list() && !varies && is_latest {
            return None;
        }
        let (complete, is_changed) = self.add_names(&page, varies, shared);
        Some(AddedPage { page, generation, complete, is_changed })
    }

    /// Adds the definitions of a page whose names were added. Returns the labels whose size changed.
    pub(super) fn add_definitions(
        &mut self,
        added: AddedPage,
        definitions: &[Definition],
        shared: &dyn SharedData,
    ) -> Vec<Box<str>> {
        let AddedPage { page, generation, complete, is_changed } = added;
        let (labels, has_new_sizes) = self.add_sizes(definitions, complete.as_ref(), shared);
        self.generation = Some(generation);
        self.latest = Some(page.digest).filter(|_| page.is_list());
        if is_changed || has_new_sizes {
            let next = generation.wrapping_add(1);
            // With another number, another worker may have changed the values after this one. Then the next call reads the names.
            if change_generation(shared, &self.generation_key) == Some(next) {
                self.generation = Some(next);
            }
        }
        labels
    }

    /// The present sizes of labels, in their order.
    pub(super) fn sizes(&self, labels: &[Box<str>], shared: &dyn SharedData) -> Vec<u64> {
        let value = shared.read(&self.sizes_key);
        let sizes = value.map(|value| DefinitionSizes::from_bytes(&value.bytes)).unwrap_or_default();
        labels.iter().map(|label| sizes.of(label)).collect()
    }

    /// Returns the names of the list that the page completes, and whether the stored names changed.
    fn add_names(&mut self, page: &ToolPage, varies: bool, shared: &dyn SharedData) -> (Option<Names>, bool) {
        let Self { names_key, known, .. } = self;
        let added = update(shared, names_key, |bytes| {
            *known = KnownTools::from_bytes(bytes);
            let complete = known.add(page);
            known.is_uncertain |= varies;
            let is_changed = replace(bytes, encode(known));
            (is_changed, (complete, is_changed))
        });
        added.unwrap_or_else(|| {
            // The write failed, so other workers do not know the page.
            known.is_uncertain = true;
            (None, false)
        })
    }

    /// Returns the labels whose size changed, and whether the stored sizes changed.
    fn add_sizes(
        &self,
        definitions: &[Definition],
        complete: Option<&Names>,
        shared: &dyn SharedData,
    ) -> (Vec<Box<str>>, bool) {
        let added = update(shared, &self.sizes_key, |bytes| {
            let mut sizes = DefinitionSizes::from_bytes(bytes);
            let labels = sizes.add(definitions, complete);
            let is_changed = replace(bytes, encode(&sizes));
            (is_changed, (labels, is_changed))
        });
        added.unwrap_or_default()
    }
}

/// Replaces a value. Returns whether the new one differs.
fn replace(bytes: &mut Vec<u8>, new: Vec<u8>) -> bool {
    let is_changed = *bytes != new;
    *bytes = new;
    is_changed
}

#[cfg(test)]
mod tests;
