//! Random lists, compared with a model that knows which client sent each page.

use super::Workers;
use crate::test;
use std::collections::BTreeSet;

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
