use super::coverage::Traffic;
use super::links::{Fallback, Lookup, PendingOperation, ServerRequest};
use super::{Correlation, HASH_KEY_BYTES, SessionKey, StreamId};
use crate::host::{SharedData, Time, Versioned};
use crate::id::{IdKey, RequestId};
use crate::label::Method;
use crate::label::{KnownMethod, ProtocolVersion, Status, Transport};
use crate::observation::Operation;
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

mod expiry;
mod sessions;

/// Two VMs of one process.
pub(super) fn pair() -> (Correlation, Correlation, Rc<InMemory>) {
    let shared = Rc::new(InMemory::default());
    let vm = |seed| Correlation::new(shared.clone(), "test", [7; HASH_KEY_BYTES], seed);
    (vm(1), vm(2), shared)
}

fn id(text: &str) -> RequestId {
    RequestId::string(&Text::of(text.as_bytes()))
}

fn open(number: u64) -> StreamId {
    StreamId::of_hash(number)
}

fn stream(number: u64) -> Option<StreamId> {
    Some(open(number))
}

fn pending(text: &str, stream: Option<StreamId>) -> PendingOperation {
    let operation = Operation {
        id: id(text),
        method: Method::Known(KnownMethod::ToolsCall),
        name: Some("add".into()),
        cursor: None,
        had_event: false,
        protocol_version: None,
        client_name: None,
        transport: Transport::StreamableHttp,
        task_id: None,
    };
    let started = Time(1_000_000);
    PendingOperation {
        operation,
        server: None,
        started,
        stream,
        fallback: Fallback::NoResponse,
        has_session_ended: false,
        cancelled_at: None,
        client_wait: Some(0),
    }
}

fn asked(key: IdKey, stream: Option<StreamId>) -> ServerRequest {
    let method = Method::Known(KnownMethod::SamplingCreateMessage);
    ServerRequest { id: key, method, server: None, sent_at: Time(5_000), stream, answered_at: None }
}

#[test]
fn ok_an_answer_is_taken_once_whichever_worker_sees_it() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    assert_eq!(session, other.session(b"", &Text::of(b"s")));
    assert_ne!(session, other.session(b"b", &Text::of(b"s")));
    one.add_operations(session, &[pending("a", None)], Time(1));
    assert!(matches!(other.take_operation(session, id("b").key()), Lookup::Unknown));
    assert!(matches!(other.take_operation(one.session(b"", &Text::of(b"t")), id("a").key()), Lookup::Unknown));
    assert!(matches!(other.take_operation(session, id("a").key()), Lookup::Found(_)));
    assert!(matches!(one.take_operation(session, id("a").key()), Lookup::Answered));
}

#[test]
fn ok_of_equal_ids_the_own_stream_is_served_first() {
    let (one, _, _) = pair();
    let session = one.session(b"", &Text::of(b"shared by many"));
    one.add_operations(session, &[pending("1", stream(11))], Time(1));
    one.add_operations(session, &[pending("1", stream(22))], Time(1));
    let stream_of = |found| if let Lookup::Found(PendingOperation { stream, .. }) = found { stream } else { None };
    assert_eq!(stream_of(one.take_own_operation(session, id("1").key(), stream(22))), stream(22));
    assert_eq!(stream_of(one.take_operation(session, id("1").key())), stream(11));
}

#[test]
fn ok_digits_answer_a_number_where_nothing_has_the_very_id() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let number = RequestId::number(&Text::of(b"5")).key();
    one.add_operations(session, &[pending("5", None)], Time(1));
    assert!(matches!(other.take_operation(session, number), Lookup::Found(_)));
    assert!(matches!(other.take_operation(session, number), Lookup::Answered));
    one.add_server_request(session, &asked(id("5").key(), None), Transport::StreamableHttp);
    assert!(matches!(other.end_server_request(session, number, Time(9_000)), Lookup::Found(_)));
    other.cancel_operation(session, number, Time(7));
    assert_eq!(one.take_cancellation(session, id("5").key()), Some(Time(7)));
    // Both are open: each gets its own.
    let mut by_number = pending("5", None);
    by_number.operation.id = RequestId::number(&Text::of(b"5"));
    one.add_operations(session, &[pending("5", None), by_number], Time(1));
    other.cancel_operation(session, number, Time(8));
    let Lookup::Found(found) = other.take_operation(session, number) else { panic!("not found") };
    assert_eq!((found.operation.id.key(), found.cancelled_at), (number, Some(Time(8))));
    assert!(matches!(other.take_own_operation(session, number, None), Lookup::Answered));
    assert!(matches!(other.take_own_operation(session, id("5").key(), None), Lookup::Found(_)));
}

