use super::known_definitions::{Definitions, KnownDefinitions, MAX_ITEMS};
use super::{Catalogue, Changes};
use crate::digest::DigestKey;
use crate::host::{SharedData, Time};
use crate::observation::Page;
use crate::read::message::Item;
use crate::shared_data::{InMemory, StoredDigest, encode};
use crate::test;
use std::num::NonZeroU64;

/// Size of the flag, the cursor and the number of items before the items, if there are as many as can be.
const HEAD_BYTES: usize = 11;
const SAME: Option<Changes> = Some(Changes { added: 0, changed: 0, varies: 0 });
const ADDED: Option<Changes> = Some(Changes { added: 1, changed: 0, varies: 0 });
const CHANGED: Option<Changes> = Some(Changes { added: 0, changed: 1, varies: 0 });
const VARIES: Option<Changes> = Some(Changes { added: 0, changed: 0, varies: 1 });

struct Workers {
    shared: InMemory,
    catalogues: [Catalogue; 2],
}

impl Workers {
    fn new() -> Self {
        let catalogues = [0, 1].map(|_| Catalogue::new("list".to_owned()));
        Self { shared: InMemory::default(), catalogues }
    }

    /// A page of names with the digests of their definitions.
    fn page(
        &mut self,
        worker: usize,
        items: &[(&str, u64)],
        cursor: Option<u64>,
        next_cursor: Option<u64>,
    ) -> Option<Changes> {
        let items: Vec<Item> =
            items.iter().map(|&(name, digest)| Item { name: name.as_bytes().into(), digest, bytes: 1 }).collect();
        let page = Page {
            items: &items,
            is_whole: true,
            cursor: cursor.and_then(NonZeroU64::new),
            next_cursor: next_cursor.and_then(NonZeroU64::new),
            at: Time(1),
        };
        self.catalogues[worker].compare(&page, DigestKey::default(), &self.shared)
    }

    fn list(&mut self, worker: usize, items: &[(&str, u64)]) -> Option<Changes> {
        self.page(worker, items, None, None)
    }
}

#[test]
fn change_counts_once_per_process() {
    let mut workers = Workers::new();
    assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), SAME);
    assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), SAME);
    assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), None);
    assert_eq!(workers.list(0, &[("a", 2), ("b", 1)]), CHANGED);
    assert_eq!(workers.list(1, &[("a", 2), ("b", 1)]), SAME);
    assert_eq!(workers.list(0, &[("a", 2), ("b", 1)]), None);
    assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), None, "and back");
}

#[test]
fn definitions_that_depend_on_the_caller_vary() {
    let mut workers = Workers::new();
    let counted =
        |found: Vec<Option<Changes>>| found.into_iter().filter(|found| !matches!(*found, SAME | None)).collect();
    let turns: Vec<_> = (0..40).map(|turn| workers.list(turn % 2, &[("a", turn as u64 / 2 % 2), ("b", 1)])).collect();
    let first: Vec<_> = counted(turns);
    assert_eq!(first, [CHANGED]);
    // More users: three more are known, the next is one too many.
    let turns: Vec<_> = (0..100).map(|turn| workers.list(turn % 2, &[("a", turn as u64), ("b", 1)])).collect();
    let more: Vec<_> = counted(turns);
    assert_eq!(more, [CHANGED, CHANGED, VARIES]);
    assert_eq!(workers.list(0, &[("a", 7), ("b", 2)]), CHANGED, "the others are followed");
}

#[test]
fn varying_item_does_not_read_shared_data() {
    let mut workers = Workers::new();
    for definition in 0..5 {
        workers.list(0, &[("a", definition)]);
    }
    workers.list(1, &[("a", 5)]);
    workers.shared.write("list", b"foreign", workers.shared.read("list").map(|value| value.version));
    for definition in 6..100 {
        assert_eq!(workers.list(definition as usize % 2, &[("a", definition)]), SAME);
    }
    assert_eq!(workers.shared.read("list").unwrap().bytes, b"foreign", "nothing was written");
}

#[test]
fn failed_write_is_not_remembered() {
    let mut workers = Workers::new();
    workers.list(0, &[("a", 1)]);
    workers.shared.refuse(true);
    assert_eq!(workers.list(0, &[("a", 2)]), SAME);
    workers.shared.refuse(false);
    assert_eq!(workers.list(0, &[("a", 2)]), CHANGED);
}

