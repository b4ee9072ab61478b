//! The resources and resource templates that a server listed: the label of a `resources/read` is one of them.
//!
//! URIs are compared and shown without userinfo, query and fragment ([`resource::plain`]). The workers share two values per
//! server: all entries, and a generation number, which changes whenever the entries change.
//!
//! **Cost:** a URI that is known, or that matches a known template, costs look-ups in this VM; a template costs about one
//! step per byte of the URI. An unknown URI costs a read of the generation number, and a read of the entries once per
//! change.
//! **Memory:** at most `limits.resource_uris` entries of 11 + 256 bytes, and two bytes, per server in the shared data, 26 KiB for 100,
//! and as much in each VM. Further entries are ignored.

use crate::config::MAX_LABEL_BYTES;
use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::label::clean;
use crate::label::resource;
use crate::label::template::Template;
use crate::shared_data::{StoredDigest, change_generation, decode, encode, generation, update};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

/// A URI or a URI template that the server listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    is_template: bool,
    /// The digest of the whole text.
    digest: StoredDigest,
    /// The first [`MAX_LABEL_BYTES`] of it at most.
    text: Vec<u8>,
}

/// The listed resources of one server in this VM.
#[derive(Debug)]
pub(crate) struct ListedResources {
    /// The key of the entries in the shared data.
    key: String,
    /// The key of the generation number.
    generation_key: String,
    generation: u64,
    limit: usize,
    label_bytes: usize,
    digest_key: DigestKey,
    known: FxHashSet<StoredDigest>,
    uris: FxHashMap<StoredDigest, Box<str>>,
    templates: Vec<(Template, Box<str>)>,
}

// === impl ListedResources ===

impl ListedResources {
    pub(crate) fn new(key: String, limit: u16, label_bytes: usize, digest_key: DigestKey) -> Self {
        Self {
            generation_key: format!("{key}/generation"),
            key,
            generation: 0,
            limit: limit.into(),
            label_bytes,
            digest_key,
            known: FxHashSet::default(),
            uris: FxHashMap::default(),
            templates: Vec::new(),
        }
    }

    /// Adds listed URIs, or URI templates.
    pub(crate) fn add<'a>(
        &mut self,
        names: impl Iterator<Item = &'a [u8]>,
        is_template: bool,
        shared: &dyn SharedData,
    ) {
        let listed = names.filter_map(|name| self.entry(name, is_template));
        let new: Vec<Entry> = listed.filter(|entry| !self.known.contains(&entry.digest)).collect();
        if new.is_empty() || self.known.len() >= self.limit {
            return;
        }
        let limit = self.limit;
        let entries = update(shared, &self.key, |bytes| {
            let mut entries = entries(bytes);
            let before = entries.len();
            for entry in &new {
                if entries.len() < limit && !entries.contains(entry) {
                    entries.push(entry.clone());
                }
            }
            *bytes = encode(&entries);
            (entries.len() > before, entries)
        });
        self.insert(&entries.unwrap_or_default());
        // Written after the entries, so that a worker that sees the new generation finds them. This VM does not store the
        // new generation, because another worker may have written between the two.
        change_generation(shared, &self.generation_key);
    }

    /// The label of a URI that was listed or that matches a listed template.
    pub(crate) fn label(&mut self, uri: &[u8], shared: &dyn SharedData) -> Option<Box<str>> {
        let uri = resource::plain(uri, false)?;
        let digest = StoredDigest(self.digest_key.digest(&uri));
        let found = self.find(&uri, digest);
        if found.is_some() {
            return found;
        }
        let current = generation(shared, &self.generation_key);
        if current == self.generation {
            return None;
        }
        self.generation = current;
        let entries = shared.read(&self.key).map(|value| entries(&value.bytes));
        self.insert(&entries.unwrap_or_default());
        self.find(&uri, digest)
    }

    /// The label of a listed URI or template, if it is known.
    pub(crate) fn listed(&self, name: &[u8], is_template: bool) -> Option<Box<str>> {
        let entry = self.entry(name, is_template).filter(|entry| self.known.contains(&entry.digest))?;
        Some(clean(&entry.text, self.label_bytes).into_boxed_str())
    }

    fn find(&self, uri: &[u8], digest: StoredDigest) -> Option<Box<str>> {
        let by_template = || self.templates.iter().find(|(template, _)| template.matches(uri)).map(|(_, label)| label);
        self.uris.get(&digest).or_else(by_template).cloned()
    }

    fn entry(&self, name: &[u8], is_template: bool) -> Option<Entry> {
        let text = resource::plain(name, is_template)?;
        // A template that was cut would match other URIs.
        if is_template && text.len() > MAX_LABEL_BYTES {
            return None;
        }
        let digest = StoredDigest(self.digest_key.digest(&text));
        Some(Entry { is_template, digest, text: text.into_iter().take(MAX_LABEL_BYTES).collect() })
    }

    fn insert(&mut self, entries: &[Entry]) {
        for Entry { is_template, digest, text } in entries {
            if self.known.len() >= self.limit || !self.known.insert(*digest) {
                continue;
            }
            let label = clean(text, self.label_bytes).into_boxed_str();
            if *is_template {
                self.templates.push((Template::new(text), label));
            } else {
                self.uris.insert(*digest, label);
            }
        }
    }
}

/// The entries in a value of the shared data; none if it is not such a value.
fn entries(bytes: &[u8]) -> Vec<Entry> {
    let entries: Vec<Entry> = decode(bytes);
    if entries.iter().all(|entry| entry.text.len() <= MAX_LABEL_BYTES) { entries } else { Vec::new() }
}

#[cfg(test)]
mod tests;
