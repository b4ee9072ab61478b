//! Lists of several workers. The random test compares with a model that knows which client sent each page.

use super::known_tools::{KnownTools, MAX_NAMES};
use super::{Definition, MAX_WAITING, ToolLists};
use crate::host::{SharedData as _, Time};
use crate::observation::Page;
use crate::read::message::Item;
use crate::shared_data::{InMemory, encode};
use crate::test;
use crate::text::Text;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
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
fn chain_over_two_workers_is_complete_with_its_last_page() {
    let mut workers = Workers::new();
    workers.page(0, &[("a", 1)], None, Some(7));
    workers.page(1, &[("b", 1)], Some(7), Some(8));
    assert!(!workers.unlisted("x"));
    workers.page(0, &[("c", 1)], Some(8), None);
    workers.tick();
    assert!(workers.unlisted("x"));
    for name in ["a", "b", "c"] {
        assert!(!workers.unlisted(name), "{name}");
    }
}

#[test]
fn page_without_its_predecessor_completes_no_list_but_its_names_are_listed() {
    let mut workers = Workers::new();
    workers.page(0, &[("z", 1)], Some(7), None);
    assert!(!workers.unlisted("x"));
    workers.list(0, &["a"]);
    workers.tick();
    assert!(workers.unlisted("x"));
    assert!(!workers.unlisted("z"));
}

#[test]
fn tool_of_an_incomplete_list_is_listed() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    workers.page(1, &[("b", 1)], None, Some(7));
    assert!(!workers.unlisted("b"));
    assert!(workers.unlisted("x"));
    // The oldest chains are given up.
    for number in 0..20 {
        workers.page(1, &[("c", 1)], None, Some(100 + number));
    }
    assert!(!workers.unlisted("b"));
    workers.page(1, &[("d", 1)], Some(7), None);
    assert!(!workers.unlisted("d"));
}

#[test]
fn clients_that_page_at_the_same_time_cause_no_false_count() {
    let mut workers = Workers::new();
    for _ in 0..10 {
        workers.page(0, &[("a1", 1)], None, Some(7));
        workers.page(1, &[("b1", 1)], None, Some(7));
        workers.page(1, &[("a2", 1)], Some(7), None);
        workers.page(0, &[("a1", 1)], None, Some(7));
        workers.page(0, &[("b2", 1)], Some(7), None);
        workers.tick();
        for name in ["a1", "a2", "b1", "b2"] {
            assert!(!workers.unlisted(name), "{name}");
        }
        assert!(workers.unlisted("x"));
        workers.page(1, &[("a2", 1)], Some(7), None);
    }
}

#[test]
fn chain_after_chain_forgets_removed_tools() {
    let mut workers = Workers::new();
    for number in 0..5 {
        let names = [format!("first{number}"), format!("last{number}")];
        workers.page(0, &[(&names[0], 1)], None, Some(7));
        // A client that asks twice for the first page does not keep its tools in the list.
        workers.page(0, &[(&names[0], 1)], None, Some(7));
        workers.page(1, &[(&names[1], 1)], Some(7), None);
    }
    workers.tick();
    assert!(workers.unlisted("first0") && workers.unlisted("last0"));
    assert!(!workers.unlisted("first1") && !workers.unlisted("last1"));
}

#[test]
fn varying_definition_ends_the_count() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    assert!(workers.unlisted("x"));
    workers.page_that(0, &[("a", 1)], None, None, true, true);
    assert!(!workers.unlisted("x"));
    workers.list(1, &["b"]);
    assert!(!workers.unlisted("x"));
    assert_eq!(workers.page(1, &[("b", 2)], None, None), sizes([("b", 2)]), "sizes are followed");
}

#[test]
fn list_that_could_not_be_read_ends_the_count() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    assert!(workers.unlisted("x"));
    workers.lists[1].miss(&workers.shared);
    assert!(!workers.unlisted("x"));
}

#[test]
fn list_that_was_not_kept_as_a_whole_ends_the_count() {
    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    workers.page_that(0, &[("b", 1)], None, None, false, false);
    assert!(!workers.unlisted("x"));

    let mut workers = Workers::new();
    workers.list(0, &["a"]);
    workers.list(0, &[&"n".repeat(1024)]);
    assert!(!workers.unlisted("x"), "a name was cut");
}