#[test]
fn ok_a_cancellation_waits_for_its_operation() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    other.cancel_operation(session, id("a").key(), Time(7));
    assert_eq!(one.take_cancellation(session, id("b").key()), None);
    assert_eq!(one.take_cancellation(session, id("a").key()), Some(Time(7)));
    assert_eq!(one.take_cancellation(session, id("a").key()), None);
    other.cancel_operation(session, id("c").key(), Time(8));
    one.add_operations(session, &[pending("c", None)], Time(9));
    let Lookup::Found(found) = other.take_operation(session, id("c").key()) else { panic!("not found") };
    assert_eq!(found.cancelled_at, Some(Time(8)));
    assert_eq!(found.outcome_without_answer().0, Status::Cancelled);
}

#[test]
fn ok_requests_of_the_server_number_for_themselves() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.add_operations(session, &[pending("0", stream(4))], Time(1));
    one.add_server_request(session, &asked(id("0").key(), stream(4)), Transport::StreamableHttp);
    assert!(matches!(other.end_server_request(session, id("0").key(), Time(9_000)), Lookup::Found(_)));
    assert!(matches!(other.end_server_request(session, id("0").key(), Time(9_000)), Lookup::Answered));
    assert_eq!(one.server_requests_on(session, open(4)).first().and_then(|asked| asked.answered_at), Some(Time(9_000)));
    assert!(matches!(one.take_own_operation(session, id("0").key(), stream(4)), Lookup::Found(_)));
    assert!(one.end_stream_links(session, open(4)).server_requests.is_empty());
    assert!(one.server_requests_on(session, open(4)).is_empty());
}

#[test]
fn ok_the_end_of_a_session_finds_what_waits() {
    let (one, other, _) = pair();
    let (session, neighbour) = (one.session(b"", &Text::of(b"s")), one.session(b"", &Text::of(b"t")));
    one.add_operations(session, &[pending("a", None), pending("b", None)], Time(1));
    one.add_operations(session, &[pending("held", stream(5))], Time(1));
    one.add_operations(neighbour, &[pending("a", None)], Time(1));
    one.add_server_request(session, &asked(id("q").key(), None), Transport::StreamableHttp);
    let ended = other.end_session_links(session, Fallback::NoResponse);
    assert_eq!((ended.operations.len(), ended.server_requests.len()), (2, 1));
    assert!(matches!(one.take_own_operation(session, id("held").key(), stream(5)), Lookup::Found(_)));
    assert!(matches!(one.take_operation(neighbour, id("a").key()), Lookup::Found(_)));
}

/// Runs `meanwhile` as another VM just before the write of this number.
struct Interleaved {
    shared: Rc<InMemory>,
    writes_before: Cell<u32>,
    meanwhile: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl SharedData for Interleaved {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.shared.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        match self.writes_before.get().checked_sub(1) {
            Some(left) => self.writes_before.set(left),
            None => self.meanwhile.take().into_iter().for_each(|meanwhile| meanwhile()),
        }
        self.shared.write(key, value, version)
    }
}

#[test]
fn ok_a_stream_that_ends_while_its_session_does_leaves_nothing_behind() {
    for writes_before in 0..3 {
        let (one, other, shared) = pair();
        let session = one.session(b"", &Text::of(b"s"));
        one.add_operations(session, &[pending("a", stream(5)), pending("b", stream(6))], Time(1));
        let left = Rc::new(RefCell::new(Vec::new()));
        let leave = {
            let left = left.clone();
            move || left.borrow_mut().extend(other.detach_stream(session, open(5), Fallback::NoResponse, None, Time(2)))
        };
        let between = Rc::new(Interleaved {
            shared,
            writes_before: Cell::new(writes_before),
            meanwhile: RefCell::new(Some(Box::new(leave))),
        });
        let ending = Correlation::new(between.clone(), "test", [7; HASH_KEY_BYTES], 3);
        let mut ended = ending.end_session_links(session, Fallback::NoResponse).operations.len();
        between.meanwhile.take().into_iter().for_each(|leave| leave());
        ended += left.borrow().len();
        assert_eq!(ended, 1, "after {writes_before} writes");
        assert_eq!(one.detach_stream(session, open(6), Fallback::NoResponse, None, Time(3)).len(), 1);
        assert!(one.take_unheld_links(Time(4)).operations.is_empty());
    }
}

#[test]
fn ok_tasks_end_once() {
    let (one, other, _) = pair();
    let task = Text::of(b"task-1");
    one.start_task(b"", &task, Some("report"));
    assert_eq!(other.end_task(b"", &task), Some(Some("report".into())));
    assert_eq!(one.end_task(b"", &task), None);
    assert_eq!(one.end_task(b"", &Text::of(b"never begun")), Some(None));
}

