//! Lists after which no call is counted as unlisted.

use super::{Workers, sizes};
use crate::recorder::tool_lists::known_tools::MAX_NAMES;
use crate::test;

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
