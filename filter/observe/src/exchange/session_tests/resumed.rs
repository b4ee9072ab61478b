//! Responses on another stream than that of the POST.

use super::{answer, brief, call, event, in_session, open, play, stream, telling};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy};

#[test]
fn resumed_stream_answers_the_polled_stream() {
    let proxy = Proxy::default();
    let polled = in_session(&call(1)).sse("id: 1\nretry: 500\ndata: \n\n");
    assert!(play(&proxy, &polled).is_empty());
    let progress = event("2", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
    let resumed = stream().header("last-event-id", "1").sse(&(progress.clone() + &event("3", &answer(1))));
    assert_eq!(brief(resumed.play_in(&proxy)), ["notification out notifications/progress", "end tools/call ok"]);
    let replayed = stream().header("last-event-id", "1").sse(&(progress + &event("3", &answer(1))));
    assert!(brief(replayed.play_in(&proxy)).is_empty());
}

#[test]
fn broken_resumable_stream_waits_for_response() {
    for (is_stream_seen, failure, otherwise) in [
        (true, Failure::UpstreamReset, "error/no_response"),
        (false, Failure::UpstreamReset, "unknown"),
        (false, Failure::ClientReset, "cancelled"),
    ] {
        let proxy = Proxy::default();
        if is_stream_seen {
            stream().play_in(&proxy);
        }
        let script = in_session(&call(1)).sse(&event("1", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#));
        assert_eq!(brief(script.broken(failure).play_in(&proxy)), ["notification out notifications/progress"]);
        proxy.wait(4);
        assert!(proxy.tick().is_empty());
        proxy.wait(2);
        assert_eq!(brief(proxy.tick()), [format!("end tools/call {otherwise}")]);
    }
}

#[test]
fn refused_get_is_no_stream_of_the_session() {
    let proxy = Proxy::default();
    stream().answered(405, "text/plain", "Method Not Allowed").play_in(&proxy);
    in_session(&call(1)).answered(202, "", "").play_in(&proxy);
    proxy.wait(6);
    assert_eq!(brief(proxy.tick()), ["end tools/call unknown"]);
}

#[test]
fn stream_responses_are_not_unmatched_without_observed_requests() {
    let proxy = Proxy::default();
    let stray = || {
        let mut lines = stream().sse(&event("", &answer(1))).play_in(&proxy);
        // Another worker may have the operation, so a tick decides.
        proxy.wait(1);
        lines.extend(proxy.tick());
        brief(lines)
    };
    assert!(stray().is_empty());
    in_session(&call(2)).json(&answer(2)).play_in(&proxy);
    assert_eq!(stray(), ["unmatched unknown_id"]);
    // A POST's own stream knows its requests.
    let other = in_session(&call(3)).header("mcp-session-id", "other").json(&answer(4));
    assert_eq!(brief(other.play_in(&proxy)), ["unmatched unknown_id", "end tools/call error/no_response"]);
}

#[test]
fn operation_answered_on_another_stream_keeps_reused_id() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for is_answered_again in [true, false] {
        let proxy = Proxy::default();
        let [first, second] =
            [call(1), list.to_owned()].map(|body| in_session(&body).sse(":\n").broken(Failure::UpstreamReset));
        let [mut first, mut second] = [&first, &second].map(|script| open(&proxy, script));
        let elsewhere = stream().sse(&event("", &answer(1)));
        assert_eq!(brief(elsewhere.play_in(&proxy)), ["end tools/call ok"]);
        if is_answered_again {
            assert_eq!(brief(first.event(&event("", &answer(1)))), ["unmatched duplicate"]);
        }
        assert!(brief(first.finish()).is_empty());
        assert_eq!(brief(second.event(&event("", &answer(1)))), ["end tools/list ok"]);
    }
}

#[test]
fn listen_in_batch_ends_with_its_stream() {
    let proxy = Proxy::default();
    let listen = r#"{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}"#;
    let script =
        in_session(&format!("[{},{listen}]", call(1))).sse(&event("1", &answer(1))).broken(Failure::ClientReset);
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call ok", "end subscriptions/listen ok"]);
    let script = in_session(&format!("[{},{listen}]", call(3))).sse("id: 1\ndata: \n\n").broken(Failure::ClientReset);
    assert_eq!(brief(script.play_in(&proxy)), ["end subscriptions/listen ok"]);
}

#[test]
fn cancellation_in_any_order_is_cancelled() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let notice = "notification in notifications/cancelled";
    let cancelled = in_session(cancel).answered(202, "", "");
    // While the operation runs and its stream is open.
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let post = open(&proxy, &script);
    assert_eq!(brief(cancelled.play_in(&proxy)), [notice]);
    proxy.wait(3);
    let lines = telling(post.finish());
    let duration: u64 = lines[0].split(['(', ')']).nth(1).unwrap().parse().unwrap();
    assert!(lines[0].starts_with("end tools/call cancelled") && duration < 100, "{lines:?}");
    // A response that comes later takes precedence.
    let mut post = open(&proxy, &script);
    cancelled.play_in(&proxy);
    assert_eq!(brief(post.event(&event("", &answer(1)))), ["end tools/call ok"]);
    // The cancellation comes before the operation is stored; the operation finds it when it ends without a response.
    let script = in_session(&call(1)).answered(200, "application/json", "").broken(Failure::UpstreamReset);
    let post = proxy.begin(&script, &mut Log::default());
    cancelled.play_in(&proxy);
    assert_eq!(brief(post.finish()), ["end tools/call cancelled"]);
}

#[test]
fn operation_does_not_expire_while_its_own_stream_is_open() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse("id: 1\ndata: \n\n").open();
    let mut post = open(&proxy, &script);
    for _ in 0..3 {
        proxy.wait(4);
        assert!(brief(proxy.tick()).is_empty());
    }
    let lines = telling(post.event(&event("2", &answer(1))));
    assert!(lines[0].starts_with("end tools/call ok in Some(7200"), "{lines:?}");
}