#[test]
fn ok_unusual_endpoints_are_learnt() {
    let (one, other, _) = pair();
    assert!(!one.is_endpoint(b"/m/7"));
    other.note_endpoint(b"/m/7");
    assert!(one.is_endpoint(b"/m/7") && !one.is_endpoint(b"/m/8"));
}

#[test]
fn ok_memory_is_bounded_whatever_arrives() {
    let (one, _, shared) = pair();
    let mut given_way = 0;
    let name = "x".repeat(128);
    for number in 0..6_000_u32 {
        let session = one.session(b"", &Text::of(&number.to_le_bytes()));
        let mut pending = pending(&number.to_string(), None);
        pending.operation.name = Some(name.as_str().into());
        given_way += one.add_operations(session, &[pending], Time(1)).unwrap().operations.len();
        given_way +=
            one.add_server_request(session, &asked(id("q").key(), None), Transport::StreamableHttp).operations.len();
        given_way += one.cancel_operation(session, id("nothing").key(), Time(2)).operations.len();
        given_way += one.start_session(session, &sessions::new_session(Time(1)), Time(1)).inactive.len();
        one.note_traffic(session, Traffic::Streams);
        one.start_task(b"", &Text::of(&number.to_le_bytes()), Some(&name));
        one.note_event(one.event_key(session, number.into()));
        one.note_endpoint(&number.to_le_bytes());
    }
    one.save_event_ids();
    assert!(given_way > 0);
    assert!(shared.size() < 3_000_000, "{}", shared.size());
}

#[test]
fn ok_a_value_of_unexpected_shape_counts_as_absent() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.add_operations(session, &[pending("a", None)], Time(1));
    let key = one.key('l', session.0 % 256);
    let version = shared.read(&key).map(|value| value.version);
    assert!(shared.write(&key, &[0xff; 40], version));
    assert!(matches!(one.take_operation(session, id("a").key()), Lookup::Unknown));
    one.add_operations(session, &[pending("b", None)], Time(1));
    assert!(matches!(one.take_operation(session, id("b").key()), Lookup::Found(_)));
}

/// Another version of the module reads these bytes: when they change, the number in [`super::KEY_PREFIX`] must.
#[test]
fn ok_layout_is_that_of_the_version_in_the_keys() {
    let mut pending = pending("a", stream(5));
    pending.operation.method = Method::Known(KnownMethod::SubscriptionAcknowledged);
    let operation = postcard::to_allocvec(&pending).unwrap();
    let asked = postcard::to_allocvec(&asked(id("q").key().of_server(), stream(7))).unwrap();
    assert_eq!(super::KEY_PREFIX, "mcp_observability/2/");
    let first = [0, 0, 1, 140, 217, 135, 176, 200, 137, 247, 177, 175, 1, 0, 35, 1, 3, 97, 100, 100, 0, 0, 0, 0, 0, 0];
    assert_eq!(operation, [first.as_slice(), &[0, 192, 132, 61, 5, 0, 0, 0, 1, 0]].concat());
    assert_eq!(asked, [0, 1, 1, 188, 143, 136, 176, 200, 137, 251, 177, 175, 1, 0, 15, 0, 136, 39, 7, 0]);
    let (one, _, shared) = pair();
    for digest in [1, 2] {
        one.note_event(one.event_key(SessionKey(65), digest));
    }
    one.save_event_ids();
    assert_eq!(shared.read(&one.key('e', 1)).unwrap().bytes, [134, 155, 44, 112, 251, 240, 46, 35]);
}

#[test]
fn ok_a_slot_keeps_its_bound_with_links_of_any_shape() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let big = Time(1 << 55);
    for number in 0..300_u32 {
        let mut pending = pending(&number.to_string(), Some(one.new_stream_id()));
        pending.operation.name = Some("x".repeat(128).into());
        pending.operation.cursor = std::num::NonZeroU64::new(u64::MAX);
        pending.operation.protocol_version = Some(ProtocolVersion::Other);
        pending.operation.task_id = Some(Box::new(Text::start_of(vec![b'x'; 700], 0)));
        pending.server = Some("s".repeat(64).into());
        (pending.started, pending.fallback) = (big, Fallback::ClientLeft(big));
        (pending.cancelled_at, pending.client_wait) = (Some(big), Some(1 << 40));
        // Those on a stream of their own until there is no room for more of them, and then those that wait.
        if one.add_operations(session, &[pending.clone()], big).is_none() {
            pending.stream = None;
            one.add_operations(session, &[pending], big).unwrap();
        }
        let mut asked = asked(id(&number.to_string()).key(), Some(one.new_stream_id()));
        (asked.server, asked.sent_at) = (Some("s".repeat(64).into()), big);
        one.add_server_request(session, &asked, Transport::StreamableHttp);
    }
    let size = shared.read(&one.key('l', session.0 % 256)).unwrap().bytes.len();
    assert!(size <= 8192, "{size}");
}
