//! Traffic that nobody expects, and more of it than there is room for.

use super::{answer, brief, call, event, in_session, legacy, legacy_stream, open, play};
use crate::test;
use crate::testing::{Log, Proxy};

#[test]
fn ok_hostile_ids_and_addresses_are_read_as_any_other() {
    let proxy = Proxy::default();
    let long = "x".repeat(100_000);
    // Where the client is told to post to another origin, it is the path that its proxy sees.
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
    // Too long to be understood: the stream is MCP, its session is not followed.
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["unmatched unknown_id"]);
    let forged = format!(r#"{{"jsonrpc":"2.0","id":"{long}","result":{{}}}}"#);
    assert_eq!(brief(in_session(&forged).answered(202, "", "").play_in(&proxy)), ["unmatched unknown_id"]);
}

#[test]
fn ok_thousands_of_clients_share_one_session() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut running: Vec<_> = (0..2_000).map(|_| proxy.begin(&script, &mut Log::default())).collect();
    let mut ended = 0;
    for post in &mut running {
        let mut log = Log::default();
        post.respond(&mut log);
        ended += brief(log.lines).len();
    }
    for mut post in running {
        let lines = brief(post.event(&event("", &answer(1))));
        ended += lines.iter().filter(|line| line.starts_with("end tools/call")).count();
        ended += brief(post.finish()).len();
    }
    // Each ends once, be it as one that had to make room.
    assert_eq!(ended, 2_000);
}

#[test]
fn ok_what_gives_way_is_counted_at_its_own_server() {
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
fn ok_operations_that_find_no_way_into_the_store_are_counted_all_the_same() {
    let proxy = Proxy::default();
    proxy.shared.refuse(true);
    let script = in_session(&call(1)).sse(&event("", &answer(1)));
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call ok"]);
    let script = in_session(&call(2)).sse(":\n").broken(1 << 6);
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call error/reset"]);
    assert_eq!(brief(legacy(&call(3)).play_in(&proxy)), ["end tools/call unknown"]);
}
