//! Sizes and layout of what is stored.

use super::sessions::new_session;
use super::{early_answer, id, pair, pending, server_request, stream};
use crate::correlation::coverage::{self, Traffic};
use crate::correlation::links::{self, Fallback, Lookup};
use crate::correlation::sessions::NewSession;
use crate::correlation::{MAX_BYTES, SessionKey, TABLES, endpoints, event_ids, leases, sessions, tasks};
use crate::host::{SharedData as _, Time};
use crate::label::{KnownMethod, Method, ProtocolVersion, Transport};
use crate::read::message::{Outcome, RpcErrorCode};
use crate::shared_data::KEY_PREFIX;
use crate::test;
use crate::text::Text;

#[test]
fn store_of_full_tables_is_within_its_bound() {
    let (one, _, shared) = pair();
    let mut evicted = 0;
    let name = "x".repeat(128);
    for number in 0..6_000_u32 {
        let session = one.session(b"", &Text::of(&number.to_le_bytes()));
        let mut pending = pending(&number.to_string(), None);
        pending.operation.name = Some(name.as_str().into());
        evicted += one.save_operations(session, &[pending], Time(1)).unwrap().0.operations().count();
        evicted += one
            .add_server_request(session, &server_request(id("q").key(), None), Transport::StreamableHttp)
            .operations()
            .count();
        evicted += one.cancel_operation(session, id("nothing").key(), Time(2)).operations().count();
        one.leave_early_answer(session, &early_answer("nothing", Time(2)));
        one.end_session_links(session, Fallback::NoResponse, Time(2));
        evicted += one.start_session(session, &new_session(Time(1)), Time(1)).inactive.len();
        one.remember_traffic(session, Traffic::Streams);
        one.start_task(b"", &Text::of(&number.to_le_bytes()), Some(&name));
        one.remember_event(one.event_key(session, number.into()));
        one.remember_endpoint(&number.to_le_bytes());
    }
    one.save_event_ids();
    assert!(evicted > 0);
    for table in TABLES {
        let sizes = (0..table.slots).filter_map(|slot| Some(shared.read(&one.key(&table, slot))?.bytes.len()));
        let largest = sizes.max().unwrap_or_default();
        assert!(largest <= table.max_bytes, "{table:?}: {largest}");
    }
    assert!(shared.size() <= MAX_BYTES, "{}", shared.size());
}

#[test]
fn page_and_module_docs_have_the_bound_of_the_store() {
    let hundredths = (MAX_BYTES * 100).div_ceil(1024 * 1024);
    let bound = format!("{}.{:02} MiB", hundredths / 100, hundredths % 100);
    assert!(
        include_str!("../../../../../docs/protocol.md").contains(&format!("| memory | {bound} per server name")),
        "{bound}"
    );
    assert!(include_str!("../../correlation.rs").contains(&format!("with the keys ({bound})")), "{bound}");
}

#[test]
fn value_of_unexpected_shape_counts_as_missing() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.save_operations(session, &[pending("a", None)], Time(1));
    let key = one.key(&links::TABLE, session.0);
    let version = shared.read(&key).map(|value| value.version);
    assert!(shared.write(&key, &[0xff; 40], version));
    assert!(matches!(one.take_operation(session, id("a").key()), Lookup::Unknown));
    one.save_operations(session, &[pending("b", None)], Time(1));
    assert!(matches!(one.take_operation(session, id("b").key()), Lookup::Found(_)));
}

