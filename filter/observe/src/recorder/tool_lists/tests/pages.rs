//! Lists of several pages, over several workers.

use super::Workers;
use crate::test;

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
