//! The resources that a server listed, so that a read can be shown under the URI or the template that it was listed as.
//!
//! URIs are compared without userinfo, query and fragment ([`resource::plain`]), and never shown with them. The workers
//! share one value per server with all that was listed, and a small one that is another after each change of it.
//!
//! **Cost:** a URI that is known by itself or by a template costs look-ups in this VM, a template about as many steps as the
//! URI has bytes. One that is not known costs a read of the small value, and a read of the large one once per change.
//! **Memory:** at most `limits.resource_uris` entries of 11 and 256 bytes, 26 KiB for 100, per server; likewise
//! in this VM. What is listed beyond that is not known.

use crate::config::MAX_LABEL_BYTES;
use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::label::clean;
use crate::label::resource;
use crate::label::template::Template;
use crate::shared_data::update;
use rustc_hash::{FxHashMap, FxHashSet};

/// Something that was listed.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    is_template: bool,
    /// Of the whole text.
    digest: u64,
    /// At most [`MAX_LABEL_BYTES`] of it.
    text: Vec<u8>,
}

/// The resources of one server, as this VM knows them.
#[derive(Debug)]
pub(crate) struct Published {
    /// Where they are in the shared data.
    key: String,
    /// Where it says that they changed.
    generation_key: String,
    generation: u32,
    limit: usize,
    label_bytes: usize,
    digest_key: DigestKey,
    known: FxHashSet<u64>,
    uris: FxHashMap<u64, Box<str>>,
    templates: Vec<(Template, Box<str>)>,
}

// === impl Published ===

impl Published {
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

