//! Sessions: each counts once as active, until it ends, is idle, or is evicted.

use super::{HASH_KEY_BYTES, pair};
use crate::correlation::sessions::{ActiveSession, NewSession};
use crate::correlation::{Correlation, SessionKey};
use crate::host::Time;
use crate::label::{ProtocolVersion, Transport};
use crate::observation::Observation;
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::rc::Rc;

const MINUTE: u64 = 60_000_000_000;

pub(super) fn new_session(requested_at: Time) -> NewSession {
    NewSession {
        protocol_version: ProtocolVersion::V2025_06_18,
        transport: Transport::StreamableHttp,
        server: None,
        client_name: Some("weather-desk".into()),
        requested_at,
    }
}

fn active() -> Vec<ActiveSession> {
    vec![ActiveSession { transport: Transport::StreamableHttp, server: None }]
}

/// What the ticks of a while add to the gauge.
fn ticks(vm: &Correlation, now: Time) -> i64 {
    let mut gauge = 0;
    for _ in 0..64 {
        vm.tick(now, &mut |_, observation| gauge += change(&observation));
    }
    gauge
}

fn change(observation: &Observation<'_>) -> i64 {
    match observation {
        Observation::SessionActive(_) => 1,
        Observation::SessionInactive(_) => -1,
        _ => 0,
    }
}

/// An exchange of the session, by the digest of its id.
fn exchange(vm: &Correlation, session: SessionKey) {
    if vm.exchange_started(session.0, true).is_none() {
        vm.first_exchange_started(session.0, session, true);
    }
    vm.exchange_ended(session.0);
}

#[test]
fn second_end_of_session_changes_nothing() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    let started = one.start_session(session, &new_session(Time(2)), Time(3));
    assert_eq!((started.other_end, started.inactive), (None, vec![]));
    assert_eq!(other.protocol_version(session), Some(ProtocolVersion::V2025_06_18));
    let ended = other.end_session(session, Some(Time(4)));
    assert_eq!((ended.other_end, ended.inactive), (Some(Time(3)), active()));
    let again = one.end_session(session, None);
    assert_eq!((again.other_end, again.inactive), (None, vec![]));
}

#[test]
fn session_deleted_before_its_start_is_over_at_its_start() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    assert_eq!(one.end_session(session, Some(Time(5))).other_end, None);
    let started = other.start_session(session, &new_session(Time(4)), Time(6));
    assert_eq!((started.other_end, started.inactive), (Some(Time(5)), active()));
    assert_eq!(other.end_session(session, None).other_end, None);
    // A trace from before is of an earlier session with this id.
    assert_eq!(one.end_session(session, Some(Time(7))).other_end, None);
    let started = other.start_session(session, &new_session(Time(8)), Time(9));
    assert_eq!((started.other_end, started.inactive), (None, vec![]));
    assert_eq!(one.end_session(session, Some(Time(10))).other_end, Some(Time(9)));
}

#[test]
fn session_started_twice_counts_once() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    assert_eq!(one.start_session(session, &new_session(Time(2)), Time(3)).inactive, vec![]);
    assert_eq!(other.start_session(session, &new_session(Time(4)), Time(5)).inactive, active());
    assert_eq!(one.end_session(session, Some(Time(6))).inactive, active());
}

#[test]
fn session_that_cannot_be_written_is_inactive() {
    let (one, _, shared) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    shared.refuse(true);
    assert_eq!(one.start_session(session, &new_session(Time(2)), Time(3)).inactive, active());
}

#[test]
fn idle_session_is_inactive_until_its_next_exchange() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.start_session(session, &new_session(Time(1)), Time(1));
    for vm in [&one, &other] {
        assert_eq!(ticks(vm, Time(20 * MINUTE)), 0);
    }
    // What passes one VM keeps it for all.
    exchange(&other, session);
    for minute in [21, 23] {
        assert_eq!(ticks(&other, Time(minute * MINUTE)), 0);
    }
    assert_eq!(ticks(&one, Time(50 * MINUTE)), 0);
    assert_eq!(ticks(&one, Time(51 * MINUTE)), -1);
    assert_eq!(ticks(&other, Time(52 * MINUTE)), 0);
    assert!(one.end_session(one.session(b"", &Text::of(b"another")), None).inactive.is_empty());
    // Both see it come back, and it counts once.
    for vm in [&one, &other] {
        exchange(vm, session);
    }
    assert_eq!(ticks(&one, Time(60 * MINUTE)) + ticks(&other, Time(60 * MINUTE)), 1);
    assert_eq!(other.end_session(session, None).inactive, active());
}