/// Other versions of the module read these bytes: when they change, the number in [`KEY_PREFIX`] must.
#[test]
fn stored_bytes_are_those_of_the_number_in_the_keys() {
    let (one, _, shared) = pair();
    let session = SessionKey(65);
    let stored = |table, hash| shared.read(&one.key(table, hash)).unwrap().bytes;
    let mut pending = pending("a", stream(5));
    pending.operation.method = Method::Known(KnownMethod::SubscriptionAcknowledged);
    one.save_operations(session, &[pending], Time(9));
    one.add_server_request(session, &server_request(id("q").key().of_server(), stream(7)), Transport::StreamableHttp);
    one.cancel_operation(session, id("c").key(), Time(10));
    one.leave_early_answer(session, &early_answer("e", Time(10)));
    one.end_session_links(SessionKey(64 + 257), Fallback::NoResponse, Time(10));
    one.start_session(session, &new_session(Time(11)), Time(12));
    one.remember_traffic(session, Traffic::Streams);
    one.start_task(b"", &Text::of(b"t"), Some("add"));
    [1, 2].into_iter().for_each(|digest| one.remember_event(one.event_key(session, digest)));
    one.save_event_ids();
    one.remember_endpoint(b"/m/7");
    one.remember_stream_path(b"", b"/sse");
    one.renew_lease(Time(13));
    assert_eq!(KEY_PREFIX, "mcp_observability/5/");
    let operation = [
        &[65, 0, 9, 192, 132, 61, 5, 0, 0, 0, 1, 0, 0][..],
        &[0, 0, 1, 140, 217, 135, 176, 200, 137, 247, 177, 175, 1, 0, 35, 1, 3, 97, 100, 100, 0, 0, 0, 0, 0, 0, 0, 3],
    ];
    let request = [65, 1, 136, 39, 0, 1, 1, 188, 143, 136, 176, 200, 137, 251, 177, 175, 1, 0, 15, 136, 39, 7, 0, 0];
    let cancelled = [65, 2, 0, 0, 1, 242, 223, 135, 176, 200, 201, 247, 177, 175, 1, 10];
    let answer = [
        &[65, 4, 0, 0, 1, 192, 203, 135, 176, 200, 137, 246, 177, 175, 1, 10][..],
        &[1, 0, 0, 100, 0, 1, 0, 0, 0, 0, 0, 0],
    ];
    let ended = [193, 2, 5, 10];
    let links = [&[5], &operation.concat()[..], &request, &cancelled, &answer.concat(), &ended].concat();
    assert_eq!(stored(&links::TABLE, 65), links, "a new layout, or a variant that is not at the end of its enum");
    assert_eq!(stored(&links::LISTED_SLOTS, 65), [65, 242, 5, 42, 1, 0, 0, 0]);
    let started = [&[1, 65, 12, 1, 12][..], b"weather-desk", &[1, 12, 3, 0, 1, 0]].concat();
    assert_eq!(stored(&sessions::TABLE, 65), started);
    assert_eq!(stored(&coverage::TABLE, 65), [65, 0, 0, 0, 0, 0, 0, 0]);
    let task = one.hash(&[b"task", b"", &1_u64.to_le_bytes(), &Text::of(b"t").digest().to_le_bytes()]);
    let [count, rest @ ..] = &stored(&tasks::TABLE, task)[..] else { panic!("no task") };
    assert_eq!((count, rest.split_at(rest.len() - 6).1), (&1, &[0, 1, 3, b'a', b'd', b'd'][..]));
    assert_eq!(stored(&event_ids::TABLE, 65), [134, 155, 44, 112, 251, 240, 46, 35]);
    assert_eq!(stored(&endpoints::ENDPOINTS, 0), [221, 5, 150, 100, 73, 244, 105, 239]);
    assert_eq!(stored(&endpoints::STREAM_PATHS, 0), [212, 249, 138, 92, 126, 59, 70, 139]);
    assert_eq!(stored(&leases::TABLE, 0), [1, 0, 0, 0, 0, 0, 0, 0, 13, 148, 53, 119, 0, 0, 0, 0]);
}

#[test]
fn slot_of_largest_sessions_is_within_its_bound() {
    let (one, _, shared) = pair();
    let big = Time(1 << 55);
    let new = NewSession {
        protocol_version: ProtocolVersion::Other,
        transport: Transport::HttpSse,
        server: Some("s".repeat(64).into()),
        client_name: Some("c".repeat(256).into()),
        requested_at: big,
    };
    for number in 0..100 {
        one.start_session(SessionKey(u64::MAX - (number << 6)), &new, big);
    }
    let size = shared.read(&one.key(&sessions::TABLE, u64::MAX)).unwrap().bytes.len();
    assert!(size <= sessions::TABLE.max_bytes && size > 4_000, "{size}");
}

#[test]
fn slot_of_largest_links_is_within_its_bound() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let big = Time(1 << 55);
    for number in 0..300_u32 {
        let mut pending = pending(&number.to_string(), Some(one.new_stream_id()));
        pending.operation.name = Some("x".repeat(128).into());
        pending.operation.client_name = Some("c".repeat(256).into());
        pending.operation.cursor = std::num::NonZeroU64::new(u64::MAX);
        pending.operation.protocol_version = Some(ProtocolVersion::Other);
        pending.operation.task_id = Some(Box::new(Text::start_of(vec![b'x'; 700], 0)));
        pending.operation.request_bytes = u64::MAX;
        pending.operation.tool = std::num::NonZeroU64::new(u64::MAX);
        pending.server = Some("s".repeat(64).into());
        (pending.started, pending.fallback) = (big, Fallback::ClientLeft(big));
        (pending.cancelled_at, pending.client_wait) = (Some(big), Some(1 << 40));
        // Those on a stream of their own until there is no room for more of them, and then those that wait.
        if one.save_operations(session, &[pending.clone()], big).is_none() {
            pending.stream = None;
            one.save_operations(session, &[pending], big).unwrap();
        }
        let mut request = server_request(id(&number.to_string()).key(), Some(one.new_stream_id()));
        (request.server, request.sent_at) = (Some("s".repeat(64).into()), big);
        one.add_server_request(session, &request, Transport::StreamableHttp);
        let mut answer = early_answer(&number.to_string(), big);
        let task = Some(Box::new(Text::start_of(vec![b'x'; 700], 0)));
        let result = Outcome { task: true, task_id: task.clone(), announced_task: task, ..Outcome::default() };
        (answer.bytes, answer.result, answer.server) = (u64::MAX, Some(result), Some("s".repeat(64).into()));
        answer.error = Some(RpcErrorCode::Integer(i64::MIN));
        one.leave_early_answer(session, &answer);
    }
    let size = shared.read(&one.key(&links::TABLE, session.0)).unwrap().bytes.len();
    assert!(size <= 8192, "{size}");
}
