//! Server requests, and durations without the wait for the client.

use super::{answer, brief, call, delete, event, in_session, open, play, stream, telling};
use crate::host::Failure;
use crate::test;
use crate::testing::Proxy;

#[test]
fn duration_excludes_wait_for_client() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = open(&proxy, &script);
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    proxy.wait(10);
    let reply = in_session(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#).answered(202, "", "");
    assert_eq!(play(&proxy, &reply), ["asked elicitation/create ok in Some(600001) ms"]);
    assert_eq!(brief(reply.play_in(&proxy)), ["unmatched duplicate"]);
    let lines = telling(post.event(&event("", &answer(1))));
    let duration: u64 = lines[0].split(['(', ')']).nth(1).unwrap().parse().unwrap();
    assert!(duration < 100, "{lines:?}");
    assert!(brief(post.finish()).is_empty());
}

#[test]
fn server_request_has_every_outcome() {
    let proxy = Proxy::default();
    let script = stream();
    let mut get = open(&proxy, &script);
    for id in 0..4 {
        get.event(&event("", &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#)));
    }
    let reply = |body: &str| brief(in_session(body).answered(202, "", "").play_in(&proxy));
    assert_eq!(reply(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601}}"#), ["asked roots/list error"]);
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(
        brief(get.event(&event("", cancelled))),
        ["notification out notifications/cancelled", "asked roots/list cancelled"]
    );
    assert_eq!(brief(delete(204).play_in(&proxy)), ["asked roots/list lost", "asked roots/list lost"]);
    assert_eq!(reply(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#), ["unmatched unknown_id"]);
}

#[test]
fn duration_of_unanswered_operation_excludes_wait_for_client() {
    let duration = |lines: Vec<String>, end: &str| -> u64 {
        let line = lines.iter().find(|line| line.starts_with(end)).unwrap_or_else(|| panic!("{lines:?}"));
        line.split(['(', ')']).nth(1).unwrap().parse().unwrap()
    };
    let asks = event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#);
    let reply = in_session(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#).answered(202, "", "");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for is_cancelled in [false, true] {
        let proxy = Proxy::default();
        let script = in_session(&call(1)).sse(":\n").broken(Failure::UpstreamReset);
        let mut post = open(&proxy, &script);
        post.event(&asks);
        proxy.wait(10);
        reply.play_in(&proxy);
        if is_cancelled {
            in_session(cancel).answered(202, "", "").play_in(&proxy);
            // A later server request does not change the duration up to then.
            post.event(&asks);
            proxy.wait(10);
            reply.play_in(&proxy);
        }
        let end = if is_cancelled { "end tools/call cancelled" } else { "end tools/call error/reset" };
        let duration = duration(telling(post.finish()), end);
        assert!((1..100).contains(&duration), "{duration}");
    }
    // The client did not respond, so the wait is unknown.
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").broken(Failure::ClientReset);
    let mut post = open(&proxy, &script);
    post.event(&asks);
    proxy.wait(10);
    assert_eq!(
        telling(post.finish()),
        ["end tools/call cancelled in None ms, None bytes", "asked elicitation/create lost in None ms"]
    );
}

#[test]
fn second_client_response_after_stream_end_is_duplicate() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = open(&proxy, &script);
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    let reply = in_session(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#).answered(202, "", "");
    assert_eq!(brief(reply.play_in(&proxy)), ["asked elicitation/create ok"]);
    post.event(&event("", &answer(1)));
    post.finish();
    assert_eq!(brief(reply.play_in(&proxy)), ["unmatched duplicate"]);
}

#[test]
fn server_request_is_lost_with_its_get_stream() {
    let proxy = Proxy::default();
    let script = stream();
    let mut get = open(&proxy, &script);
    get.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    assert_eq!(brief(get.finish()), ["asked elicitation/create lost"]);
    // On a resumable or an open stream, the server request is lost after five minutes.
    for (id, stays) in [("1", false), ("", true)] {
        let proxy = Proxy::default();
        let script = stream();
        let mut get = open(&proxy, &script);
        get.event(&event(id, r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
        let open = if stays {
            Some(get)
        } else {
            assert!(brief(get.finish()).is_empty());
            None
        };
        proxy.wait(6);
        assert_eq!(brief(proxy.tick()), ["asked elicitation/create lost"]);
        assert!(open.is_none_or(|get| brief(get.finish()).is_empty()));
    }
}

#[test]
fn session_end_loses_server_request() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = open(&proxy, &script);
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    proxy.wait(10);
    assert_eq!(brief(delete(200).play_in(&proxy)), ["asked elicitation/create lost"]);
    let lines = telling(post.event(&event("", &answer(1))));
    assert!(lines[0].starts_with("end tools/call ok in None ms"), "{lines:?}");
}

#[test]
fn client_responses_are_not_unmatched_without_observed_streams() {
    let proxy = Proxy::default();
    let reply = in_session(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#).answered(202, "", "");
    assert!(brief(reply.play_in(&proxy)).is_empty());
    stream().play_in(&proxy);
    assert_eq!(brief(reply.play_in(&proxy)), ["unmatched unknown_id"]);
}

#[test]
fn client_response_with_number_as_string_is_matched() {
    let proxy = Proxy::default();
    let script = stream();
    let mut get = open(&proxy, &script);
    let reply = in_session(r#"{"jsonrpc":"2.0","id":"7","result":{}}"#).answered(202, "", "");
    get.event(&event("", r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#));
    assert_eq!(brief(reply.play_in(&proxy)), ["asked elicitation/create ok"]);
    assert_eq!(brief(reply.play_in(&proxy)), ["unmatched duplicate"]);
    get.event(&event("", r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#));
    let gives_up = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}"#;
    assert_eq!(brief(get.event(&event("", gives_up)))[1], "asked elicitation/create cancelled");
    // The client cancels, with the number of its request as a string.
    let script = in_session(&call(5)).sse(":\n").broken(Failure::ClientReset);
    let post = open(&proxy, &script);
    let gives_up = gives_up.replace(r#""7""#, r#""5""#);
    in_session(&gives_up).answered(202, "", "").play_in(&proxy);
    assert_eq!(brief(post.finish()), ["end tools/call cancelled"]);
}
