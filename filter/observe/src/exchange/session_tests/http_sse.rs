//! HTTP+SSE of 2024-11-05.

use super::{answer, brief, call, event, legacy, legacy_stream, open, open_session, play, telling};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy};

#[test]
fn http_sse_response_before_or_after_202_is_matched() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    let first = legacy(&call(1));
    assert!(play(&proxy, &first).is_empty());
    let size = answer(1).len();
    assert_eq!(
        telling(get.event(&event("", &answer(1)))),
        [format!("end tools/call ok in Some(2) ms, Some({size}) bytes")]
    );
    let second = legacy(&call(2));
    let mut post = proxy.begin(&second, &mut Log::default());
    assert_eq!(brief(get.event(&event("", &answer(2)))), ["end tools/call ok"]);
    post.respond(&mut Log::default());
    assert!(brief(post.finish()).is_empty());
    assert_eq!(brief(get.event(&event("", &answer(2)))), ["unmatched duplicate"]);
    assert_eq!(brief(get.event(&event("", &answer(9)))), ["unmatched unknown_id"]);
}

#[test]
fn http_sse_session_ends_with_its_stream() {
    let proxy = Proxy::default();
    let script = legacy_stream().broken(Failure::UpstreamReset);
    let mut get = open_session(&proxy, &script);
    play(&proxy, &legacy(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#));
    let initialized = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2024-11-05"}}"#;
    assert_eq!(brief(get.event(&event("", initialized))), ["end initialize ok", "session 2024-11-05 over http_sse"]);
    play(&proxy, &legacy(&call(1)));
    let asked = r#"{"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{}}"#;
    get.event(&event("", asked));
    let ends = brief(get.finish());
    assert_eq!(ends[..2], ["end tools/call error/reset", "asked sampling/createMessage lost"]);
    assert!(ends[2].starts_with("session ended after "), "{ends:?}");
}

#[test]
fn http_sse_refused_post_ends_its_operation() {
    let proxy = Proxy::default();
    let script = legacy(&call(1)).answered(404, "text/plain", "Could not find session");
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call error/http_error"]);
    let gone = legacy(&call(2)).answered(202, "", "");
    assert!(play(&proxy, &gone).is_empty());
    proxy.wait(6);
    // The stream passes through another process.
    assert_eq!(brief(proxy.tick()), ["end tools/call unknown"]);
    assert!(proxy.tick().is_empty());
}

#[test]
fn http_sse_operation_with_open_post_ends_with_its_post() {
    let proxy = Proxy::default();
    let stream = legacy_stream();
    let get = open_session(&proxy, &stream);
    let waits = legacy(&call(9));
    assert!(play(&proxy, &waits).is_empty());
    let scripts: Vec<_> =
        (0..5).map(|id| legacy(&call(id)).answered(404, "text/plain", "Could not find session")).collect();
    let posts: Vec<_> = scripts.iter().map(|script| proxy.begin(script, &mut Log::default())).collect();
    let mut ends = Vec::new();
    for mut post in posts {
        let mut log = Log::default();
        post.respond(&mut log);
        post.end(&mut log);
        ends.extend(brief(log.lines));
    }
    ends.sort();
    assert_eq!(ends[..5], vec!["end tools/call error/http_error"; 5]);
    // An accepted operation ends with the session.
    assert_eq!(ends[5..], ["end tools/call error/no_response"]);
    assert!(brief(get.finish()).is_empty());
}

/// The stream passes through another process, which may have seen the responses before the server ended the session.
#[test]
fn http_sse_refused_post_does_not_end_operation_of_another_process() {
    let proxy = Proxy::default();
    assert!(play(&proxy, &legacy(&call(1))).is_empty());
    let (accepted, refused) = (legacy(&call(2)), legacy(&call(3)).answered(404, "text/plain", "no such session"));
    let mut open = proxy.begin(&accepted, &mut Log::default());
    let ends = brief(refused.play_in(&proxy));
    assert_eq!(ends, ["end tools/call error/http_error", "end tools/call unknown"]);
    let mut log = Log::default();
    open.respond(&mut log);
    open.end(&mut log);
    assert_eq!(brief(log.lines), ["end tools/call unknown"]);
}

#[test]
fn open_post_has_the_outcome_of_its_broken_stream() {
    for (failure, ended) in [(Failure::UpstreamReset, "error/reset"), (Failure::ClientReset, "cancelled")] {
        let proxy = Proxy::default();
        let stream = legacy_stream().broken(failure);
        let get = open_session(&proxy, &stream);
        let script = legacy(&call(1));
        let mut post = proxy.begin(&script, &mut Log::default());
        assert!(brief(get.finish()).is_empty());
        let mut log = Log::default();
        post.respond(&mut log);
        post.end(&mut log);
        assert_eq!(brief(log.lines), [format!("end tools/call {ended}")]);
    }
}

#[test]
fn post_with_late_response_does_not_expire() {
    let proxy = Proxy::default();
    let script = legacy(&call(1)).answered(404, "text/plain", "Could not find session");
    let mut post = proxy.begin(&script, &mut Log::default());
    for _ in 0..3 {
        proxy.wait(4);
        assert!(proxy.tick().is_empty());
    }
    let mut log = Log::default();
    post.respond(&mut log);
    post.end(&mut log);
    assert_eq!(brief(log.lines), ["end tools/call error/http_error"]);
}

#[test]
fn listen_over_http_sse_is_answered_on_the_stream() {
    let listen = |id| legacy(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"subscriptions/listen"}}"#));
    for (failure, ended) in [(Failure::UpstreamReset, "error/reset"), (Failure::ClientReset, "cancelled")] {
        let proxy = Proxy::default();
        let stream = legacy_stream().broken(failure);
        let mut get = open_session(&proxy, &stream);
        for id in [1, 2] {
            assert!(play(&proxy, &listen(id)).is_empty());
        }
        assert_eq!(brief(get.event(&event("", &answer(1)))), ["end subscriptions/listen ok"]);
        for _ in 0..3 {
            proxy.wait(4);
            assert!(proxy.tick().is_empty());
        }
        assert_eq!(brief(get.finish()), [format!("end subscriptions/listen {ended}")]);
    }
}

#[test]
fn endpoint_without_session_query_is_stored() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open(&proxy, &script);
    get.event("event: endpoint\ndata: http://localhost/sessions/7\n\n");
    play(&proxy, &legacy(&call(1)).header(":path", "/sessions/7"));
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["end tools/call ok"]);
}

