//! Operations that only one VM knows, and what passes another VM meanwhile.

use super::links::Interleaved;
use super::{early_answer, id, open, pair, pending, server_request, stream};
use crate::correlation::links::{EarlyAnswer, Fallback, Lookup, PendingOperation};
use crate::correlation::{Correlation, HASH_KEY_BYTES, SessionKey};
use crate::host::Time;
use crate::id::RequestId;
use crate::label::Transport;
use crate::observation::Observation;
use crate::test;
use crate::text::Text;
use std::cell::Cell;
use std::rc::Rc;

const SECOND: u64 = 1_000_000_000;

fn session(vm: &Correlation) -> SessionKey {
    vm.session(b"", &Text::of(b"s"))
}

/// Keeps an operation that began at this time.
fn keep(vm: &Correlation, text: &str, number: u64, started: Time) {
    let pending = PendingOperation { started, ..pending(text, stream(number)) };
    vm.keep_operations(session(vm), open(number), vec![pending]);
}

/// An answer on a stream of this VM, as the exchange looks for its operation. Returns whether it ends one here.
fn answer(vm: &Correlation, text: &str, now: Time) -> bool {
    let found = match vm.take_operation(session(vm), id(text).key()) {
        Lookup::Unknown => vm.leave_early_answer(session(vm), &early_answer(text, now)).unwrap().0,
        found => found,
    };
    matches!(found, Lookup::Found(_))
}

/// What a tick reports.
fn tick(vm: &Correlation, now: Time) -> Vec<String> {
    let mut lines = Vec::new();
    vm.tick(now, &mut |_, observation| match observation {
        Observation::OperationEnded(end) => lines.push(format!("end {}", end.status.as_str())),
        Observation::Unmatched(reason) => lines.push(reason.as_str().to_owned()),
        Observation::SavingOperations => lines.push("shared".to_owned()),
        _ => {}
    });
    lines
}

fn time_of(answer: Option<Box<EarlyAnswer>>) -> Option<Time> {
    answer.map(|answer| answer.at)
}

#[test]
fn operation_is_saved_by_the_next_tick() {
    let (one, other, _) = pair();
    keep(&one, "a", 5, Time(1));
    assert!(one.has_kept_operations(session(&one)));
    assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Unknown));
    assert_eq!(tick(&one, Time(2)), ["shared"]);
    assert_eq!(tick(&one, Time(3)), [""; 0]);
    assert!(one.take_kept(open(5), id("a").key()).is_none());
    assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Found(_)));
}

#[test]
fn operation_that_is_answered_before_a_tick_is_not_saved() {
    let (one, other, shared) = pair();
    keep(&one, "a", 5, Time(1));
    assert!(one.take_kept(open(5), id("b").key()).is_none());
    assert!(one.take_kept(open(6), id("a").key()).is_none());
    assert!(one.take_kept(open(5), id("a").key()).is_some_and(|kept| kept.answer.is_none()));
    assert!(one.take_kept(open(5), id("a").key()).is_none());
    assert_eq!(shared.size(), 0);
    // This VM remembers it, and another one asks all VMs.
    assert!(one.was_answered_while_kept(session(&one), id("a").key()));
    assert!(!answer(&other, "a", Time(SECOND)));
    assert_eq!(tick(&other, Time(SECOND + 1)), [""; 0]);
    assert_eq!(tick(&one, Time(SECOND + 2)), ["duplicate"]);
    assert_eq!(tick(&other, Time(9 * SECOND)), [""; 0]);
}

#[test]
fn answer_before_a_tick_waits_for_the_stream_of_its_operation() {
    let (one, other, _) = pair();
    keep(&one, "a", 5, Time(1));
    assert!(!answer(&other, "a", Time(7)));
    assert!(!answer(&other, "a", Time(8)));
    assert_eq!(tick(&one, Time(9)), ["shared"]);
    // However long that stream stays open.
    let reports: Vec<String> =
        (1..1000).flat_map(|at| [tick(&other, Time(at * SECOND)), tick(&one, Time(at * SECOND))].concat()).collect();
    assert_eq!(reports, ["duplicate"], "the second answer");
    assert!(!one.has_kept_operations(session(&one)));
    let kept = one.take_kept(open(5), id("a").key()).unwrap();
    assert_eq!(time_of(kept.answer), Some(Time(7)));
    assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Answered));
}

