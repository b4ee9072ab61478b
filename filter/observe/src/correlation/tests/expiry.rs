//! What ends without an answer, and what goes on waiting for one.

use super::{id, open, pair, pending, server_request, stream};
use crate::config::Config;
use crate::correlation::links::{EXPIRY, Lookup};
use crate::correlation::{Correlation, HASH_KEY_BYTES, SessionKey};
use crate::host::Time;
use crate::label::Transport;
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::rc::Rc;

fn minutes(minutes: u64) -> Time {
    Time(minutes * 60_000_000_000)
}

fn session(vm: &Correlation) -> SessionKey {
    vm.session(b"", &Text::of(b"s"))
}

/// Operations that end in all slots.
fn expire(vm: &Correlation, now: Time) -> usize {
    (0..32).map(|_| vm.expire_links(now).operations().count()).sum()
}

/// Operations that end with the VM.
fn end(vm: &Correlation, now: Time) -> usize {
    let mut ended = 0;
    vm.end(now, &mut |_, _| ended += 1);
    ended
}

fn register_legacy(vm: &Correlation, name: &str) {
    let mut pending = pending(name, None);
    pending.operation.transport = Transport::HttpSse;
    vm.save_operations(session(vm), &[pending], Time(1));
}

#[test]
fn link_expires_once() {
    let (one, other, _) = pair();
    one.save_operations(session(&one), &[pending("a", None)], Time(1));
    let late = Time(EXPIRY.as_nanos() as u64 + 2);
    assert_eq!(expire(&one, Time(2)), 0);
    assert_eq!(expire(&one, late) + expire(&other, late), 1);
}

#[test]
fn links_of_open_stream_do_not_expire_in_any_vm() {
    let (one, other, _) = pair();
    let session = session(&one);
    one.save_operations(session, &[pending("own", stream(5)), pending("elsewhere", None)], Time(1));
    one.add_server_request(session, &server_request(id("q").key(), stream(5)), Transport::StreamableHttp);
    register_legacy(&one, "legacy");
    // Two streams of one session: while one of them is open, it is held.
    for stream in [open(5), session.stream_id(), session.stream_id()] {
        other.stream_opened(stream);
    }
    other.stream_closed(session.stream_id());
    let ended: usize = (1..60).map(|minute| expire(&one, minutes(minute)) + expire(&other, minutes(minute))).sum();
    assert_eq!(ended, 1, "what no open stream holds");
    assert_eq!(one.client_wait(session, open(5), minutes(60)), None);
    assert!(matches!(one.take_own_operation(session, id("own").key(), stream(5)), Lookup::Found(_)));
    assert!(matches!(one.take_operation(session, id("legacy").key()), Lookup::Found(_)));
}

#[test]
fn links_of_trapped_vm_expire() {
    let (one, other, _) = pair();
    let session = session(&one);
    one.save_operations(session, &[pending("own", stream(5))], Time(1));
    register_legacy(&one, "legacy");
    other.stream_opened(open(5));
    other.stream_opened(session.stream_id());
    assert_eq!(expire(&other, minutes(4)), 0);
    drop(other);
    assert_eq!(expire(&one, minutes(8)), 0);
    assert_eq!(expire(&one, minutes(10)), 2);
}

#[test]
fn end_of_last_vm_ends_all_links() {
    let (one, other, _) = pair();
    one.renew_lease(Time(1));
    other.renew_lease(Time(1));
    one.save_operations(session(&one), &[pending("a", None), pending("b", None)], Time(2));
    one.add_server_request(session(&one), &server_request(id("q").key(), None), Transport::StreamableHttp);
    assert_eq!(end(&one, Time(3)), 0);
    assert_eq!(end(&other, Time(3)), 3);
    assert!(matches!(one.take_operation(session(&one), id("a").key()), Lookup::Unknown));
}

#[test]
fn links_outlive_a_vm_that_another_one_replaces() {
    let (before, after, _) = pair();
    before.renew_lease(Time(1));
    before.save_operations(session(&before), &[pending("a", None)], Time(2));
    for minute in 1..10 {
        before.renew_lease(minutes(minute));
    }
    after.renew_lease(minutes(10));
    assert_eq!(end(&before, Time(minutes(10).0 + 1)), 0);
    assert!(matches!(after.take_operation(session(&after), id("a").key()), Lookup::Found(_)));
}

#[test]
fn vm_without_a_valid_lease_does_not_count() {
    let (one, other, _) = pair();
    // Configured only, as Envoy does when it tries a configuration.
    other.renew_lease(Time(1));
    one.renew_lease(Time(1));
    one.save_operations(session(&one), &[pending("a", None)], Time(2));
    assert_eq!(end(&one, minutes(1)), 1);
    // One that trapped after a while.
    let (one, other, _) = pair();
    for minute in 1..10 {
        one.renew_lease(minutes(minute));
        other.renew_lease(minutes(minute));
    }
    one.save_operations(session(&one), &[pending("a", None)], minutes(9));
    one.renew_lease(minutes(11));
    assert_eq!(end(&one, minutes(11)), 1);
}

#[test]
fn end_of_last_vm_keeps_links_of_its_open_streams() {
    let (one, _, _) = pair();
    one.renew_lease(Time(1));
    one.save_operations(session(&one), &[pending("a", stream(5))], Time(2));
    one.stream_opened(open(5));
    assert_eq!(end(&one, Time(3)), 0);
    assert!(matches!(one.take_own_operation(session(&one), id("a").key(), stream(5)), Lookup::Found(_)));
}

#[test]
fn plugins_with_different_extra_methods_share_no_links() {
    let shared = Rc::new(InMemory::default());
    let vm = |methods: &str| {
        let config = format!(r#"{{"extra_methods":[{methods}]}}"#);
        let config = Config::from_json(config.as_bytes(), &|_| None).unwrap();
        Correlation::new(shared.clone(), &config.namespace(), [7; HASH_KEY_BYTES], 1)
    };
    let one = vm(r#""skills/list","skills/get""#);
    one.save_operations(session(&one), &[pending("a", None)], Time(1));
    for others in [r#""skills/get","skills/list""#, r#""skills/list""#, ""] {
        let other = vm(others);
        assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Unknown), "{others}");
    }
    let same = vm(r#""skills/list","skills/get""#);
    assert!(matches!(same.take_operation(session(&same), id("a").key()), Lookup::Found(_)));
}
