use super::ListedResources;
use crate::config::MAX_LABEL_BYTES;
use crate::digest::DigestKey;
use crate::host::{SharedData, Versioned};
use crate::shared_data::InMemory;
use crate::test;
use std::cell::RefCell;

/// Shared data that keeps the keys of its reads.
#[derive(Default)]
struct Recorded {
    data: InMemory,
    reads: RefCell<Vec<String>>,
}

impl SharedData for Recorded {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.reads.borrow_mut().push(key.to_owned());
        self.data.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        self.data.write(key, value, version)
    }
}

fn worker(limit: u16) -> ListedResources {
    ListedResources::new("resources".to_owned(), limit, 128, DigestKey::default())
}

fn add(worker: &mut ListedResources, names: &[&str], is_template: bool, shared: &dyn SharedData) {
    worker.add(names.iter().map(|name| name.as_bytes()), is_template, shared);
}

#[test]
fn label_is_the_listed_form_without_secrets() {
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
fn workers_share_entries_with_few_reads() {
    let shared = Recorded::default();
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
fn memory_is_bounded() {
    let shared = Recorded::default();
    let [mut one, mut two] = [worker(10), worker(10)];
    let long = "x".repeat(2000);
    for index in 0..1000 {
        add(&mut one, &[&format!("a{long}://{index}"), &format!("a://{index}/{long}")], false, &shared);
        add(&mut two, &[&format!("b://{index}/{{x}}/{long}")], true, &shared);
    }
    let keys = "resources".len() + "resources/generation".len();
    // Each number takes five bytes at most.
    assert!(shared.data.size() <= keys + 2 * 5 + 10 * (11 + MAX_LABEL_BYTES), "{}", shared.data.size());
    shared.reads.take();
    add(&mut one, &["a://more"], false, &shared);
    assert_eq!(shared.reads.take(), [""; 0]);
    assert!(one.label(format!("a://3/{long}").as_bytes(), &shared).is_some_and(|label| label.len() == 128));
}

#[test]
fn foreign_bytes_are_no_entries() {
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