#[test]
fn answer_before_its_request_is_of_another_operation() {
    let (one, other, _) = pair();
    assert!(!answer(&other, "a", Time(7)));
    keep(&one, "a", 5, Time(8));
    tick(&one, Time(9));
    assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Found(_)));
    assert_eq!(tick(&other, Time(4 * SECOND)), ["unknown_id"]);
}

#[test]
fn answer_with_number_as_string_finds_kept_operation() {
    let (one, other, _) = pair();
    let number = RequestId::number(&Text::of(b"5")).key();
    keep(&one, "5", 5, Time(1));
    other.leave_early_answer(session(&other), &EarlyAnswer { id: number, ..early_answer("5", Time(7)) });
    tick(&one, Time(8));
    let kept = one.take_kept(open(5), id("5").key()).unwrap();
    assert_eq!(time_of(kept.answer), Some(Time(7)));
}

#[test]
fn answer_to_trapped_vm_is_unmatched() {
    let (one, other, _) = pair();
    keep(&one, "a", 5, Time(1));
    assert!(!answer(&other, "a", Time(7)));
    drop(one);
    assert_eq!(tick(&other, Time(2 * SECOND)), [""; 0]);
    assert_eq!(tick(&other, Time(4 * SECOND)), ["unknown_id"]);
}

#[test]
fn answer_that_no_tick_checked_in_time_is_unmatched_once() {
    let (one, other, _) = pair();
    assert!(!answer(&other, "a", Time(7)));
    let ends: Vec<_> =
        (0..32).flat_map(|_| [tick(&one, Time(60 * SECOND)), tick(&other, Time(60 * SECOND))].concat()).collect();
    assert_eq!(ends, ["unknown_id"]);
}

#[test]
fn answers_beyond_the_maximum_are_unmatched() {
    let (one, other, _) = pair();
    let mut evicted = 0;
    for number in 0..20 {
        let text = number.to_string();
        let (_, ended) = other.leave_early_answer(session(&other), &early_answer(&text, Time(7))).unwrap();
        evicted += ended.early_answers().count();
    }
    assert_eq!(evicted, 4);
    assert_eq!(tick(&one, Time(4 * SECOND)).len(), 16);
}

#[test]
fn end_of_vm_saves_its_operations() {
    let (one, other, _) = pair();
    one.renew_lease(Time(1));
    other.renew_lease(Time(1));
    keep(&one, "a", 5, Time(1));
    one.stream_opened(open(5));
    one.end(Time(2), &mut |_, _| ());
    assert!(one.has_ended());
    assert!(matches!(other.take_operation(session(&other), id("a").key()), Lookup::Found(_)));
}

#[test]
fn end_of_last_vm_counts_early_answers() {
    let (one, _, _) = pair();
    one.renew_lease(Time(1));
    assert!(!answer(&one, "a", Time(2)));
    let mut reasons = 0;
    one.end(Time(3), &mut |_, observation| reasons += usize::from(matches!(observation, Observation::Unmatched(_))));
    assert_eq!(reasons, 1);
}

#[test]
fn cancellation_and_session_end_before_a_tick_are_applied() {
    let (one, other, _) = pair();
    keep(&one, "a", 5, Time(3));
    other.cancel_operation(session(&other), id("a").key(), Time(4));
    assert!(other.end_session_links(session(&other), Fallback::NoResponse, Time(5)).operations().next().is_none());
    // That it ended before does not concern a later stream.
    keep(&one, "b", 6, Time(6));
    tick(&one, Time(7));
    let found = |text, number| match one.take_own_operation(session(&one), id(text).key(), stream(number)) {
        Lookup::Found(pending) => (pending.cancelled_at, pending.has_session_ended),
        _ => panic!("{text} is not in the store"),
    };
    assert_eq!(found("a", 5), (Some(Time(4)), true));
    assert_eq!(found("b", 6), (None, false));
}

