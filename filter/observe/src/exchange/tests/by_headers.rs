//! Observations by headers: requests without their body, and headers that occur twice.

use super::{end, error, event, result};
use crate::host::Failure;
use crate::test;
use crate::testing::{End, Log, Proxy, Script};

/// A POST whose body does not follow its headers.
fn headers_only() -> Script {
    Script { request_end: End::Never, ..Script::post("") }
}

fn initialize() -> Script {
    Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"x"}}}"#)
}

#[test]
fn request_refused_before_body_has_unseen_method() {
    let script = headers_only().without("mcp-protocol-version").answered(401, "text/plain", "denied");
    assert_eq!(
        script.play(),
        [
            "StreamSeen",
            "ExchangeOpened",
            "start unseen -",
            "reachable true",
            "end unseen error/unauthorized in None ms, None bytes",
            "bytes out 6",
            "ExchangeClosed",
        ]
    );
    let local = |failure, status| end(&headers_only().answered(status, "text/plain", "x").broken(failure));
    assert_eq!(local(Failure::Unavailable, 503), "unseen error/upstream_unavailable");
    assert_eq!(local(Failure::Timeout, 504), "unseen error/timeout");
    assert_eq!(end(&headers_only().answered(500, "", "")), "unseen error/http_error");
    assert_eq!(end(&headers_only().answered(307, "", "")), "unseen redirected");
    assert_eq!(end(&headers_only().answered(202, "", "")), "unseen unknown");
}

#[test]
fn http_sse_post_reset_before_its_body_ends() {
    let legacy = || headers_only().without("mcp-protocol-version").header(":path", "/messages?session_id=7");
    assert_eq!(end(&legacy().answered(503, "text/plain", "x").broken(Failure::UpstreamReset)), "unseen error/reset");
    assert_eq!(end(&legacy().answered(503, "text/plain", "x").broken(Failure::ClientReset)), "unseen cancelled");
    assert_eq!(end(&legacy().answered(202, "", "")), "unseen unknown");
}

#[test]
fn mcp_header_is_enough_without_body() {
    let bare = || headers_only().without("accept").without("mcp-protocol-version").answered(503, "text/plain", "x");
    assert_eq!(bare().play(), ["StreamSeen"]);
    assert_eq!(bare().header("mcp-session-id", "s").header("content-type", "text/plain").play(), ["StreamSeen"]);
    for (name, value) in [
        ("mcp-session-id", "s"),
        ("mcp-protocol-version", "2025-06-18"),
        ("accept", "application/json, text/event-stream"),
        (":path", "/messages?session_id=7"),
    ] {
        assert_eq!(end(&bare().header(name, value)), "unseen error/http_error", "{name}");
    }
    let mut configured = bare();
    configured.config.paths = vec!["/mc".to_owned()];
    assert_eq!(end(&configured), "unseen error/http_error");
}

#[test]
fn probe_refused_before_body_is_negotiation() {
    let probe = || headers_only().without("mcp-protocol-version");
    for refused in [probe().answered(405, "text/plain", "no"), probe().answered(405, "", "")] {
        assert_eq!(end(&refused), "unseen negotiation");
    }
    assert_eq!(end(&probe().answered(404, "text/plain", "no")), "unseen error/http_error");
    assert_eq!(end(&probe().answered(405, "", "").header("mcp-session-id", "s")), "unseen error/http_error");
    assert_eq!(end(&headers_only().answered(405, "", "")), "unseen error/http_error", "a version was agreed on");
}

#[test]
fn mcp_method_header_names_unseen_request() {
    let script = headers_only().header("mcp-method", "tools/call").header("mcp-name", "add");
    let mut denied = script.clone().answered(403, "text/plain", "denied");
    denied.is_from_upstream = false;
    assert_eq!(end(&denied), "tools/call error/unauthorized");
    assert!(denied.play().contains(&"start tools/call add".to_owned()));
}

#[test]
fn mcp_method_header_names_unseen_notification() {
    let script = headers_only().header("mcp-method", "notifications/cancelled").answered(418, "text/plain", "no");
    assert_eq!(
        script.play(),
        ["StreamSeen", "ExchangeOpened", "notification in notifications/cancelled", "bytes out 2", "ExchangeClosed"]
    );
}

