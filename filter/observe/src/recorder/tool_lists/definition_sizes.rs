//! The sizes of the definitions in the latest list of one server's tools.

use super::known_tools::Names;
use crate::shared_data::{StoredDigest, decode};
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

    /// Adds the definitions of a page. If it completes a list, definitions that the list lacks are removed. If a page has a name
    /// twice, the second item is ignored. Returns the labels of the definitions that changed.
    ///
    /// A page has few definitions, so a hash table or a sort would only add 10 KB to the module.
    pub(super) fn add(&mut self, listed: &[Definition], complete: Option<&Names>) -> Vec<Box<str>> {
        let mut changed: Vec<Box<str>> = Vec::new();
        self.0.retain(|old| {
            let is_kept = match find(listed, old.name) {
                Some(new) => new == old,
                None => complete.is_none_or(|complete| complete.contains(old.name)),
            };
            if !is_kept {
                changed.push(old.label.clone());
            }
            is_kept
        });
        for new in listed {
            if self.0.len() < MAX_DEFINITIONS && find(&self.0, new.name).is_none() {
                self.0.push(new.clone());
                if !changed.contains(&new.label) {
                    changed.push(new.label.clone());
                }
            }
        }
        changed
    }

    /// The size of a label. Names that have the same label are added up.
    pub(super) fn of(&self, label: &str) -> u64 {
        let definitions = self.0.iter().filter(|definition| &*definition.label == label);
        definitions.map(|definition| u64::from(definition.bytes)).sum()
    }
}

fn find(definitions: &[Definition], name: StoredDigest) -> Option<&Definition> {
    definitions.iter().find(|definition| definition.name == name)
}