#[test]
fn operations_without_room_stay_in_their_vm() {
    let (one, other, _) = pair();
    for number in 1..=100 {
        keep(&one, &number.to_string(), number, Time(number));
    }
    assert_eq!(tick(&one, Time(101)).len(), 100);
    let is_saved = |number: u64| {
        let found = other.take_operation(session(&other), id(&number.to_string()).key());
        matches!(found, Lookup::Found(_))
    };
    let is_kept = |number: u64| one.take_kept(open(number), id(&number.to_string()).key()).is_some();
    let saved = (1..=100).filter(|number| is_saved(*number)).count();
    assert!((50..60).contains(&saved), "{saved}");
    assert!((1..=100).filter(|number| is_kept(*number)).count() == 100 - saved);
    // They are not tried again.
    assert_eq!(tick(&one, Time(102)), [""; 0]);
}

#[test]
fn answered_ids_beyond_the_maximum_are_forgotten() {
    let (one, _, _) = pair();
    for number in 1..=3000 {
        keep(&one, &number.to_string(), number, Time(number));
        assert!(one.take_kept(open(number), id(&number.to_string()).key()).is_some());
    }
    let known =
        (1..=3000).filter(|number: &u64| one.was_answered_while_kept(session(&one), id(&number.to_string()).key()));
    assert_eq!(known.collect::<Vec<_>>(), (953..=3000).collect::<Vec<_>>());
}

/// The own stream ends, and another VM brings an answer before one of the writes of that.
#[test]
fn operation_ends_once_if_stream_end_and_answer_come_together() {
    for waits in [false, true] {
        for writes_before in 0..4 {
            let (_, other, shared) = pair();
            let answers = Rc::new(Cell::new(0));
            let meanwhile = {
                let answers = answers.clone();
                move || answers.set(answers.get() + u32::from(answer(&other, "a", Time(7))))
            };
            let between = Rc::new(Interleaved::new(shared, writes_before, Box::new(meanwhile)));
            let one = Correlation::new(between.clone(), "test", [7; HASH_KEY_BYTES], 3);
            keep(&one, "a", 5, Time(1));
            let mut ends = stream_ends(&one, waits);
            between.run();
            if waits && let Lookup::Found(_) = one.take_operation(session(&one), id("a").key()) {
                ends += 1;
            }
            assert_eq!(ends + answers.get(), 1, "waits: {waits}, after {writes_before} writes");
            // If the stream's end was counted, the answer is a second one.
            let unmatched: Vec<_> = (1..64).flat_map(|at| tick(&one, Time(at * SECOND))).collect();
            assert!(unmatched.iter().all(|line| line != "end"), "{unmatched:?}");
        }
    }
}

/// Ends the stream as an exchange does. Returns how many operations end with it.
fn stream_ends(vm: &Correlation, waits: bool) -> u32 {
    vm.save_kept_operations(session(vm), Time(8));
    let early = vm.take_all_kept(open(5)).len() as u32;
    if waits {
        return early
            + vm.detach_stream(session(vm), open(5), Fallback::NoResponse, Some(0), Time(9)).operations().count()
                as u32;
    }
    let found: Lookup<Box<PendingOperation>> = vm.take_own_operation(session(vm), id("a").key(), stream(5));
    early + u32::from(matches!(found, Lookup::Found(_)))
}

#[test]
fn server_request_does_not_answer_an_early_answer() {
    let (one, other, _) = pair();
    assert!(!answer(&other, "0", Time(7)));
    one.add_server_request(session(&one), &server_request(id("0").key(), stream(4)), Transport::StreamableHttp);
    assert!(matches!(one.end_server_request(session(&one), id("0").key(), Time(9_000)), Lookup::Found(_)));
    assert_eq!(tick(&one, Time(4 * SECOND)), ["unknown_id"]);
}
