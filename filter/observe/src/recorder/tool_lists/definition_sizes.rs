//! The sizes of the definitions in the latest list of one server's tools.

use super::known_tools::Names;
use crate::shared_data::{StoredDigest, decode};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

/// How many definitions are kept at most. Further tools have no size.
const MAX_DEFINITIONS: usize = 512;

/// The definition of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::recorder) struct Definition {
    /// The digest of the whole name.
    pub(super) name: StoredDigest,
    pub(in crate::recorder) label: Box<str>,
    pub(super) bytes: u32,
}

/// The definitions that the latest lists have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DefinitionSizes(Vec<Definition>);

// === impl DefinitionSizes ===

impl DefinitionSizes {
    /// The sizes in a value of the shared data; none if it is not such a value.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let sizes: Self = decode(bytes);
        if sizes.0.len() <= MAX_DEFINITIONS { sizes } else { Self::default() }
    }

    /// Adds the definitions of a page. If it completes a list, definitions that the list lacks are removed. Returns the labels
    /// whose size changed.
    pub(super) fn add(&mut self, listed: &[Definition], complete: Option<&Names>) -> Vec<Box<str>> {
        let before = std::mem::take(self);
        let mut names = FxHashSet::default();
        // If a page has a name twice, the second item is ignored.
        let listed: Vec<_> = listed.iter().filter(|definition| names.insert(definition.name)).collect();
        let is_kept = |old: &&Definition| {
            !names.contains(&old.name) && complete.is_none_or(|complete| complete.contains(old.name))
        };
        let kept = before.0.iter().filter(is_kept);
        self.0 = kept.chain(listed).take(MAX_DEFINITIONS).cloned().collect();
        // The order does not depend on that of the pages.
        self.0.sort_unstable_by_key(|definition| definition.name);
        let (old, new) = (before.by_label(), self.by_label());
        let labels: FxHashSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let changed = labels.into_iter().filter(|label| old.get(label) != new.get(label));
        changed.map(Box::from).collect()
    }

    /// The size of each label. Names that have the same label are added up.
    pub(super) fn by_label(&self) -> FxHashMap<&str, u64> {
        let mut sizes = FxHashMap::default();
        for definition in &self.0 {
            *sizes.entry(&*definition.label).or_default() += u64::from(definition.bytes);
        }
        sizes
    }
}
