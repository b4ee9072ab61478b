//! Unusual traffic, and more traffic than the store has room for.

use super::{answer, brief, call, event, in_session, legacy, legacy_stream, open, play, telling};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy};

#[test]
fn hostile_ids_and_addresses_are_read() {
    let proxy = Proxy::default();
    let long = "x".repeat(100_000);
    // If the endpoint has another origin, its path counts.
    for (address, path) in [
        ("https://elsewhere.example/message?sessionId=5c99c753", "/message?sessionId=5c99c753"),
        ("//elsewhere.example/m/1", "/m/1"),
    ] {
        let script = legacy_stream();
        let mut get = open(&proxy, &script);
        get.event(&format!("event: endpoint\ndata: {address}\n\n"));
        play(&proxy, &legacy(&call(1)).header(":path", path));
        assert_eq!(brief(get.event(&event(&long, &answer(1)))), ["end tools/call ok"], "{address}");
        get.finish();
    }
    let script = legacy_stream();
    let mut get = open(&proxy, &script);
    get.event(&format!("event: endpoint\ndata: /m?sessionId={long}\n\n"));
    // The address is too long to be read: the stream is MCP, but its session is not followed.
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["unmatched unknown_id"]);
    let forged = format!(r#"{{"jsonrpc":"2.0","id":"{long}","result":{{}}}}"#);
    assert_eq!(brief(in_session(&forged).answered(202, "", "").play_in(&proxy)), ["unmatched unknown_id"]);
}

#[test]
fn thousands_of_clients_share_one_session() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut running: Vec<_> = (0..2_000).map(|_| proxy.begin(&script, &mut Log::default())).collect();
    let mut ended = Vec::new();
    for post in &mut running {
        let mut log = Log::default();
        post.respond(&mut log);
        ended.extend(brief(log.lines));
    }
    for mut post in running {
        ended.extend(brief(post.event(&event("", &answer(1)))));
        ended.extend(brief(post.finish()));
    }
    // Most of them do not fit into the store; the responses on their own streams still match.
    assert_eq!(ended, vec!["end tools/call ok"; 2_000]);
}

#[test]
fn batch_without_room_in_store_is_answered_on_its_own_stream() {
    let proxy = Proxy::default();
    let calls: Vec<String> = (0..100).map(call).collect();
    let answers: String = (0..100).map(|id| event("", &answer(id))).collect();
    let script = in_session(&format!("[{}]", calls.join(","))).sse(&answers);
    assert_eq!(brief(script.play_in(&proxy)), vec!["end tools/call ok"; 100]);
}

#[test]
fn open_streams_leave_room_for_waiting_operations() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let running: Vec<_> = (0..200).map(|_| open(&proxy, &script)).collect();
    assert_eq!(brief(in_session(&call(2)).answered(202, "", "").play_in(&proxy)), [""; 0]);
    let mut get = open(&proxy, &script);
    assert_eq!(brief(get.event(&event("", &answer(2)))), ["end tools/call ok"]);
    drop(running);
}

#[test]
fn server_request_without_room_in_store_has_no_wait_time() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let running: Vec<_> = (0..100).map(|_| open(&proxy, &script)).collect();
    let script = in_session(&call(2)).sse(":\n").open();
    let mut post = open(&proxy, &script);
    post.event(&event("", r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#));
    play(&proxy, &in_session(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#).answered(202, "", ""));
    let lines = telling(post.event(&event("", &answer(2))));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("end tools/call ok in None ms"), "{lines:?}");
    drop(running);
}

#[test]
fn lookups_per_request_are_bounded() {
    let proxy = Proxy::default();
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
    ] {
        let lines = in_session(&format!("[{}]", vec![message; 300].join(","))).answered(202, "", "").play_in(&proxy);
        let skipped = lines.iter().filter(|line| *line == "skip in too_long").count();
        assert_eq!(skipped, 200, "{message}");
    }
}

#[test]
fn evicted_entry_is_counted_at_its_own_server() {
    let proxy = Proxy::default();
    let config = || crate::config::Config::from_json(br#"{"server_name_from":"cluster"}"#, &|_| None).unwrap();
    let calls: Vec<String> = (0..60).map(call).collect();
    let calls = format!("[{}]", calls.join(","));
    let mut lines = Vec::new();
    for number in 0..2_000 {
        let mut script = in_session(&calls).header("mcp-session-id", &number.to_string()).answered(202, "", "");
        script.config = config();
        script.cluster = if number < 1_500 { "first" } else { "second" };
        lines = script.play_in(&proxy);
        if number >= 1_500 && lines.iter().any(|line| line.contains(" unknown in ")) {
            break;
        }
    }
    let gone = lines.iter().find(|line| line.contains(" unknown in ")).unwrap();
    assert!(gone.ends_with(" at first"), "{gone}");
}

#[test]
fn operation_without_store_is_counted() {
    let proxy = Proxy::default();
    proxy.shared.refuse(true);
    let script = in_session(&call(1)).sse(&event("", &answer(1)));
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call ok"]);
    let script = in_session(&call(2)).sse(":\n").broken(Failure::UpstreamReset);
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call error/reset"]);
    assert_eq!(brief(legacy(&call(3)).play_in(&proxy)), ["end tools/call unknown"]);
}
