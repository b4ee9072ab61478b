//! What ends without an answer, and what goes on waiting for one.

use super::{asked, id, pair, pending};
use crate::config::Config;
use crate::correlation::links::{EXPIRY, Found};
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
fn sweep(vm: &Correlation, now: Time) -> usize {
    (0..32).map(|_| vm.sweep(now).operations.len()).sum()
}

/// Operations that end with the VM.
fn end(vm: &Correlation, now: Time) -> usize {
    let mut ended = 0;
    vm.end(now, &mut |_, _| ended += 1);
    ended
}

fn register_legacy(vm: &Correlation, name: &str) {
    let mut pending = pending(name, 0);
    pending.operation.transport = Transport::HttpSse;
    vm.register(session(vm), &[pending], Time(1));
}

#[test]
fn ok_what_waits_too_long_is_swept_once() {
    let (one, other, _) = pair();
    one.register(session(&one), &[pending("a", 0)], Time(1));
    let late = Time(EXPIRY.as_nanos() as u64 + 2);
    assert_eq!(sweep(&one, Time(2)), 0);
    assert_eq!(sweep(&one, late) + sweep(&other, late), 1);
}

#[test]
fn ok_an_open_stream_holds_what_waits_for_it_against_all_vms() {
    let (one, other, _) = pair();
    let session = session(&one);
    one.register(session, &[pending("own", 5), pending("elsewhere", 0)], Time(1));
    one.ask(session, &asked(id("q").key(), 5), Transport::StreamableHttp);
    register_legacy(&one, "legacy");
    // Two streams of one session: while one of them is open, it is held.
    for name in [5, session.stream(), session.stream()] {
        other.hold(name);
    }
    other.release(session.stream());
    let ended: usize = (1..60).map(|minute| sweep(&one, minutes(minute)) + sweep(&other, minutes(minute))).sum();
    assert_eq!(ended, 1, "what no open stream holds");
    assert_eq!(one.asked_on(session, 5).len(), 1);
    assert!(matches!(one.claim(session, id("own").key(), 5), Found::Some(_)));
    assert!(matches!(one.answer(session, id("legacy").key()), Found::Some(_)));
}

#[test]
fn ok_what_a_vm_that_vanished_held_ends() {
    let (one, other, _) = pair();
    let session = session(&one);
    one.register(session, &[pending("own", 5)], Time(1));
    register_legacy(&one, "legacy");
    other.hold(5);
    other.hold(session.stream());
    assert_eq!(sweep(&other, minutes(4)), 0);
    drop(other);
    assert_eq!(sweep(&one, minutes(8)), 0);
    assert_eq!(sweep(&one, minutes(10)), 2);
}

#[test]
fn ok_the_last_vm_of_a_server_ends_what_is_left() {
    let (one, other, _) = pair();
    one.stay(Time(1));
    other.stay(Time(1));
    one.register(session(&one), &[pending("a", 0), pending("b", 0)], Time(2));
    one.ask(session(&one), &asked(id("q").key(), 0), Transport::StreamableHttp);
    assert_eq!(end(&one, Time(3)), 0);
    assert_eq!(end(&other, Time(3)), 3);
    assert!(matches!(one.answer(session(&one), id("a").key()), Found::Nothing));
}

#[test]
fn ok_a_vm_that_is_configured_before_the_others_go_keeps_what_waits() {
    let (before, after, _) = pair();
    before.stay(Time(1));
    before.register(session(&before), &[pending("a", 0)], Time(2));
    for minute in 1..10 {
        before.stay(minutes(minute));
    }
    after.stay(minutes(10));
    assert_eq!(end(&before, Time(minutes(10).0 + 1)), 0);
    assert!(matches!(after.answer(session(&after), id("a").key()), Found::Some(_)));
}

#[test]
fn ok_a_vm_without_a_word_does_not_count() {
    let (one, other, _) = pair();
    // Configured only, as Envoy does when it tries a configuration.
    other.stay(Time(1));
    one.stay(Time(1));
    one.register(session(&one), &[pending("a", 0)], Time(2));
    assert_eq!(end(&one, minutes(1)), 1);
    // One that trapped after a while.
    let (one, other, _) = pair();
    for minute in 1..10 {
        one.stay(minutes(minute));
        other.stay(minutes(minute));
    }
    one.register(session(&one), &[pending("a", 0)], minutes(9));
    one.stay(minutes(11));
    assert_eq!(end(&one, minutes(11)), 1);
}

#[test]
fn ok_what_a_stream_of_the_last_vm_holds_ends_with_that_stream() {
    let (one, _, _) = pair();
    one.stay(Time(1));
    one.register(session(&one), &[pending("a", 5)], Time(2));
    one.hold(5);
    assert_eq!(end(&one, Time(3)), 0);
    assert!(matches!(one.claim(session(&one), id("a").key(), 5), Found::Some(_)));
}

#[test]
fn ok_plugins_with_other_extra_methods_share_no_links() {
    let shared = Rc::new(InMemory::default());
    let vm = |methods: &str| {
        let config = format!(r#"{{"extra_methods":[{methods}]}}"#);
        let config = Config::from_json(config.as_bytes(), &|_| None).unwrap();
        Correlation::new(shared.clone(), &config.namespace(), [7; HASH_KEY_BYTES], 1)
    };
    let one = vm(r#""skills/list","skills/get""#);
    one.register(session(&one), &[pending("a", 0)], Time(1));
    for others in [r#""skills/get","skills/list""#, r#""skills/list""#, ""] {
        let other = vm(others);
        assert!(matches!(other.answer(session(&other), id("a").key()), Found::Nothing), "{others}");
    }
    let same = vm(r#""skills/list","skills/get""#);
    assert!(matches!(same.answer(session(&same), id("a").key()), Found::Some(_)));
}