#[test]
fn response_to_unseen_request_counts() {
    let say = |status, body: &str| end(&headers_only().answered(status, "application/json", body));
    for id in [r#""id":null,"#, "", r#""id":"server-error","#, r#""id":7,"#] {
        assert_eq!(say(401, &error("-32001", id)), "unseen error/rpc_error", "{id}");
        assert_eq!(say(418, &error("-32602", id)), "unseen error/invalid_request", "{id}");
    }
    let answered = headers_only().answered(200, "text/event-stream", &event(&result(""))).play();
    assert!(Log::ends(&answered)[0].starts_with("unseen ok in None ms"), "{answered:?}");
    assert!(!answered.iter().any(|line| line.starts_with("unmatched")), "{answered:?}");
    let refused = headers_only().answered(401, "application/json", &error("-32001", "")).play();
    assert!(refused.contains(&"error Some(-32001) of unseen".to_owned()), "{refused:?}");
}

#[test]
fn partial_request_body_is_unseen() {
    let mut script = initialize().answered(418, "text/plain", "x");
    script.request_body.truncate(20);
    script.request_end = End::Never;
    let lines = script.play();
    assert!(Log::ends(&lines)[0].starts_with("unseen error/http_error"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("skip")), "{lines:?}");
    // A client that disconnects during its request starts no operation.
    assert_eq!(headers_only().broken(Failure::ClientReset).play(), ["StreamSeen"]);
    script.request_body.truncate(9);
    script.response.clear();
    assert_eq!(script.broken(Failure::ClientReset).play(), ["StreamSeen", "skip in truncated"]);
}

#[test]
fn body_after_response_began_counts_once_by_its_method() {
    let whole = initialize();
    for sent in [0, 10] {
        for (status, then) in [(401, "no"), (503, "no")] {
            let mut script = whole.clone().answered(status, "text/plain", then).open();
            script.response_body.clear();
            let rest = script.request_body.split_off(sent);
            script.request_end = End::Never;
            let (proxy, mut log) = (Proxy::default(), Log::default());
            let mut post = proxy.begin(&script, &mut log);
            post.respond(&mut log);
            post.send_rest(&rest, &mut log);
            post.chunk(then.as_bytes(), true, &mut log);
            post.end(&mut log);
            let ends = Log::ends(&log.lines);
            assert_eq!(ends.len(), 1, "{:?}", log.lines);
            assert!(ends[0].starts_with("initialize error/"), "{ends:?}");
        }
    }
}

#[test]
fn body_after_response_ended_does_not_count_twice() {
    let mut script = initialize().answered(401, "text/plain", "no");
    let rest = script.request_body.split_off(0);
    script.request_end = End::Never;
    let (proxy, mut log) = (Proxy::default(), Log::default());
    let mut post = proxy.begin(&script, &mut log);
    post.respond(&mut log);
    post.send_rest(&rest, &mut log);
    post.end(&mut log);
    assert_eq!(Log::ends(&log.lines), ["unseen error/unauthorized in None ms, None bytes"]);
    assert!(!log.lines.iter().any(|line| line.starts_with("skip")), "{:?}", log.lines);
}

#[test]
fn first_of_two_content_types_counts() {
    // Envoy joins the lines.
    let twice = "application/json,application/json";
    let script = Script::tool_call().header("content-type", twice).answered(200, twice, &result(""));
    assert_eq!(end(&script), "tools/call ok");
    let stream = Script::tool_call().answered(200, "text/event-stream,text/event-stream", &event(&result("")));
    assert_eq!(end(&stream), "tools/call ok");
    let other = Script::tool_call().header("content-type", "text/plain,application/json").json(&result(""));
    assert_eq!(other.play(), ["StreamSeen"]);
}

#[test]
fn accept_lines_are_one_list() {
    let custom = |accept: &str| {
        let script = Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"acme/x"}"#).without("mcp-protocol-version");
        script.header("accept", accept).json(&result("")).play().contains(&"ExchangeOpened".to_owned())
    };
    assert!(custom("application/json\ntext/event-stream"));
    assert!(custom("*/*\ntext/event-stream\napplication/json"));
    assert!(!custom("application/json\napplication/json"));
}
