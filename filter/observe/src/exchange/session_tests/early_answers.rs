//! Answers that pass another worker while only the operation's own worker knows the operation.

use super::{answer, brief, call, event, in_session, open, stream, telling};
use crate::host::{Failure, Time};
use crate::test;
use crate::testing::Proxy;

#[test]
fn early_answer_counts_with_its_own_time_and_size() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(&call(1)).sse(":\n").open();
    let post = open(&one, &script);
    let long = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"}],"isError":true}}"#;
    assert!(brief(stream().sse(&event("", long)).play_in(&other)).is_empty());
    assert!(brief(one.tick()).is_empty() && brief(other.tick()).is_empty());
    // The own stream stays open for much longer than an answer waits.
    one.wait(20);
    assert!(brief(other.tick()).is_empty() && brief(one.tick()).is_empty());
    let lines = telling(post.finish());
    let duration: u64 = lines[0].split(['(', ')']).nth(1).unwrap().parse().unwrap();
    assert!(lines[0].starts_with("end tools/call error/tool_error in Some") && duration < 100, "{lines:?}");
    assert!(lines[0].ends_with(&format!("Some({}) bytes", long.len())), "{lines:?}");
    assert_eq!(lines.len(), 1);
}

#[test]
fn own_answer_after_early_one_is_duplicate() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = open(&one, &script);
    assert!(brief(stream().sse(&event("", &answer(1))).play_in(&other)).is_empty());
    one.tick_once();
    assert_eq!(brief(post.event(&event("", &answer(1)))), ["end tools/call ok", "unmatched duplicate"]);
    assert_eq!(brief(post.event(&event("", &answer(1)))), ["unmatched duplicate"]);
    assert!(brief(post.finish()).is_empty());
}

#[test]
fn early_answers_to_a_batch_end_their_operations() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(&format!("[{},{},{}]", call(1), call(2), call(3))).sse("id: 1\ndata: \n\n").open();
    let mut post = open(&one, &script);
    assert!(brief(stream().sse(&event("7", &answer(2))).play_in(&other)).is_empty());
    one.tick_once();
    assert_eq!(brief(post.event(&event("2", &answer(1)))), ["end tools/call ok"]);
    assert_eq!(brief(post.finish()), ["end tools/call ok"], "the second");
    assert_eq!(brief(stream().sse(&event("8", &answer(3))).play_in(&other)), ["end tools/call ok"], "the third");
}

#[test]
fn early_answer_that_starts_a_task_names_its_tool() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(&call(1)).sse(":\n").broken(Failure::ClientReset);
    let post = open(&one, &script);
    let started = r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#;
    assert!(brief(stream().sse(&event("", started)).play_in(&other)).is_empty());
    assert_eq!(brief(post.finish()), ["end tools/call accepted"]);
    let ended =
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-1","status":"failed"}}"#;
    assert_eq!(brief(stream().sse(&event("", ended)).play_in(&other))[1], r#"task of Some("add") failed"#);
}

/// More of these answers is read than how the operation ended. So every worker knows the operation from the start.
#[test]
fn early_answer_with_a_list_is_read() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).sse(":\n").open();
    let post = open(&one, &script);
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
    let lines = stream().sse(&event("", list)).play_in(&other);
    assert!(lines.contains(&"published 2".to_owned()), "{lines:?}");
    assert!(brief(post.finish()).is_empty());
}

#[test]
fn operation_after_the_end_of_its_plugin_is_known_to_all_workers() {
    let one = Proxy::default();
    let other = one.other_worker();
    other.correlation.renew_lease(Time(1));
    let script = in_session(&call(1)).sse(":\n").open();
    let before = open(&one, &script);
    one.correlation.end(Time(2), &mut |_, _| ());
    let script = in_session(&call(2)).sse(":\n").open();
    let after = open(&one, &script);
    let answers = event("", &answer(1)) + &event("", &answer(2));
    assert_eq!(brief(stream().sse(&answers).play_in(&other)), vec!["end tools/call ok"; 2]);
    assert!(brief(before.finish()).is_empty() && brief(after.finish()).is_empty());
}

/// Answers in JSON and on HTTP+SSE, and repeated events, are for no other worker, so they are counted at once.
#[test]
fn unmatched_answer_of_no_event_stream_is_counted_at_once() {
    let proxy = Proxy::default();
    let json = in_session(&call(3)).json(&answer(4));
    assert_eq!(brief(json.play_in(&proxy)), ["unmatched unknown_id", "end tools/call error/no_response"]);
    assert!(!proxy.tick().iter().any(|line| line.starts_with("unmatched")));
}

#[test]
fn server_request_relates_operation_to_the_store() {
    let one = Proxy::default();
    let other = one.other_worker();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = open(&one, &script);
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    // No tick passed, and the other worker knows the operation.
    assert_eq!(brief(stream().sse(&event("", &answer(1))).play_in(&other)), ["end tools/call ok"]);
    assert_eq!(brief(post.finish()), ["asked elicitation/create lost"]);
}

/// Only its own stream can answer a `subscriptions/listen`, so an early answer is for the other operation with its id.
#[test]
fn early_answer_does_not_end_a_listen_with_the_same_id() {
    let one = Proxy::default();
    let other = one.other_worker();
    let listen = r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}"#;
    let script = in_session(&format!("[{listen},{}]", call(1))).sse(":\n").open();
    let post = open(&one, &script);
    assert!(brief(stream().sse(&event("", &answer(1))).play_in(&other)).is_empty());
    let lines = brief(post.finish());
    assert!(lines.contains(&"end tools/call ok".to_owned()), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("end ")).count(), 2, "{lines:?}");
}

#[test]
fn unmatched_answer_after_the_last_worker_ended_is_counted_at_once() {
    let proxy = Proxy::default();
    let known = in_session(&call(1)).json(&answer(1));
    known.play_in(&proxy);
    let script = stream().sse(":\n").open();
    let mut get = open(&proxy, &script);
    proxy.correlation.end(Time(2), &mut |_, _| ());
    assert_eq!(brief(get.event(&event("", &answer(9)))), ["unmatched unknown_id"]);
    assert!(brief(get.finish()).is_empty());
}