    /// The server listed these URIs, or URI templates.
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
            let mut entries = Entry::all_from_bytes(bytes);
            let before = entries.len();
            for entry in &new {
                if entries.len() < limit && !entries.contains(entry) {
                    entries.push(entry.clone());
                }
            }
            *bytes = entries.iter().flat_map(Entry::to_bytes).collect();
            (entries.len() > before, entries)
        });
        self.learn(&entries.unwrap_or_default());
        // After the entries, so that who sees the new generation finds them. Not taken over here: another worker may have
        // written in between.
        update(shared, &self.generation_key, |bytes| {
            *bytes = generation(bytes).wrapping_add(1).to_le_bytes().to_vec();
            (true, ())
        });
    }

    /// The label of a URI that was listed, or that matches a listed template.
    pub(crate) fn label(&mut self, uri: &[u8], shared: &dyn SharedData) -> Option<Box<str>> {
        let uri = resource::plain(uri, false)?;
        let digest = self.digest_key.digest(&uri);
        let found = self.find(&uri, digest);
        if found.is_some() {
            return found;
        }
        let current = shared.read(&self.generation_key).map_or(0, |value| generation(&value.bytes));
        if current == self.generation {
            return None;
        }
        self.generation = current;
        let entries = shared.read(&self.key).map(|value| Entry::all_from_bytes(&value.bytes));
        self.learn(&entries.unwrap_or_default());
        self.find(&uri, digest)
    }

    /// The label of something that was listed, if it is known.
    pub(crate) fn listed(&self, name: &[u8], is_template: bool) -> Option<Box<str>> {
        let entry = self.entry(name, is_template).filter(|entry| self.known.contains(&entry.digest))?;
        Some(clean(&entry.text, self.label_bytes).into_boxed_str())
    }

    fn find(&self, uri: &[u8], digest: u64) -> Option<Box<str>> {
        let by_template = || self.templates.iter().find(|(template, _)| template.matches(uri)).map(|(_, label)| label);
        self.uris.get(&digest).or_else(by_template).cloned()
    }

    fn entry(&self, name: &[u8], is_template: bool) -> Option<Entry> {
        let text = resource::plain(name, is_template)?;
        // A template that was cut would match what it does not mean.
        if is_template && text.len() > MAX_LABEL_BYTES {
            return None;
        }
        let digest = self.digest_key.digest(&text);
        Some(Entry { is_template, digest, text: text.into_iter().take(MAX_LABEL_BYTES).collect() })
    }

    fn learn(&mut self, entries: &[Entry]) {
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

/// How often the entries changed; anything but four bytes is as good as nothing.
fn generation(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

// === impl Entry ===

impl Entry {
    fn to_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![u8::from(self.is_template)];
        bytes.extend(self.digest.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(&self.text);
        bytes
    }

    /// Anything that is not a row of entries is none.
    fn all_from_bytes(mut bytes: &[u8]) -> Vec<Self> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let Some((entry, rest)) = Self::from_bytes(bytes) else { return Vec::new() };
            entries.push(entry);
            bytes = rest;
        }
        entries
    }

    fn from_bytes(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&kind, rest) = bytes.split_first()?;
        let (digest, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let entry = Self { is_template: kind == 1, digest: u64::from_le_bytes(*digest), text: text.to_vec() };
        (kind <= 1 && text.len() <= MAX_LABEL_BYTES).then_some((entry, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::Published;
    use crate::config::MAX_LABEL_BYTES;
    use crate::digest::DigestKey;
    use crate::host::{SharedData, Versioned};
    use crate::shared_data::InMemory;
    use crate::test;
    use std::cell::RefCell;

    /// Shared data that writes down what is read.
    #[derive(Default)]
    struct Watched {
        data: InMemory,
        reads: RefCell<Vec<String>>,
    }

    impl SharedData for Watched {
        fn read(&self, key: &str) -> Option<Versioned> {
            self.reads.borrow_mut().push(key.to_owned());
            self.data.read(key)
        }

        fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
            self.data.write(key, value, version)
        }
    }

    fn worker(limit: u16) -> Published {
        Published::new("resources".to_owned(), limit, 128, DigestKey::default())
    }

    fn add(worker: &mut Published, names: &[&str], is_template: bool, shared: &dyn SharedData) {
        worker.add(names.iter().map(|name| name.as_bytes()), is_template, shared);
    }

    #[test]
    fn ok_labels_are_what_was_listed_and_nothing_secret() {
        let shared = InMemory::default();
        let mut worker = worker(100);
        add(&mut worker, &["file:///a/b?token=1", "DB://me:secret@host:1/t", "no scheme"], false, &shared);
        add(&mut worker, &["users://{user_id}/profile{?verbose}", "git://{+path}", "{+all}"], true, &shared);
        for (uri, label) in [
            ("file:///a/b", Some("file:///a/b")),
            ("file:///a/b?token=2#x", Some("file:///a/b")),
            ("db://you@host:1/t", Some("db://host:1/t")),
            ("users://42/profile?verbose=1", Some("users://{user_id}/profile")),
            ("users://me:secret@42/profile", Some("users://{user_id}/profile")),
            ("users://42/43/profile", None),
            ("git://a/b/c", Some("git://{+path}")),
            ("file:///a", None),
            ("no scheme", None),
        ] {
            assert_eq!(worker.label(uri.as_bytes(), &shared).as_deref(), label, "{uri}");
        }
    }

    #[test]
    fn ok_another_worker_knows_them_and_asks_no_more_than_it_must() {
        let shared = Watched::default();
        let [mut one, mut two] = [worker(100), worker(100)];
        add(&mut one, &["a://1"], false, &shared);
        shared.reads.take();
        assert_eq!(two.label(b"a://1", &shared).as_deref(), Some("a://1"));
        assert_eq!(shared.reads.take(), ["resources/generation", "resources"]);
        assert_eq!(two.label(b"a://1", &shared).as_deref(), Some("a://1"));
        assert_eq!(shared.reads.take(), [""; 0]);
        assert_eq!(two.label(b"a://2", &shared), None);
        assert_eq!(shared.reads.take(), ["resources/generation"]);
        add(&mut one, &["a://1", "a://2"], false, &shared);
        shared.reads.take();
        assert_eq!(two.label(b"a://2", &shared).as_deref(), Some("a://2"));
        assert_eq!(shared.reads.take(), ["resources/generation", "resources"]);
        add(&mut two, &["a://2", "a://1"], false, &shared);
        assert_eq!(shared.reads.take(), [""; 0], "nothing new");
    }

    #[test]
    fn ok_bounded() {
        let shared = Watched::default();
        let [mut one, mut two] = [worker(10), worker(10)];
        let long = "x".repeat(2000);
        for index in 0..1000 {
            add(&mut one, &[&format!("a{long}://{index}"), &format!("a://{index}/{long}")], false, &shared);
            add(&mut two, &[&format!("b://{index}/{{x}}/{long}")], true, &shared);
        }
        let keys = "resources".len() + "resources/generation".len() + 4;
        assert!(shared.data.size() <= keys + 10 * (11 + MAX_LABEL_BYTES), "{}", shared.data.size());
        shared.reads.take();
        add(&mut one, &["a://more"], false, &shared);
        assert_eq!(shared.reads.take(), [""; 0]);
        assert!(one.label(format!("a://3/{long}").as_bytes(), &shared).is_some_and(|label| label.len() == 128));
    }

    #[test]
    fn ok_anything_but_entries_is_none() {
        for foreign in [&b"x"[..], &[0xff; 500], &[0; 11], &[1; 300]] {
            let shared = InMemory::default();
            shared.write("resources", foreign, None);
            shared.write("resources/generation", foreign, None);
            let [mut one, mut two] = [worker(10), worker(10)];
            assert_eq!(one.label(b"a://1", &shared), None);
            add(&mut one, &["a://1"], false, &shared);
            assert_eq!(two.label(b"a://1", &shared).as_deref(), Some("a://1"));
        }
    }
}
