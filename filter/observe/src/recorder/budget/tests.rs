use super::shared::max_bytes;
use super::{Budget, Name, UNCONFIRMED};
use crate::digest::DigestKey;
use crate::host::{SharedData, Versioned};
use crate::shared_data::InMemory;
use crate::test;
use std::cell::Cell;

/// Shared data that counts reads and writes.
#[derive(Default)]
struct Counting {
    data: InMemory,
    reads: Cell<u32>,
    writes: Cell<u32>,
}

impl SharedData for Counting {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.reads.set(self.reads.get() + 1);
        self.data.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        self.writes.set(self.writes.get() + 1);
        self.data.write(key, value, version)
    }
}

impl Counting {
    /// Reads and writes since the last call.
    fn take_counts(&self) -> (u32, u32) {
        (self.reads.take(), self.writes.take())
    }
}

fn workers(limit: u16) -> [Budget; 2] {
    [0, 1].map(|_| Budget::new("names".to_owned(), limit, DigestKey::default()))
}

#[test]
fn unconfirmed_names_leave_room_for_confirmed_ones() {
    let mut budget = Budget::new(String::new(), 3, DigestKey::default());
    for index in 0..100 {
        budget.admit(&format!("invented{index}"), false, None);
    }
    assert!(budget.admit("invented99", false, None).overflowed);
    for (index, label) in ["a", "b", "c"].iter().enumerate() {
        let admission = budget.admit(label, true, None);
        assert_eq!(admission.name, Name::Admitted(UNCONFIRMED + index as u16));
        assert!(admission.is_new);
        assert_eq!(budget.text(admission.name), *label);
    }
    assert_eq!(budget.admit("d", true, None).name, Name::Other);
    assert!(!budget.admit("a", true, None).is_new);
}

#[test]
fn confirmed_name_makes_room_among_unconfirmed_ones() {
    let mut budget = Budget::new(String::new(), 100, DigestKey::default());
    for index in 0..UNCONFIRMED {
        assert!(budget.admit(&format!("n{index}"), false, None).is_new);
    }
    assert!(budget.admit("late", false, None).overflowed);
    assert!(!budget.admit("n0", true, None).is_new);
    assert!(budget.admit("late", false, None).is_new);
}

#[test]
fn workers_share_confirmed_and_unconfirmed_names() {
    let shared = Counting::default();
    let [mut one, mut two] = workers(3);
    for index in 0..UNCONFIRMED {
        assert!(one.admit(&format!("n{index}"), false, Some(&shared)).is_new);
    }
    assert!(two.admit("late", false, Some(&shared)).overflowed);
    assert!(two.admit("n7", false, Some(&shared)).is_new, "known to the process");
    for name in ["a", "b", "c"] {
        assert!(one.admit(name, true, Some(&shared)).is_new);
    }
    assert!(two.admit("d", true, Some(&shared)).overflowed);
    assert!(two.admit("b", false, Some(&shared)).is_new, "confirmed by the other");
    assert!(shared.data.size() <= "names".len() + max_bytes(3));
}

#[test]
fn known_name_does_not_read_shared_data() {
    let shared = Counting::default();
    let [mut one, mut two] = workers(200);
    one.admit("a", false, Some(&shared));
    assert_eq!(shared.take_counts(), (1, 1));
    one.admit("a", true, Some(&shared));
    assert_eq!(shared.take_counts(), (1, 1), "the confirmation is written");
    two.admit("a", true, Some(&shared));
    assert_eq!(shared.take_counts(), (1, 0));
    for budget in [&mut one, &mut two] {
        for _ in 0..100 {
            budget.tick();
            budget.admit("a", true, Some(&shared));
            budget.admit("a", false, Some(&shared));
        }
    }
    assert_eq!(shared.take_counts(), (0, 0));
}

#[test]
fn names_without_room_read_shared_data_once_per_tick() {
    let shared = Counting::default();
    let [mut one, mut two] = workers(5);
    for index in 0..10_000 {
        one.admit(&format!("n{index}"), false, Some(&shared));
    }
    assert_eq!(shared.take_counts(), (u32::from(UNCONFIRMED), u32::from(UNCONFIRMED)));
    one.tick();
    for index in 10_000..20_000 {
        one.admit(&format!("n{index}"), false, Some(&shared));
        two.admit(&format!("n{index}"), false, Some(&shared));
    }
    assert_eq!(shared.take_counts(), (2, 0));
    for index in 0..10_000 {
        one.tick();
        one.admit(&format!("confirmed{index}"), true, Some(&shared));
    }
    assert_eq!(shared.take_counts(), (5, 5), "a full budget stays full");
}

#[test]
fn foreign_value_is_replaced() {
    let shared = InMemory::default();
    shared.write("names", &[0xff; 99], None);
    let [mut one, mut two] = workers(1);
    assert!(one.admit("a", true, Some(&shared)).is_new);
    assert!(two.admit("b", true, Some(&shared)).overflowed);
}

#[test]
fn failed_write_admits_nothing() {
    struct ReadOnly;
    impl SharedData for ReadOnly {
        fn read(&self, _: &str) -> Option<Versioned> {
            None
        }
        fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
            false
        }
    }
    let [mut one, _] = workers(10);
    assert!(one.admit("a", true, Some(&ReadOnly)).overflowed);
    assert!(one.admit("a", true, Some(&InMemory::default())).is_new);
}
