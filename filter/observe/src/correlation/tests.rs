use super::halves::Half;
use super::links::{Asked, Found, Otherwise, Pending};
use super::{Correlation, HASH_KEY_BYTES, SessionKey};
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

fn pending(text: &str, stream: u64) -> Pending {
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
    Pending {
        operation,
        server: None,
        started,
        stream,
        otherwise: Otherwise::NoResponse,
        is_abandoned: false,
        cancelled_at: None,
        paused: Some(0),
    }
}

fn asked(key: IdKey, stream: u64) -> Asked {
    let method = Method::Known(KnownMethod::SamplingCreateMessage);
    Asked { id: key, method, server: None, at: Time(5_000), stream, answered_at: None }
}

#[test]
fn ok_an_answer_is_taken_once_whichever_worker_sees_it() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    assert_eq!(session, other.session(b"", &Text::of(b"s")));
    assert_ne!(session, other.session(b"b", &Text::of(b"s")));
    one.register(session, &[pending("a", 0)], Time(1));
    assert!(matches!(other.answer(session, id("b").key()), Found::Nothing));
    assert!(matches!(other.answer(one.session(b"", &Text::of(b"t")), id("a").key()), Found::Nothing));
    assert!(matches!(other.answer(session, id("a").key()), Found::Some(_)));
    assert!(matches!(one.answer(session, id("a").key()), Found::Answered));
}

#[test]
fn ok_of_equal_ids_the_own_stream_is_served_first() {
    let (one, _, _) = pair();
    let session = one.session(b"", &Text::of(b"shared by many"));
    one.register(session, &[pending("1", 11)], Time(1));
    one.register(session, &[pending("1", 22)], Time(1));
    let stream = |found| if let Found::Some(Pending { stream, .. }) = found { stream } else { 0 };
    assert_eq!(stream(one.claim(session, id("1").key(), 22)), 22);
    assert_eq!(stream(one.answer(session, id("1").key())), 11);
}

#[test]
fn ok_digits_answer_a_number_where_nothing_has_the_very_id() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let number = RequestId::number(&Text::of(b"5")).key();
    one.register(session, &[pending("5", 0)], Time(1));
    assert!(matches!(other.answer(session, number), Found::Some(_)));
    assert!(matches!(other.answer(session, number), Found::Answered));
    one.ask(session, &asked(id("5").key(), 0), Transport::StreamableHttp);
    assert!(matches!(other.reply(session, number, Time(9_000)), Found::Some(_)));
    other.cancel(session, number, Time(7));
    assert_eq!(one.cancelled_at(session, id("5").key()), Some(Time(7)));
    // Both are open: each gets its own.
    let mut by_number = pending("5", 0);
    by_number.operation.id = RequestId::number(&Text::of(b"5"));
    one.register(session, &[pending("5", 0), by_number], Time(1));
    other.cancel(session, number, Time(8));
    let Found::Some(found) = other.answer(session, number) else { panic!("not found") };
    assert_eq!((found.operation.id.key(), found.cancelled_at), (number, Some(Time(8))));
    assert!(matches!(other.claim(session, number, 0), Found::Answered));
    assert!(matches!(other.claim(session, id("5").key(), 0), Found::Some(_)));
}

#[test]
fn ok_a_cancellation_waits_for_its_operation() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    other.cancel(session, id("a").key(), Time(7));
    assert_eq!(one.cancelled_at(session, id("b").key()), None);
    assert_eq!(one.cancelled_at(session, id("a").key()), Some(Time(7)));
    assert_eq!(one.cancelled_at(session, id("a").key()), None);
    other.cancel(session, id("c").key(), Time(8));
    one.register(session, &[pending("c", 0)], Time(9));
    let Found::Some(found) = other.answer(session, id("c").key()) else { panic!("not found") };
    assert_eq!(found.cancelled_at, Some(Time(8)));
    assert_eq!(found.without_answer().0, Status::Cancelled);
}

#[test]
fn ok_requests_of_the_server_number_for_themselves() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.register(session, &[pending("0", 4)], Time(1));
    one.ask(session, &asked(id("0").key(), 4), Transport::StreamableHttp);
    assert!(matches!(other.reply(session, id("0").key(), Time(9_000)), Found::Some(_)));
    assert!(matches!(other.reply(session, id("0").key(), Time(9_000)), Found::Answered));
    assert_eq!(one.asked_on(session, 4).first().and_then(|asked| asked.answered_at), Some(Time(9_000)));
    assert!(matches!(one.claim(session, id("0").key(), 4), Found::Some(_)));
    assert!(one.finish(session, 4).asked.is_empty());
    assert!(one.asked_on(session, 4).is_empty());
}

