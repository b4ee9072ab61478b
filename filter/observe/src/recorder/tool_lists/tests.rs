//! Lists of several workers.

mod pages;
mod random;
mod sizes;
mod uncounted;

use super::known_tools::KnownTools;
use super::{Definition, MAX_WAITING, ToolLists};
use crate::host::{SharedData as _, Time};
use crate::observation::Page;
use crate::read::message::Item;
use crate::shared_data::{InMemory, encode};
use crate::test;
use crate::text::Text;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

struct Workers {
    shared: InMemory,
    lists: [ToolLists; 2],
    clock: Clock,
}

/// Each time is later than the one before.
#[derive(Default)]
struct Clock(Cell<u64>);

impl Clock {
    fn next(&self) -> Time {
        self.0.set(self.0.get() + 1);
        Time(self.0.get())
    }
}

impl Workers {
    fn new() -> Self {
        Self { shared: InMemory::default(), clock: Clock::default(), lists: [0, 1].map(|_| ToolLists::new("tools")) }
    }

    /// A page of names with their sizes. Returns the sizes that changed.
    fn page(
        &mut self,
        worker: usize,
        tools: &[(&str, u32)],
        cursor: Option<u64>,
        next_cursor: Option<u64>,
    ) -> BTreeMap<String, u64> {
        self.page_that(worker, tools, cursor, next_cursor, true, false)
    }

    fn page_that(
        &mut self,
        worker: usize,
        tools: &[(&str, u32)],
        cursor: Option<u64>,
        next_cursor: Option<u64>,
        is_whole: bool,
        varies: bool,
    ) -> BTreeMap<String, u64> {
        let digest = |name: &str| Text::digest_of(name.as_bytes());
        let item = |&(name, bytes): &(&str, u32)| Item { name: name.as_bytes().into(), digest: digest(name), bytes };
        let items: Vec<Item> = tools.iter().map(item).collect();
        let page = Page {
            items: &items,
            is_whole,
            cursor: cursor.and_then(NonZeroU64::new),
            next_cursor: next_cursor.and_then(NonZeroU64::new),
            at: self.clock.next(),
        };
        let lists = &mut self.lists[worker];
        let Some(added) = lists.add(&page, varies, &self.shared) else { return BTreeMap::new() };
        // Two names that differ in a character that labels do not have get the same label.
        let definition = |&(name, bytes): &(&str, u32)| {
            Definition::new(name.as_bytes(), name.replace(' ', "_").into_boxed_str(), bytes)
        };
        let definitions: Vec<_> = tools.iter().map(definition).collect();
        let labels = lists.add_definitions(added, &definitions, &self.shared);
        let sizes = lists.sizes(&labels, &self.shared);
        labels.iter().map(|label| label.to_string()).zip(sizes).collect()
    }

    fn list(&mut self, worker: usize, names: &[&str]) {
        self.page(worker, &names.iter().map(|name| (*name, 1)).collect::<Vec<_>>(), None, None);
    }

    /// A call of a tool ends. Returns how many calls count at once.
    fn call(&mut self, worker: usize, name: &str) -> u64 {
        let at = Some(self.clock.next());
        self.lists[worker].called(Text::digest_of(name.as_bytes()), at, &self.shared)
    }

    /// Whether a call counts: at once, or with the next tick if the worker knows no list.
    fn is_unlisted(&mut self, worker: usize, name: &str) -> bool {
        let has_list = self.lists[worker].known.has_complete_list();
        self.call(worker, name) > 0 || (!has_list && self.lists[worker].tick(&self.shared) > 0)
    }

    /// Returns how many waiting calls each worker counts.
    fn tick(&mut self) -> [u64; 2] {
        let Self { shared, lists, .. } = self;
        lists.each_mut().map(|lists| lists.tick(shared))
    }

    /// Whether both workers count the call.
    fn unlisted(&mut self, name: &str) -> bool {
        let found = [0, 1].map(|worker| self.is_unlisted(worker, name));
        assert_eq!(found[0], found[1], "{name}");
        found[0]
    }
}

fn sizes<const N: usize>(sizes: [(&str, u64); N]) -> BTreeMap<String, u64> {
    sizes.map(|(label, size)| (label.to_owned(), size)).into()
}

