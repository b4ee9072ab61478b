//! What passes another worker, or the same one, between a request and the headers of its response.
//!
//! A worker that is behind sees the headers of an event stream late. Meanwhile its session may be cancelled, answered on the GET
//! stream, and ended. The operation is counted once, and waits no longer than its own stream.

use super::{answer, brief, call, delete, event, in_session, stream};
use crate::test;
use crate::testing::{Log, Proxy, Script};

const CANCEL: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;

/// What is counted if `meanwhile` plays before the response `own` begins. `ticks` says whether the workers tick before it ends.
fn counted(own: &Script, meanwhile: &[Script], is_one_worker: bool, ticks: bool) -> Vec<String> {
    let one = Proxy::default();
    let second = one.other_worker();
    let other = if is_one_worker { &one } else { &second };
    let tick = || [one.tick_once(), second.tick_once()].concat();
    // Early answers are left only if a worker ticks.
    let mut lines = tick();
    let mut log = Log::default();
    let mut post = one.begin(own, &mut log);
    lines.extend(meanwhile.iter().flat_map(|script| script.play_in(other)));
    post.respond(&mut log);
    lines.append(&mut log.lines);
    if ticks {
        lines.extend(tick());
    }
    lines.extend(post.finish());
    lines.extend(tick());
    let mut lines = brief(lines);
    lines.retain(|line| line.starts_with("end ") || line.starts_with("unmatched "));
    lines
}

fn check(own: &Script, meanwhile: &[Script], expected: &str) {
    for is_one_worker in [true, false] {
        for ticks in [false, true] {
            let counted = counted(own, meanwhile, is_one_worker, ticks);
            assert_eq!(counted, [expected], "one worker: {is_one_worker}, ticks: {ticks}");
        }
    }
}

fn cancel() -> Script {
    in_session(CANCEL).answered(202, "", "")
}

fn without_answer(first: &str) -> Script {
    in_session(&call(1)).sse(first)
}

#[test]
fn operation_of_a_session_that_ended_ends_with_its_stream() {
    for first in [":\n", "id: 1\ndata: \n\n"] {
        check(&without_answer(first), &[delete(200)], "end tools/call error/no_response");
        check(&without_answer(first), &[cancel(), delete(200)], "end tools/call cancelled");
    }
}

/// As it does if the session ends after the response.
#[test]
fn operation_of_a_session_that_ended_ends_with_a_response_without_answer() {
    for (meanwhile, expected) in [
        (vec![delete(200)], "end tools/call error/no_response"),
        (vec![cancel(), delete(200)], "end tools/call cancelled"),
    ] {
        let own = in_session(&call(1)).answered(202, "", "");
        let proxy = Proxy::default();
        let later: Vec<_> = std::iter::once(&own).chain(&meanwhile).flat_map(|one| one.play_in(&proxy)).collect();
        let later = brief(later);
        assert!(later.contains(&expected.to_owned()), "{later:?}");
        check(&own, &meanwhile, expected);
    }
}

#[test]
fn answer_on_the_get_stream_ends_the_operation() {
    let get = stream().sse(&event("", &answer(1)));
    for first in [":\n", "id: 1\ndata: \n\n"] {
        check(&without_answer(first), std::slice::from_ref(&get), "end tools/call ok");
        check(&without_answer(first), &[get.clone(), delete(200)], "end tools/call ok");
    }
}