#[test]
fn name_after_the_first_full_list_is_added() {
    let mut workers = Workers::new();
    assert_eq!(workers.list(0, &[("a", 1)]), SAME);
    assert_eq!(workers.list(1, &[("a", 1), ("b", 1)]), ADDED);
    assert_eq!(workers.list(0, &[("a", 1), ("b", 1)]), SAME);
}

#[test]
fn shorter_list_is_no_change() {
    let mut workers = Workers::new();
    workers.list(0, &[("a", 1), ("b", 1), ("c", 1)]);
    for _ in 0..3 {
        for worker in [0, 1] {
            assert!([SAME, None].contains(&workers.list(worker, &[("a", 1)])));
            assert!([SAME, None].contains(&workers.list(worker, &[("c", 1), ("b", 1)])));
            assert!([SAME, None].contains(&workers.list(worker, &[])));
        }
    }
}

#[test]
fn pages_of_a_full_list_may_reach_different_workers() {
    let mut workers = Workers::new();
    assert_eq!(workers.page(0, &[("a", 1)], None, Some(7)), SAME);
    assert_eq!(workers.page(1, &[("z", 1)], Some(9), None), SAME, "the end of another chain");
    assert_eq!(workers.page(1, &[("b", 1)], Some(7), Some(8)), SAME);
    assert_eq!(workers.page(0, &[("c", 1)], Some(8), None), SAME);
    assert_eq!(workers.page(1, &[("a", 1)], None, Some(17)), SAME);
    assert_eq!(workers.page(1, &[("b", 1), ("new", 1)], Some(17), Some(18)), ADDED);
}

#[test]
fn second_item_of_a_name_is_ignored() {
    let mut workers = Workers::new();
    for _ in 0..3 {
        assert!([SAME, None].contains(&workers.list(0, &[("a", 1), ("a", 2)])));
        assert!([SAME, None].contains(&workers.list(1, &[("a", 1), ("a", 2)])));
    }
}

#[test]
fn memory_is_bounded() {
    let mut workers = Workers::new();
    workers.list(0, &[]);
    let names: Vec<String> = (0..2 * MAX_ITEMS).map(|index| format!("n{index}")).collect();
    let items: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    assert_eq!(workers.list(0, &items).unwrap().added as usize, MAX_ITEMS);
    assert_eq!(workers.list(1, &items), SAME);
    assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 17 * MAX_ITEMS);
    for digest in 2..5 {
        let items: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), digest)).collect();
        assert_eq!(workers.list(0, &items).unwrap().changed as usize, MAX_ITEMS);
    }
    assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 41 * MAX_ITEMS);
    for digest in 0..1000 {
        workers.list(0, &[("n0", digest)]);
    }
    assert_eq!(workers.shared.size(), "list".len() + HEAD_BYTES + 41 * MAX_ITEMS - 32);
    assert!(workers.catalogues[0].pages.len() <= super::MAX_PAGES);
}

#[test]
fn foreign_bytes_are_an_empty_catalogue() {
    let item = |name: u64, definitions: &[u64]| {
        (StoredDigest(name), Definitions(definitions.iter().copied().map(StoredDigest).collect()))
    };
    let known = |items: &[(StoredDigest, Definitions)]| KnownDefinitions {
        is_full: true,
        awaited: 5,
        items: items.iter().cloned().collect(),
    };
    let valid = known(&[item(1, &[2]), item(3, &[4, 5, 6, 7]), item(u64::MAX, &[])]);
    assert_eq!(KnownDefinitions::from_bytes(&encode(&valid)), valid);
    let crowded = known(&(0..=MAX_ITEMS as u64).map(|name| item(name, &[1])).collect::<Vec<_>>());
    let many = known(&[item(1, &[1, 2, 3, 4, 5])]);
    let longer = [encode(&valid), vec![0]].concat();
    let shorter = encode(&valid).split_last().unwrap().1.to_vec();
    for bytes in [&b""[..], b"x", &[0xff; 25], &[1; 10], &encode(&many), &encode(&crowded), &longer, &shorter] {
        assert_eq!(KnownDefinitions::from_bytes(bytes), KnownDefinitions::default());
    }
    let mut workers = Workers::new();
    workers.shared.write("list", b"foreign", None);
    assert_eq!(workers.list(0, &[("a", 1)]), SAME);
    assert_eq!(workers.list(1, &[("a", 2)]), CHANGED);
}