#[test]
fn returning_session_is_active_at_next_tick() {
    let (one, _, _) = pair();
    one.renew_lease(Time(1));
    let session = one.session(b"", &Text::of(b"s"));
    one.start_session(session, &new_session(Time(1)), Time(1));
    assert_eq!(ticks(&one, Time(40 * MINUTE)), -1);
    exchange(&one, session);
    let mut gauge = 0;
    one.tick(Time(41 * MINUTE), &mut |_, observation| gauge += change(&observation));
    assert_eq!(gauge, 1);
}

#[test]
fn session_used_just_before_it_is_idle_stays_active() {
    let (one, other, _) = pair();
    for vm in [&one, &other] {
        vm.renew_lease(Time(1));
        assert_eq!(ticks(vm, Time(6 * MINUTE)), 0);
    }
    let session = one.session(b"", &Text::of(b"s"));
    one.start_session(session, &new_session(Time(6 * MINUTE)), Time(6 * MINUTE));
    exchange(&other, session);
    assert_eq!(ticks(&other, Time(36 * MINUTE - 1)), 0);
    assert_eq!(ticks(&one, Time(36 * MINUTE)), 0);
}

#[test]
fn session_with_open_exchange_stays_active() {
    let (one, _, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    one.start_session(session, &new_session(Time(1)), Time(1));
    one.first_exchange_started(session.0, session, false);
    for minute in (10..90).step_by(10) {
        assert_eq!(ticks(&one, Time(minute * MINUTE)), 0, "{minute}");
    }
    one.exchange_ended(session.0);
    assert_eq!(ticks(&one, Time(91 * MINUTE)), 0);
    assert_eq!(ticks(&one, Time(122 * MINUTE)), -1);
}

#[test]
fn evicted_session_is_inactive() {
    let (one, _, _) = pair();
    let mut gauge = 0;
    for number in 0..500_u64 {
        gauge += 1 - one.start_session(SessionKey(number << 6), &new_session(Time(1)), Time(number + 1)).inactive.len();
    }
    assert_eq!(gauge, 103);
    // The ones that were used last have stayed.
    assert!(!one.end_session(SessionKey(499 << 6), None).inactive.is_empty());
    assert!(one.end_session(SessionKey(1 << 6), None).inactive.is_empty());
    let mut left = 0;
    one.end(Time(1_000), &mut |_, observation| left += change(&observation));
    assert_eq!(left, -102);
}

#[test]
fn end_of_last_vm_deactivates_all_sessions() {
    let (one, other, _) = pair();
    let session = one.session(b"", &Text::of(b"s"));
    for vm in [&one, &other] {
        vm.renew_lease(Time(1));
    }
    one.start_session(session, &new_session(Time(2)), Time(3));
    let mut gauge = 0;
    one.end(Time(4), &mut |_, observation| gauge += change(&observation));
    assert_eq!(gauge, 0);
    // A stream that outlives its plugin: another VM still follows.
    let late = one.session(b"", &Text::of(b"late"));
    assert_eq!(one.start_session(late, &new_session(Time(5)), Time(6)).inactive, vec![]);
    other.end(Time(7), &mut |_, observation| gauge += change(&observation));
    assert_eq!(gauge, -2);
    let latest = one.session(b"", &Text::of(b"latest"));
    assert_eq!(one.start_session(latest, &new_session(Time(8)), Time(9)).inactive, active());
}

#[test]
fn vm_evicts_sessions_without_open_exchange() {
    let shared = Rc::new(InMemory::default());
    let vm = Correlation::new(shared, "test", [7; HASH_KEY_BYTES], 1);
    for number in 0..20_000 {
        vm.first_exchange_started(number, SessionKey(number), true);
        vm.exchange_ended(number);
        assert!(vm.activity.borrow().sessions.len() <= 500);
    }
    for number in 20_000..30_000 {
        vm.first_exchange_started(number, SessionKey(number), true);
    }
    assert!(vm.activity.borrow().sessions.contains_key(&20_000), "an open exchange");
}
