//! How sessions begin and end.

use super::{answer, brief, call, delete, event, in_session, open, play, stream, telling};
use crate::host::Failure;
use crate::test;
use crate::testing::{Proxy, Script};

#[test]
fn session_ends_with_delete_or_404() {
    let initialize = || {
        let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
        let mut script = Script::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).json(answer);
        script.response.insert("mcp-session-id", "5c99c753".to_owned());
        script
    };
    let proxy = Proxy::default();
    let begun = ["end initialize ok", "session 2025-06-18 over streamable_http"];
    assert_eq!(brief(initialize().play_in(&proxy)), begun);
    proxy.wait(1);
    assert!(play(&proxy, &delete(405)).is_empty());
    assert!(play(&proxy, &delete(200))[0].starts_with("session ended after 600"));
    assert!(play(&proxy, &delete(200)).is_empty());
    initialize().play_in(&proxy);
    let gone = in_session(&call(3)).answered(
        404,
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001}}"#,
    );
    let lines = brief(gone.play_in(&proxy));
    assert_eq!(lines[..2], ["error Some(-32001) of tools/call", "end tools/call error/rpc_error"]);
    assert!(lines[2].starts_with("session ended after "), "{lines:?}");
}

#[test]
fn exchange_without_session_uses_no_store() {
    let proxy = Proxy::default();
    let script = Script::post(&call(1)).answered(202, "", "");
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call unknown"]);
    assert_eq!(brief(Script::get().sse(&event("", &answer(1))).play_in(&proxy)), ["unmatched unknown_id"]);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(
        brief(Script::post(cancel).answered(202, "", "").play_in(&proxy)),
        ["notification in notifications/cancelled"]
    );
}

#[test]
fn delete_before_initialize_response_ends_session() {
    let proxy = Proxy::default();
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let mut script = Script::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).sse("").open();
    script.response.insert("mcp-session-id", "5c99c753".to_owned());
    let mut post = open(&proxy, &script);
    proxy.wait(1);
    assert!(play(&proxy, &delete(200)).is_empty());
    proxy.wait(1);
    let lines = telling(post.event(&event("1", answer)));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].starts_with("session ended after 600"), "{lines:?}");
}

#[test]
fn session_end_before_stream_end_keeps_operation() {
    let proxy = Proxy::default();
    let progress = event("1", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
    let script = in_session(&call(1)).sse(&progress).broken(Failure::ClientReset);
    let post = open(&proxy, &script);
    assert!(play(&proxy, &delete(200)).is_empty());
    assert_eq!(brief(post.finish()), ["end tools/call cancelled"]);
    proxy.wait(6);
    assert!(proxy.tick().is_empty());
}

#[test]
fn session_of_initialize_response_replaces_session_of_request() {
    let proxy = Proxy::default();
    let initialized = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let mut script = in_session(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).json(initialized);
    script.response.insert("mcp-session-id", "new".to_owned());
    script.play_in(&proxy);
    let delete = Script::get().header(":method", "DELETE").header("mcp-session-id", "new").answered(200, "", "");
    assert!(brief(delete.play_in(&proxy))[0].starts_with("session ended after "));
}

#[test]
fn unrelated_404_does_not_end_session() {
    let proxy = Proxy::default();
    let waits = in_session(&call(1)).answered(202, "", "");
    assert!(play(&proxy, &waits).is_empty());
    let route =
        Script::get().header("mcp-session-id", "5c99c753").answered(404, "text/html; charset=utf-8", "Cannot GET /mcp");
    assert!(play(&proxy, &route).is_empty());
    let method = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601}}"#;
    let method = in_session(&call(2)).answered(404, "application/json", method);
    assert_eq!(brief(method.play_in(&proxy)).len(), 2);
    let gone = Script::get().header("mcp-session-id", "5c99c753").answered(404, "text/plain", "Session not found");
    assert_eq!(brief(gone.play_in(&proxy)), ["end tools/call error/no_response"]);
}

/// The change of the gauge of active sessions by an exchange.
fn activity(lines: &[String]) -> i64 {
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count() as i64;
    count("SessionActive(StreamableHttp)") - count("SessionInactive(StreamableHttp)")
}

fn initialize() -> Script {
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let mut script = Script::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).json(answer);
    script.response.insert("mcp-session-id", "5c99c753".to_owned());
    script
}

#[test]
fn session_is_active_from_initialize_to_its_end() {
    let proxy = Proxy::default();
    let mut refused = initialize().json(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602}}"#);
    refused.response.insert("mcp-session-id", "5c99c753".to_owned());
    let mut nameless = initialize();
    nameless.response.remove("mcp-session-id");
    for none in [refused, nameless, in_session(&call(1)).json(&answer(1)), delete(200)] {
        assert_eq!(activity(&none.play_in(&proxy)), 0);
    }
    proxy.wait(1);
    assert_eq!(activity(&initialize().play_in(&proxy)), 1);
    assert_eq!(activity(&initialize().play_in(&proxy)), 0);
    assert_eq!(activity(&delete(200).play_in(&proxy)), -1);
    assert_eq!(activity(&delete(200).play_in(&proxy)), 0);
}

#[test]
fn idle_session_is_inactive_until_its_next_exchange() {
    let proxy = Proxy::default();
    initialize().play_in(&proxy);
    let script = stream();
    let get = open(&proxy, &script);
    for _ in 0..5 {
        proxy.wait(20);
        assert_eq!(activity(&proxy.tick()), 0, "a stream is open");
    }
    get.finish();
    assert_eq!(activity(&proxy.tick()), 0);
    proxy.wait(29);
    in_session(&call(1)).json(&answer(1)).play_in(&proxy);
    proxy.wait(2);
    assert_eq!(activity(&proxy.tick()), 0);
    proxy.wait(31);
    assert_eq!(activity(&proxy.tick()), -1);
    in_session(&call(1)).json(&answer(1)).play_in(&proxy);
    assert_eq!(activity(&proxy.tick()), 1);
    assert_eq!(activity(&delete(200).play_in(&proxy)), -1);
}

#[test]
fn same_session_id_at_two_servers_is_two_sessions() {
    let proxy = Proxy::default();
    let of = |mut script: Script, cluster| {
        script.config = crate::config::Config::from_json(br#"{"server_name_from":"cluster"}"#, &|_| None).unwrap();
        script.cluster = cluster;
        script.play_in(&proxy)
    };
    for cluster in ["first", "second"] {
        assert_eq!(activity(&of(initialize(), cluster)), 1, "{cluster}");
    }
    let used = || in_session(&call(1)).json(&answer(1));
    for _ in 0..5 {
        of(used(), "first");
        of(used(), "second");
        assert_eq!(activity(&proxy.tick()), 0);
        proxy.wait(20);
    }
    of(used(), "second");
    proxy.wait(20);
    let idle = proxy.tick();
    assert_eq!(idle, ["SessionInactive(StreamableHttp)"], "that of the first");
}
