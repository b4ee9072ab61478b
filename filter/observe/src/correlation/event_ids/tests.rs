use super::super::tests::pair;
use super::{MAX_UNSAVED, TABLE};
use crate::correlation::{Correlation, HASH_KEY_BYTES, SessionKey};
use crate::host::{SharedData, Time, Versioned};
use crate::shared_data::InMemory;
use crate::test;
use std::cell::Cell;
use std::rc::Rc;

/// Counts the reads and writes of slots of events.
#[derive(Default)]
struct Counting {
    map: InMemory,
    reads: Cell<usize>,
    writes: Cell<usize>,
}

impl SharedData for Counting {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.reads.set(self.reads.get() + usize::from(key.contains("/e")));
        self.map.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        self.writes.set(self.writes.get() + usize::from(key.contains("/e")));
        self.map.write(key, value, version)
    }
}

fn note(vm: &Correlation, session: SessionKey, digests: std::ops::Range<u64>) {
    digests.for_each(|digest| vm.remember_event(vm.event_key(session, digest)));
}

/// How many of these events the VM knows.
fn seen(vm: &Correlation, session: SessionKey, digests: std::ops::Range<u64>) -> usize {
    digests.filter(|digest| vm.has_event(vm.event_key(session, *digest))).count()
}

/// Bytes of the slot.
fn size(vm: &Correlation, shared: &InMemory, session: SessionKey) -> usize {
    shared.read(&vm.key(&TABLE, session.0)).unwrap().bytes.len()
}

#[test]
fn events_of_ended_stream_are_known_to_all_vms() {
    let (one, other, _) = pair();
    let [ended, running] = [SessionKey(1), SessionKey(2)];
    note(&one, ended, 0..20);
    note(&one, running, 0..20);
    assert_eq!((seen(&one, ended, 0..21), seen(&other, ended, 0..21)), (20, 0));
    one.save_event_ids_of(ended);
    assert_eq!((seen(&one, ended, 0..21), seen(&other, ended, 0..21)), (20, 20));
    assert_eq!((seen(&one, running, 0..21), seen(&other, running, 0..21)), (20, 0));
    one.tick(Time(0), &mut |_, _| ());
    assert_eq!(seen(&other, running, 0..21), 20);
}

#[test]
fn stream_end_costs_one_read_and_one_write() {
    let shared = Rc::new(Counting::default());
    let vm = Correlation::new(shared.clone(), "test", [7; HASH_KEY_BYTES], 1);
    let cost = || (shared.reads.take(), shared.writes.take());
    let [ended, running] = [SessionKey(1), SessionKey(2)];
    note(&vm, ended, 0..20);
    note(&vm, running, 0..20);
    assert_eq!(seen(&vm, ended, 0..20), 20);
    assert_eq!(cost(), (0, 0));
    vm.save_event_ids_of(ended);
    assert_eq!(cost(), (1, 1));
    vm.save_event_ids_of(ended);
    assert_eq!(cost(), (0, 0));
    vm.tick(Time(0), &mut |_, _| ());
    assert_eq!(cost(), (1, 1));
    vm.tick(Time(0), &mut |_, _| ());
    assert_eq!(cost(), (0, 0));
    assert_eq!(seen(&vm, ended, 0..20), 20);
    assert_eq!(cost(), (20, 0));
}

#[test]
fn full_slot_keeps_the_latest_ids() {
    let (one, other, shared) = pair();
    let [session, neighbour] = [SessionKey(1), SessionKey(2)];
    note(&one, neighbour, 0..20);
    note(&one, session, 0..600);
    one.save_event_ids();
    note(&one, session, 600..700);
    one.save_event_ids();
    assert_eq!((seen(&other, session, 0..60), seen(&other, session, 60..700)), (0, 640));
    assert_eq!(size(&one, &shared, session), TABLE.max_bytes);
    note(&one, session, 1000..2000);
    one.save_event_ids();
    assert_eq!((seen(&other, session, 1000..1360), seen(&other, session, 1360..2000)), (0, 640));
    assert_eq!(seen(&other, neighbour, 0..20), 20);
}

#[test]
fn sessions_and_vms_share_a_slot() {
    let (one, other, shared) = pair();
    let [first, second, third] = [SessionKey(5), SessionKey(5 + TABLE.slots), SessionKey(5 + 2 * TABLE.slots)];
    note(&one, first, 0..20);
    note(&other, second, 10..30);
    one.save_event_ids_of(first);
    other.save_event_ids_of(second);
    for vm in [&one, &other] {
        assert_eq!((seen(vm, first, 0..20), seen(vm, first, 20..30)), (20, 0));
        assert_eq!((seen(vm, second, 0..10), seen(vm, second, 10..30)), (0, 20));
        assert_eq!(seen(vm, third, 0..30), 0);
    }
    assert_eq!(size(&one, &shared, third), 40 * 4);
}

#[test]
fn unsaved_ids_beyond_the_maximum_are_saved_at_once() {
    let (one, other, _) = pair();
    let session = SessionKey(1);
    let max = MAX_UNSAVED as u64;
    note(&one, session, 1..max);
    assert_eq!(seen(&other, session, max - 10..max), 0);
    note(&one, session, max..max + 1);
    assert_eq!(seen(&other, session, max - 10..max + 1), 11);
    assert!(one.unsaved_events.borrow().is_empty());
}

#[test]
fn value_of_unexpected_size_counts_as_missing() {
    for bytes in [vec![0xff; 41], vec![0xff; TABLE.max_bytes + 4]] {
        let (one, other, shared) = pair();
        let session = SessionKey(1);
        note(&one, session, 0..20);
        one.save_event_ids();
        let key = one.key(&TABLE, session.0);
        let version = shared.read(&key).map(|value| value.version);
        assert!(shared.write(&key, &bytes, version));
        assert_eq!(seen(&other, session, 0..20), 0);
        note(&one, session, 20..30);
        one.save_event_ids();
        assert_eq!((seen(&other, session, 0..20), seen(&other, session, 20..30)), (0, 10));
        assert_eq!(size(&one, &shared, session), 40);
    }
}