#[test]
fn ok_the_end_of_a_session_finds_what_waits() {
    let (one, other, _) = pair();
    let (session, neighbour) = (one.session(b"", &Text::of(b"s")), one.session(b"", &Text::of(b"t")));
    one.register(session, &[pending("a", 0), pending("b", 0)], Time(1));
    one.register(session, &[pending("held", 5)], Time(1));
    one.register(neighbour, &[pending("a", 0)], Time(1));
    one.ask(session, &asked(id("q").key(), 0), Transport::StreamableHttp);
    let ended = other.end_links(session, Otherwise::NoResponse);
    assert_eq!((ended.operations.len(), ended.asked.len()), (2, 1));
    assert!(matches!(one.claim(session, id("held").key(), 5), Found::Some(_)));
    assert!(matches!(one.answer(neighbour, id("a").key()), Found::Some(_)));
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
        one.register(session, &[pending("a", 5), pending("b", 6)], Time(1));
        let left = Rc::new(RefCell::new(Vec::new()));
        let leave = {
            let left = left.clone();
            move || left.borrow_mut().extend(other.leave(session, 5, Otherwise::NoResponse, None, Time(2)))
        };
        let between = Rc::new(Interleaved {
            shared,
            writes_before: Cell::new(writes_before),
            meanwhile: RefCell::new(Some(Box::new(leave))),
        });
        let ending = Correlation::new(between.clone(), "test", [7; HASH_KEY_BYTES], 3);
        let mut ended = ending.end_links(session, Otherwise::NoResponse).operations.len();
        between.meanwhile.take().into_iter().for_each(|leave| leave());
        ended += left.borrow().len();
        assert_eq!(ended, 1, "after {writes_before} writes");
        assert_eq!(one.leave(session, 6, Otherwise::NoResponse, None, Time(3)).len(), 1);
        assert!(one.take_all(Time(4)).operations.is_empty());
    }
}

#[test]
fn ok_tasks_end_once() {
    let (one, other, _) = pair();
    let task = Text::of(b"task-1");
    one.begin_task(b"", &task, Some("report"));
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
        let mut pending = pending(&number.to_string(), 0);
        pending.operation.name = Some(name.as_str().into());
        given_way += one.register(session, &[pending], Time(1)).unwrap().operations.len();
        given_way += one.ask(session, &asked(id("q").key(), 0), Transport::StreamableHttp).operations.len();
        given_way += one.cancel(session, id("nothing").key(), Time(2)).operations.len();
        given_way += one.begin_session(session, &sessions::beginning(Time(1)), Time(1)).inactive.len();
        one.note_half(session, Half::Streams);
        one.begin_task(b"", &Text::of(&number.to_le_bytes()), Some(&name));
        one.note_event(one.event(session, number.into()));
        one.note_endpoint(&number.to_le_bytes());
    }
    one.save_events();
    assert!(given_way > 0);
    assert!(shared.size() < 3_000_000, "{}", shared.size());
}

#[test]
fn ok_a_value_of_unexpected_shape_counts_as_absent() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.register(session, &[pending("a", 0)], Time(1));
    let key = one.key('l', session.0 % 256);
    let version = shared.read(&key).map(|value| value.version);
    assert!(shared.write(&key, &[0xff; 40], version));
    assert!(matches!(one.answer(session, id("a").key()), Found::Nothing));
    one.register(session, &[pending("b", 0)], Time(1));
    assert!(matches!(one.answer(session, id("b").key()), Found::Some(_)));
}

/// Another version of the module reads these bytes: when they change, the number in [`super::KEY_PREFIX`] must.
#[test]
fn ok_layout_is_that_of_the_version_in_the_keys() {
    let mut pending = pending("a", 5);
    pending.operation.method = Method::Known(KnownMethod::SubscriptionAcknowledged);
    let operation = postcard::to_allocvec(&pending).unwrap();
    let asked = postcard::to_allocvec(&asked(id("q").key().of_server(), 7)).unwrap();
    assert_eq!(super::KEY_PREFIX, "mcp_observability/2/");
    let first = [0, 0, 1, 140, 217, 135, 176, 200, 137, 247, 177, 175, 1, 0, 35, 1, 3, 97, 100, 100, 0, 0, 0, 0, 0, 0];
    assert_eq!(operation, [first.as_slice(), &[0, 192, 132, 61, 5, 0, 0, 0, 1, 0]].concat());
    assert_eq!(asked, [0, 1, 1, 188, 143, 136, 176, 200, 137, 251, 177, 175, 1, 0, 15, 0, 136, 39, 7, 0]);
    let (one, _, shared) = pair();
    for digest in [1, 2] {
        one.note_event(one.event(SessionKey(65), digest));
    }
    one.save_events();
    assert_eq!(shared.read(&one.key('e', 1)).unwrap().bytes, [134, 155, 44, 112, 251, 240, 46, 35]);
}

#[test]
fn ok_a_slot_keeps_its_bound_with_links_of_any_shape() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let big = Time(1 << 55);
    for number in 0..300_u32 {
        let mut pending = pending(&number.to_string(), one.name_stream());
        pending.operation.name = Some("x".repeat(128).into());
        pending.operation.cursor = std::num::NonZeroU64::new(u64::MAX);
        pending.operation.protocol_version = Some(ProtocolVersion::Other);
        pending.operation.task_id = Some(Box::new(Text::start_of(vec![b'x'; 700], 0)));
        pending.server = Some("s".repeat(64).into());
        (pending.started, pending.otherwise) = (big, Otherwise::ClientLeft(big));
        (pending.cancelled_at, pending.paused) = (Some(big), Some(1 << 40));
        // Those on a stream of their own until there is no room for more of them, and then those that wait.
        if one.register(session, &[pending.clone()], big).is_none() {
            pending.stream = 0;
            one.register(session, &[pending], big).unwrap();
        }
        let mut asked = asked(id(&number.to_string()).key(), one.name_stream());
        (asked.server, asked.at) = (Some("s".repeat(64).into()), big);
        one.ask(session, &asked, Transport::StreamableHttp);
    }
    let size = shared.read(&one.key('l', session.0 % 256)).unwrap().bytes.len();
    assert!(size <= 8192, "{size}");
}