#[test]
fn lists_on_http_sse_stream_are_observed() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    play(&proxy, &legacy(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
    assert!(get.event(&event("", list)).contains(&"published 2".to_owned()));
}

#[test]
fn response_before_its_request_is_unmatched() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    // No request was seen in this process; another process may have seen it.
    assert!(brief(get.event(&event("", &answer(1)))).is_empty());
    play(&proxy, &legacy(&call(1)));
    assert_eq!(brief(get.event(&event("", &answer(2)))), ["unmatched unknown_id"]);
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["end tools/call ok"]);
}

#[test]
fn operation_does_not_expire_while_session_stream_is_open() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#;
    for body in [&call(1), &call(2), cancel, &call(3)] {
        legacy(body).play_in(&proxy);
    }
    // The server does not have to answer a cancelled request.
    for ended in [&[][..], &["end tools/call cancelled"], &[], &[]] {
        proxy.wait(4);
        assert_eq!(brief(proxy.tick()), ended);
    }
    let lines = telling(get.event(&event("", &answer(1))));
    assert!(lines[0].starts_with("end tools/call ok in Some(9600"), "{lines:?}");
    get.chunk(b"", true, &mut Log::default());
    assert_eq!(brief(get.finish()), ["end tools/call error/no_response"]);
    legacy(&call(4)).play_in(&proxy);
    proxy.wait(6);
    assert_eq!(brief(proxy.tick()), ["end tools/call error/no_response"]);
}

#[test]
fn stream_with_second_session_detaches_from_first() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    legacy(&call(1)).play_in(&proxy);
    get.event("event: endpoint\ndata: /message?sessionId=another\n\n");
    legacy(&call(2)).header(":path", "/message?sessionId=another").play_in(&proxy);
    proxy.wait(6);
    assert_eq!(brief(proxy.tick()), ["end tools/call error/no_response"]);
    assert_eq!(brief(get.event(&event("", &answer(2)))), ["end tools/call ok"]);
}

#[test]
fn unreadable_response_may_answer_any_operation() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = open_session(&proxy, &script);
    legacy(&call(1)).play_in(&proxy);
    let deep = ["[".repeat(1100), "]".repeat(1100)].concat();
    get.event(&event("", &answer(1).replace("[]", &deep)));
    get.chunk(b"", true, &mut Log::default());
    assert_eq!(brief(get.finish()), ["end tools/call unknown"]);
}
