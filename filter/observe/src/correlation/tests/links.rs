//! Operations, cancellations and server requests that cross exchanges.

use super::{id, open, pair, pending, server_request, stream};
use crate::correlation::links::{Fallback, Lookup, PendingOperation};
use crate::correlation::{Correlation, HASH_KEY_BYTES};
use crate::host::{SharedData, Time, Versioned};
use crate::id::RequestId;
use crate::label::{Status, Transport};
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

#[test]
fn operation_is_taken_once_by_any_vm() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    assert_eq!(session, other.session(b"", &Text::of(b"s")));
    assert_ne!(session, other.session(b"b", &Text::of(b"s")));
    one.save_operations(session, &[pending("a", None)], Time(1));
    assert!(matches!(other.take_operation(session, id("b").key()), Lookup::Unknown));
    assert!(matches!(other.take_operation(one.session(b"", &Text::of(b"t")), id("a").key()), Lookup::Unknown));
    assert!(matches!(other.take_operation(session, id("a").key()), Lookup::Found(_)));
    assert!(matches!(one.take_operation(session, id("a").key()), Lookup::Answered));
}

#[test]
fn operation_of_own_stream_is_taken_before_older_one_with_equal_id() {
    let (one, _, _) = pair();
    let session = one.session(b"", &Text::of(b"shared by many"));
    one.save_operations(session, &[pending("1", stream(11))], Time(1));
    one.save_operations(session, &[pending("1", stream(22))], Time(1));
    let stream_of =
        |found: Lookup<Box<PendingOperation>>| if let Lookup::Found(found) = found { found.stream } else { None };
    assert_eq!(stream_of(one.take_own_operation(session, id("1").key(), stream(22))), stream(22));
    assert_eq!(stream_of(one.take_operation(session, id("1").key())), stream(11));
}

#[test]
fn digits_match_a_number_if_no_id_is_equal() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let number = RequestId::number(&Text::of(b"5")).key();
    one.save_operations(session, &[pending("5", None)], Time(1));
    assert!(matches!(other.take_operation(session, number), Lookup::Found(_)));
    assert!(matches!(other.take_operation(session, number), Lookup::Answered));
    one.add_server_request(session, &server_request(id("5").key(), None), Transport::StreamableHttp);
    assert!(matches!(other.end_server_request(session, number, Time(9_000)), Lookup::Found(_)));
    other.cancel_operation(session, number, Time(7));
    assert_eq!(one.take_cancellation(session, id("5").key()), Some(Time(7)));
    // Both are open: each gets its own.
    let mut by_number = pending("5", None);
    by_number.operation.id = RequestId::number(&Text::of(b"5"));
    one.save_operations(session, &[pending("5", None), by_number], Time(1));
    other.cancel_operation(session, number, Time(8));
    let Lookup::Found(found) = other.take_operation(session, number) else { panic!("not found") };
    assert_eq!((found.operation.id.key(), found.cancelled_at), (number, Some(Time(8))));
    assert!(matches!(other.take_own_operation(session, number, None), Lookup::Answered));
    assert!(matches!(other.take_own_operation(session, id("5").key(), None), Lookup::Found(_)));
}

#[test]
fn early_cancellation_is_applied_to_its_operation() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    other.cancel_operation(session, id("a").key(), Time(7));
    assert_eq!(one.take_cancellation(session, id("b").key()), None);
    assert_eq!(one.take_cancellation(session, id("a").key()), Some(Time(7)));
    assert_eq!(one.take_cancellation(session, id("a").key()), None);
    other.cancel_operation(session, id("c").key(), Time(8));
    one.save_operations(session, &[pending("c", None)], Time(9));
    let Lookup::Found(found) = other.take_operation(session, id("c").key()) else { panic!("not found") };
    assert_eq!(found.cancelled_at, Some(Time(8)));
    assert_eq!(found.outcome_without_answer().0, Status::Cancelled);
}