#[test]
fn list_with_too_many_tools_ends_the_count() {
    let names: Vec<String> = (0..=MAX_NAMES).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut workers = Workers::new();
    workers.list(0, &names[1..]);
    assert!(workers.unlisted("x"));
    workers.list(0, &names);
    assert!(!workers.unlisted("x"));

    let mut workers = Workers::new();
    let tools: Vec<_> = names.iter().map(|name| (*name, 1)).collect();
    workers.page(0, &tools[..1], None, Some(7));
    workers.page(1, &tools[1..], Some(7), None);
    assert!(!workers.unlisted("x"));
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
fn sizes_are_those_of_the_latest_list_of_any_worker() {
    let mut workers = Workers::new();
    assert_eq!(workers.page(0, &[("a", 10), ("b", 20)], None, None), sizes([("a", 10), ("b", 20)]));
    assert_eq!(workers.page(1, &[("a", 10), ("b", 20)], None, None), sizes([]));
    assert_eq!(workers.page(1, &[("a", 11), ("b", 20)], None, None), sizes([("a", 11)]));
    assert_eq!(workers.page(0, &[("a", 10), ("b", 20)], None, None), sizes([("a", 10)]), "and back");
    assert_eq!(workers.page(1, &[("b", 20)], None, None), sizes([("a", 0)]));
    assert_eq!(workers.page(0, &[], None, None), sizes([("b", 0)]));
}

#[test]
fn page_sets_its_sizes_and_only_a_complete_list_resets_others() {
    let mut workers = Workers::new();
    workers.page(0, &[("a", 1), ("b", 2), ("c", 3)], None, None);
    assert_eq!(workers.page(0, &[("a", 5)], None, Some(7)), sizes([("a", 5)]));
    assert_eq!(workers.page(1, &[("b", 2)], Some(7), None), sizes([("c", 0)]));
    assert_eq!(workers.page_that(1, &[("d", 4)], None, None, false, false), sizes([("d", 4)]), "it was cut");
}

#[test]
fn sizes_of_names_with_one_label_are_added_up() {
    let mut workers = Workers::new();
    assert_eq!(workers.page(0, &[("a b", 10), ("a_b", 5), ("a b", 100)], None, None), sizes([("a_b", 15)]));
    assert_eq!(workers.page(1, &[("a_b", 5)], None, None), sizes([("a_b", 5)]));
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

/// The tools that a client of one scope sees: pages, of which each may change.
type Scope = Vec<Vec<&'static str>>;

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// Clients list one after the other, on any workers. So the model knows each complete list exactly.
#[test]
fn random_lists_one_after_the_other_count_as_in_the_model() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..200 {
        let mut workers = Workers::new();
        let mut model: Vec<BTreeSet<&str>> = Vec::new();
        for _ in 0..random.usize(1..40) {
            let scope = scope(&mut random);
            let last = scope.len() - 1;
            for (number, page) in scope.iter().enumerate() {
                let tools: Vec<_> = page.iter().map(|name| (*name, 1)).collect();
                let cursor = (number > 0).then_some(number as u64);
                workers.page(random.usize(0..2), &tools, cursor, (number < last).then_some(number as u64 + 1));
            }
            let list: BTreeSet<&str> = scope.concat().into_iter().collect();
            model.retain(|other| *other != list);
            model.insert(0, list);
            model.truncate(4);
            workers.tick();
            for name in NAMES {
                let expected = model.iter().all(|list| !list.contains(name));
                assert_eq!(workers.is_unlisted(random.usize(0..2), name), expected, "{name}: {model:?}");
            }
        }
    }
}

/// Clients of different scopes page at the same time, give up and repeat pages. A page completes one list at most, so the names of
/// the last four pages are always known.
#[test]
fn random_lists_at_the_same_time_cause_no_false_count() {
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..300 {
        let mut workers = Workers::new();
        let scopes: Vec<Scope> = (0..random.usize(1..4)).map(|_| scope(&mut random)).collect();
        // The scope and the next page of each client.
        let mut clients: Vec<(usize, usize)> = Vec::new();
        let mut latest: Vec<&[&str]> = Vec::new();
        for _ in 0..random.usize(1..60) {
            if clients.len() < 3 {
                clients.push((random.usize(0..scopes.len()), 0));
            }
            let index = random.usize(0..clients.len());
            let (scope, number) = clients[index];
            let pages = &scopes[scope];
            let tools: Vec<_> = pages[number].iter().map(|name| (*name, 1)).collect();
            let cursor = (number > 0).then_some(number as u64);
            let is_last = number + 1 == pages.len();
            workers.page(random.usize(0..2), &tools, cursor, (!is_last).then_some(number as u64 + 1));
            latest.insert(0, &pages[number]);
            latest.truncate(4);
            match random.usize(0..10) {
                0 => drop(clients.remove(index)),
                1 => {}
                _ if is_last => drop(clients.remove(index)),
                _ => clients[index].1 += 1,
            }
            if random.bool() {
                workers.tick();
            }
            for name in latest.concat() {
                assert!(!workers.is_unlisted(random.usize(0..2), name), "{name}: {scopes:?}");
            }
        }
    }
}

/// One to three pages with up to three tools each.
fn scope(random: &mut fastrand::Rng) -> Scope {
    (0..random.usize(1..4))
        .map(|_| (0..random.usize(0..4)).map(|_| *random.choice(&NAMES).unwrap()).collect())
        .collect()
}