#[test]
fn call_before_a_complete_list_is_not_counted() {
    let mut workers = Workers::new();
    assert!(!workers.unlisted("x"));
    workers.page(0, &[("a", 1)], None, Some(7));
    assert!(!workers.unlisted("x"), "one page is no complete list");
    assert_eq!(workers.call(0, "x"), 0);
    workers.list(0, &["a"]);
    assert_eq!(workers.tick(), [0, 0], "the worker knows that the call ended before");
}

#[test]
fn first_list_of_another_worker_counts_with_the_tick() {
    let mut workers = Workers::new();
    workers.call(1, "before");
    workers.tick();
    workers.list(0, &["a"]);
    for name in ["x", "a", "y"] {
        assert_eq!(workers.call(1, name), 0);
    }
    workers.list(1, &["a"]);
    assert_eq!(workers.tick(), [0, 2]);
    assert_eq!(workers.tick(), [0, 0]);
    assert_eq!(workers.call(1, "x"), 1);
}

#[test]
fn call_before_the_first_list_of_another_worker_is_not_counted() {
    let mut workers = Workers::new();
    workers.call(1, "x");
    workers.list(0, &["a"]);
    workers.call(1, "y");
    assert_eq!(workers.tick(), [0, 1], "only the call after the list counts");
}

#[test]
fn worker_that_starts_later_knows_the_lists() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    assert_eq!([workers.call(1, "x"), workers.call(1, "a")], [1, 0]);
}

#[test]
fn calls_that_wait_are_bounded() {
    let mut workers = Workers::new();
    workers.call(1, "before");
    workers.tick();
    workers.list(0, &["a"]);
    let counted: Vec<u64> = (0..MAX_WAITING + 1).map(|number| workers.call(1, &number.to_string())).collect();
    assert_eq!(counted.iter().rev().take(2).collect::<Vec<_>>(), [&1, &(MAX_WAITING as u64)]);
    assert_eq!(workers.tick(), [0, 0]);
}

#[test]
fn later_list_of_another_worker_counts_at_once() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    workers.tick();
    workers.list(1, &["a"]);
    workers.list(0, &["a", "new"]);
    assert!(!workers.is_unlisted(1, "new"), "no false alarm");
    assert!(workers.unlisted("x"));
}

#[test]
fn name_is_forgotten_with_the_fifth_different_list() {
    let mut workers = Workers::new();
    workers.list(0, &["old", "a"]);
    for name in ["b", "c", "d"] {
        for worker in [0, 1, 0] {
            workers.list(worker, &["a", name]);
        }
        assert!(!workers.unlisted("old"));
    }
    // A list that returns is the latest again, and no different one.
    workers.list(1, &["a", "old"]);
    workers.list(1, &["a", "e"]);
    assert!(!workers.is_unlisted(0, "b"), "this worker does not know it yet");
    workers.tick();
    assert!(workers.unlisted("b"), "four others were seen since");
    for name in ["c", "d", "old", "e"] {
        assert!(!workers.unlisted(name), "{name}");
    }
}

#[test]
fn names_that_have_one_label_are_different() {
    let mut workers = Workers::new();
    let listed = format!("{}1", "n".repeat(200));
    workers.list(0, &[&listed]);
    assert!(!workers.unlisted(&listed));
    assert!(workers.unlisted(&format!("{}2", "n".repeat(200))));
}

#[test]
fn known_tool_and_repeated_list_read_no_value() {
    let mut workers = Workers::new();
    for _ in 0..2 {
        workers.list(0, &["a"]);
        workers.list(1, &["a"]);
    }
    let keys = ["tools/names", "tools/sizes"];
    for key in keys {
        let version = workers.shared.read(key).map(|value| value.version);
        assert!(workers.shared.write(key, b"foreign", version));
    }
    for worker in [0, 1] {
        workers.list(worker, &["a"]);
        assert!(!workers.is_unlisted(worker, "a"));
        assert!(workers.is_unlisted(worker, "x"), "the number did not change");
    }
    assert!(keys.iter().all(|key| workers.shared.read(key).unwrap().bytes == b"foreign"));
}

#[test]
fn foreign_bytes_are_no_tools() {
    for bytes in [&b"x"[..], &[0xff; 30], &[1; 7], &encode(&vec![1_u8; 3])] {
        assert_eq!(KnownTools::from_bytes(bytes), KnownTools::default());
    }
    let mut workers = Workers::new();
    for key in ["tools/names", "tools/sizes", "tools/generation"] {
        workers.shared.write(key, &[0xff; 30], None);
    }
    workers.list(0, &["a"]);
    assert!(workers.unlisted("x"));
    assert!(!workers.unlisted("a"));
}