#[test]
fn server_request_and_operation_may_have_equal_ids() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.save_operations(session, &[pending("0", stream(4))], Time(1));
    one.add_server_request(session, &server_request(id("0").key(), stream(4)), Transport::StreamableHttp);
    assert!(matches!(other.end_server_request(session, id("0").key(), Time(9_000)), Lookup::Found(_)));
    assert!(matches!(other.end_server_request(session, id("0").key(), Time(9_000)), Lookup::Answered));
    assert_eq!(one.client_wait(session, open(4), Time(20_000)), Some(4));
    assert!(matches!(one.take_own_operation(session, id("0").key(), stream(4)), Lookup::Found(_)));
    assert!(one.end_stream_links(session, open(4)).server_requests().next().is_none());
    assert_eq!(one.client_wait(session, open(4), Time(20_000)), Some(0));
}

#[test]
fn session_end_takes_links_without_open_stream() {
    let (one, other, _) = pair();
    let (session, neighbour) = (one.session(b"", &Text::of(b"s")), one.session(b"", &Text::of(b"t")));
    one.save_operations(session, &[pending("a", None), pending("b", None)], Time(1));
    one.save_operations(session, &[pending("held", stream(5))], Time(1));
    one.save_operations(neighbour, &[pending("a", None)], Time(1));
    one.add_server_request(session, &server_request(id("q").key(), None), Transport::StreamableHttp);
    let ended = other.end_session_links(session, Fallback::NoResponse, Time(2));
    assert_eq!((ended.operations().count(), ended.server_requests().count()), (2, 1));
    assert!(matches!(one.take_own_operation(session, id("held").key(), stream(5)), Lookup::Found(_)));
    assert!(matches!(one.take_operation(neighbour, id("a").key()), Lookup::Found(_)));
}

/// Runs `meanwhile` as another VM just before the write of this number.
pub(super) struct Interleaved {
    shared: Rc<InMemory>,
    writes_before: Cell<u32>,
    meanwhile: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Interleaved {
    pub(super) fn new(shared: Rc<InMemory>, writes_before: u32, meanwhile: Box<dyn FnOnce()>) -> Self {
        Self { shared, writes_before: Cell::new(writes_before), meanwhile: RefCell::new(Some(meanwhile)) }
    }

    /// Runs `meanwhile` now, if there were fewer writes.
    pub(super) fn run(&self) {
        self.meanwhile.take().into_iter().for_each(|meanwhile| meanwhile());
    }
}

impl SharedData for Interleaved {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.shared.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        match self.writes_before.get().checked_sub(1) {
            Some(left) => self.writes_before.set(left),
            None => self.run(),
        }
        self.shared.write(key, value, version)
    }
}

#[test]
fn operation_ends_once_if_stream_and_session_end_together() {
    for writes_before in 0..3 {
        let (one, other, shared) = pair();
        let session = one.session(b"", &Text::of(b"s"));
        one.save_operations(session, &[pending("a", stream(5)), pending("b", stream(6))], Time(1));
        let detached = Rc::new(Cell::new(0));
        let leave = {
            let detached = detached.clone();
            move || {
                let ended = other.detach_stream(session, open(5), Fallback::NoResponse, None, Time(2));
                detached.set(detached.get() + ended.operations().count());
            }
        };
        let between = Rc::new(Interleaved::new(shared, writes_before, Box::new(leave)));
        let ending = Correlation::new(between.clone(), "test", [7; HASH_KEY_BYTES], 3);
        let mut ended = ending.end_session_links(session, Fallback::NoResponse, Time(2)).operations().count();
        between.run();
        ended += detached.get();
        assert_eq!(ended, 1, "after {writes_before} writes");
        assert_eq!(one.detach_stream(session, open(6), Fallback::NoResponse, None, Time(3)).operations().count(), 1);
        assert!(one.take_unheld_links(Time(4)).operations().next().is_none());
    }
}
