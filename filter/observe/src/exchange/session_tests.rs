//! What crosses exchanges: each test plays several in one proxy.

use crate::test;
use crate::testing::{Log, Proxy, Script};

fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"add"}}}}"#)
}

fn answer(id: u32) -> String {
    format!(r#"{{"result":{{"content":[]}},"jsonrpc":"2.0","id":{id}}}"#)
}

fn event(id: &str, data: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
    format!("event: message\n{id}data: {data}\n\n")
}

fn in_session(body: &str) -> Script {
    Script::post(body).header("mcp-session-id", "5c99c753")
}

fn stream() -> Script {
    Script::get().header("mcp-session-id", "5c99c753").sse(":\n").open()
}

fn legacy(body: &str) -> Script {
    let script = Script::post(body).header(":path", "/message?sessionId=5c99c753");
    script.without("mcp-protocol-version").answered(202, "", "Accepted")
}

fn legacy_stream() -> Script {
    Script::get().header(":path", "/sse").without("mcp-protocol-version").sse(": hello\n\n").open()
}

const ENDPOINT: &str = "event: endpoint\ndata: /message?sessionId=5c99c753\n\n";

/// The lines that tell of operations, requests of the server, sessions, tasks and what was unmatched.
fn telling(lines: Vec<String>) -> Vec<String> {
    const WORDS: [&str; 7] = ["end ", "asked ", "session ", "task ", "unmatched ", "notification ", "error "];
    lines.into_iter().filter(|line| WORDS.iter().any(|word| line.starts_with(word))).collect()
}

fn play(proxy: &Proxy, script: &Script) -> Vec<String> {
    telling(script.play_in(proxy))
}

/// Without durations and sizes.
fn brief(lines: Vec<String>) -> Vec<String> {
    telling(lines)
        .into_iter()
        .map(|line| {
            line.split(" in Some").next().unwrap_or_default().split(" in None").next().unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn ok_http_sse_answers_on_the_stream_before_and_after_the_202() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(ENDPOINT);
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
fn ok_http_sse_session_from_initialize_to_the_end_of_its_stream() {
    let proxy = Proxy::default();
    let script = legacy_stream().broken(1 << 6);
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(ENDPOINT);
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
fn ok_http_sse_refused_posts_end_where_they_began() {
    let proxy = Proxy::default();
    let script = legacy(&call(1)).answered(404, "text/plain", "Could not find session");
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call error/http_error"]);
    let gone = legacy(&call(2)).answered(202, "", "");
    assert!(play(&proxy, &gone).is_empty());
    proxy.wait(6);
    assert_eq!(proxy.tick().iter().filter(|line| line.starts_with("end tools/call error/no_response")).count(), 1);
    assert!(proxy.tick().is_empty());
}

#[test]
fn ok_an_endpoint_without_a_session_query_is_learnt() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event("event: endpoint\ndata: http://localhost/sessions/7\n\n");
    play(&proxy, &legacy(&call(1)).header(":path", "/sessions/7"));
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["end tools/call ok"]);
}

#[test]
fn ok_a_polled_stream_is_answered_by_the_one_that_resumes_it() {
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
fn ok_a_resumable_stream_that_breaks_waits_for_its_answer() {
    for (flags, otherwise) in [(1 << 6, "error/no_response"), (1 << 14, "cancelled")] {
        let proxy = Proxy::default();
        let script = in_session(&call(1)).sse(&event("1", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#));
        assert_eq!(brief(script.broken(flags).play_in(&proxy)), ["notification out notifications/progress"]);
        proxy.wait(4);
        assert!(proxy.tick().is_empty());
        proxy.wait(2);
        assert_eq!(brief(proxy.tick()), [format!("end tools/call {otherwise}")]);
    }
}

#[test]
fn ok_the_clock_stands_while_the_server_waits() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
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
fn ok_requests_of_the_server_end_in_every_way() {
    let proxy = Proxy::default();
    let script = stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
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
    let deleted = Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(204, "", "");
    assert_eq!(brief(deleted.play_in(&proxy)), ["asked roots/list lost", "asked roots/list lost"]);
    assert_eq!(reply(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#), ["unmatched unknown_id"]);
}

#[test]
fn ok_cancellations_in_any_order() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let notice = "notification in notifications/cancelled";
    let cancelled = in_session(cancel).answered(202, "", "");
    // While it runs, and the server holds the stream.
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    assert_eq!(brief(cancelled.play_in(&proxy)), [notice]);
    proxy.wait(3);
    let lines = telling(post.finish());
    let duration: u64 = lines[0].split(['(', ')']).nth(1).unwrap().parse().unwrap();
    assert!(lines[0].starts_with("end tools/call cancelled") && duration < 100, "{lines:?}");
    // An answer that still comes wins.
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    cancelled.play_in(&proxy);
    assert_eq!(brief(post.event(&event("", &answer(1)))), ["end tools/call ok"]);
    // Before anything shows that the operation needs a place: it finds the cancellation when it ends without an answer.
    let script = in_session(&call(1)).answered(200, "application/json", "").broken(1 << 6);
    let post = proxy.begin(&script, &mut Log::default());
    cancelled.play_in(&proxy);
    assert_eq!(brief(post.finish()), ["end tools/call cancelled"]);
}

#[test]
fn ok_sessions_from_initialize_to_delete_or_404() {
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
    let delete = |status| {
        Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(status, "", "")
    };
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
fn ok_tasks_are_counted_once() {
    let proxy = Proxy::default();
    let started = r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#;
    assert_eq!(brief(in_session(&call(1)).json(started).play_in(&proxy)), ["end tools/call accepted"]);
    let asked = |method: &str, result: &str| {
        let ask = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"{method}","params":{{"taskId":"t-1"}}}}"#);
        let script = in_session(&ask).json(&format!(r#"{{"jsonrpc":"2.0","id":2,"result":{result}}}"#));
        brief(script.play_in(&proxy)).split_off(1)
    };
    assert!(asked("tasks/get", r#"{"taskId":"t-1","status":"working"}"#).is_empty());
    assert_eq!(
        asked("tasks/get", r#"{"taskId":"t-1","status":"completed","result":{"isError":true}}"#),
        [r#"task of Some("add") tool_error"#]
    );
    assert!(asked("tasks/result", r#"{"content":[]}"#).is_empty());
    let notice =
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-2","status":"failed"}}"#;
    let lines = brief(stream().sse(&event("", notice)).play_in(&proxy));
    assert_eq!(lines, ["notification out notifications/tasks/status", "task of None failed"]);
}

#[test]
fn ok_without_a_session_nothing_is_followed() {
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
fn ok_a_delete_that_overtakes_the_answer_to_initialize() {
    let proxy = Proxy::default();
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let mut script = Script::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).sse("").open();
    script.response.insert("mcp-session-id", "5c99c753".to_owned());
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    proxy.wait(1);
    let delete = Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(200, "", "");
    assert!(play(&proxy, &delete).is_empty());
    proxy.wait(1);
    let lines = telling(post.event(&event("1", answer)));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].starts_with("session ended after 600"), "{lines:?}");
}

#[test]
fn ok_a_session_that_ends_before_the_stream_of_its_operation() {
    let proxy = Proxy::default();
    let progress = event("1", r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
    let script = in_session(&call(1)).sse(&progress).broken(1 << 14);
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    let delete = Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(200, "", "");
    assert!(play(&proxy, &delete).is_empty());
    assert_eq!(brief(post.finish()), ["end tools/call cancelled"]);
    proxy.wait(6);
    assert!(proxy.tick().is_empty());
}

#[test]
fn ok_lists_on_the_stream_of_http_sse_are_published() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(ENDPOINT);
    play(&proxy, &legacy(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
    assert!(get.event(&event("", list)).contains(&"published 2".to_owned()));
}

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
        let mut get = proxy.begin(&script, &mut Log::default());
        get.respond(&mut Log::default());
        get.event(&format!("event: endpoint\ndata: {address}\n\n"));
        play(&proxy, &legacy(&call(1)).header(":path", path));
        assert_eq!(brief(get.event(&event(&long, &answer(1)))), ["end tools/call ok"], "{address}");
        get.finish();
    }
    let script = legacy_stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(&format!("event: endpoint\ndata: /m?sessionId={long}\n\n"));
    // Too long to be understood: the stream is MCP, its session is not followed.
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["unmatched unknown_id"]);
    let forged = format!(r#"{{"jsonrpc":"2.0","id":"{long}","result":{{}}}}"#);
    assert_eq!(brief(in_session(&forged).answered(202, "", "").play_in(&proxy)), ["unmatched unknown_id"]);
}

#[test]
fn ok_an_answer_before_its_request_answers_nothing() {
    let proxy = Proxy::default();
    let script = legacy_stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(ENDPOINT);
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["unmatched unknown_id"]);
    play(&proxy, &legacy(&call(1)));
    assert_eq!(brief(get.event(&event("", &answer(1)))), ["end tools/call ok"]);
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
fn ok_tasks_of_two_servers_are_told_apart() {
    let proxy = Proxy::default();
    let mut count = 0;
    for cluster in ["first", "second"] {
        let ask = r#"{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"1"}}"#;
        let mut script = in_session(ask).json(r#"{"jsonrpc":"2.0","id":2,"result":{"taskId":"1","status":"failed"}}"#);
        script.config = crate::config::Config::from_json(br#"{"server_name_from":"cluster"}"#, &|_| None).unwrap();
        script.cluster = cluster;
        count += brief(script.play_in(&proxy)).iter().filter(|line| line.starts_with("task ")).count();
    }
    assert_eq!(count, 2);
}

#[test]
fn ok_the_clock_stands_also_for_operations_that_end_without_an_answer() {
    let duration = |lines: Vec<String>, end: &str| -> u64 {
        let line = lines.iter().find(|line| line.starts_with(end)).unwrap_or_else(|| panic!("{lines:?}"));
        line.split(['(', ')']).nth(1).unwrap().parse().unwrap()
    };
    let asks = event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#);
    let reply = in_session(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#).answered(202, "", "");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    for is_cancelled in [false, true] {
        let proxy = Proxy::default();
        let script = in_session(&call(1)).sse(":\n").broken(1 << 6);
        let mut post = proxy.begin(&script, &mut Log::default());
        post.respond(&mut Log::default());
        post.event(&asks);
        proxy.wait(10);
        reply.play_in(&proxy);
        if is_cancelled {
            in_session(cancel).answered(202, "", "").play_in(&proxy);
            // What the server asks afterwards takes nothing from the time up to then.
            post.event(&asks);
            proxy.wait(10);
            reply.play_in(&proxy);
        }
        let end = if is_cancelled { "end tools/call cancelled" } else { "end tools/call error/reset" };
        let duration = duration(telling(post.finish()), end);
        assert!((1..100).contains(&duration), "{duration}");
    }
    // The client never answered: nobody knows for how long the server would have waited.
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").broken(1 << 14);
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    post.event(&asks);
    proxy.wait(10);
    assert_eq!(
        telling(post.finish()),
        ["end tools/call cancelled in None ms, None bytes", "asked elicitation/create lost in None ms"]
    );
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

#[test]
fn ok_a_listen_among_others_ends_with_its_stream() {
    let proxy = Proxy::default();
    let listen = r#"{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}"#;
    let script = in_session(&format!("[{},{listen}]", call(1))).sse(&event("1", &answer(1))).broken(1 << 14);
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call ok", "end subscriptions/listen ok"]);
    let script = in_session(&format!("[{},{listen}]", call(3))).sse("id: 1\ndata: \n\n").broken(1 << 14);
    assert_eq!(brief(script.play_in(&proxy)), ["end subscriptions/listen ok"]);
}

#[test]
fn ok_a_new_session_replaces_the_one_that_initialize_was_sent_with() {
    let proxy = Proxy::default();
    let initialized = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let mut script = in_session(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).json(initialized);
    script.response.insert("mcp-session-id", "new".to_owned());
    script.play_in(&proxy);
    let delete = Script::get().header(":method", "DELETE").header("mcp-session-id", "new").answered(200, "", "");
    assert!(brief(delete.play_in(&proxy))[0].starts_with("session ended after "));
}

#[test]
fn ok_a_second_answer_of_the_client_after_the_stream_is_a_duplicate() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    let reply = in_session(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#).answered(202, "", "");
    assert_eq!(brief(reply.play_in(&proxy)), ["asked elicitation/create ok"]);
    post.event(&event("", &answer(1)));
    post.finish();
    assert_eq!(brief(reply.play_in(&proxy)), ["unmatched duplicate"]);
}

#[test]
fn ok_a_request_of_the_server_is_lost_with_the_stream_of_a_get() {
    let proxy = Proxy::default();
    let script = stream();
    let mut get = proxy.begin(&script, &mut Log::default());
    get.respond(&mut Log::default());
    get.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    assert_eq!(brief(get.finish()), ["asked elicitation/create lost"]);
    // One that may be resumed, and one that stays open: after five minutes.
    for (id, stays) in [("1", false), ("", true)] {
        let proxy = Proxy::default();
        let script = stream();
        let mut get = proxy.begin(&script, &mut Log::default());
        get.respond(&mut Log::default());
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
fn ok_an_operation_answered_elsewhere_takes_no_other_with_its_id() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for is_answered_again in [true, false] {
        let proxy = Proxy::default();
        let [first, second] = [call(1), list.to_owned()].map(|body| in_session(&body).sse(":\n").broken(1 << 6));
        let [mut first, mut second] = [&first, &second].map(|script| {
            let mut post = proxy.begin(script, &mut Log::default());
            post.respond(&mut Log::default());
            post
        });
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
fn ok_a_session_that_ends_while_the_server_waits() {
    let proxy = Proxy::default();
    let script = in_session(&call(1)).sse(":\n").open();
    let mut post = proxy.begin(&script, &mut Log::default());
    post.respond(&mut Log::default());
    post.event(&event("", r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#));
    proxy.wait(10);
    let delete = Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(200, "", "");
    assert_eq!(brief(delete.play_in(&proxy)), ["asked elicitation/create lost"]);
    let lines = telling(post.event(&event("", &answer(1))));
    assert!(lines[0].starts_with("end tools/call ok in None ms"), "{lines:?}");
}

#[test]
fn ok_a_404_that_says_nothing_of_the_session() {
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
