//! The sizes of definitions.

use super::{Workers, sizes};
use crate::test;

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
