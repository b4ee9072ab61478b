mod by_headers;
mod compressed;
mod http_status;
mod streams;

use crate::host::Failure;
use crate::test;
use crate::testing::{End, Log, Proxy, Script};

/// How the only operation of a script ended, without duration and size.
fn end(script: &Script) -> String {
    let lines = script.play();
    let ends = Log::ends(&lines);
    assert_eq!(ends.len(), 1, "{lines:?}");
    let started = lines.iter().filter(|line| line.starts_with("start ")).count();
    assert_eq!(started, 1, "{lines:?}");
    ends[0].split(" in ").next().unwrap().to_owned()
}

fn result(members: &str) -> String {
    format!(r#"{{"result":{{{members}}},"jsonrpc":"2.0","id":1}}"#)
}

fn error(code: &str, id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{code},"message":"secret"}}}}"#)
}

fn event(message: &str) -> String {
    format!("event: message\ndata: {message}\n\n")
}

#[test]
fn plain_call_gives_all_observations() {
    let answer = result(r#""content":[],"isError":false"#);
    let script = Script::tool_call().json(&answer);
    assert_eq!(
        script.play(),
        [
            "StreamSeen".to_owned(),
            "ExchangeOpened".to_owned(),
            "start tools/call add".to_owned(),
            format!("bytes in {}", script.request_body.len()),
            "reachable true".to_owned(),
            format!("end tools/call ok in Some(1) ms, Some({}) bytes", answer.len()),
            format!("bytes out {}", answer.len()),
            "ExchangeClosed".to_owned(),
        ]
    );
}

#[test]
fn outcome_follows_the_response() {
    let by = |answer: &str| end(&Script::tool_call().json(answer));
    assert_eq!(by(&result(r#""isError":true"#)), "tools/call error/tool_error");
    assert_eq!(by(&result(r#""resultType":"input_required""#)), "tools/call input_required");
    assert_eq!(by(&result(r#""resultType":"task""#)), "tools/call accepted");
    assert_eq!(by(&result(r#""task":{"taskId":"x"}"#)), "tools/call accepted");
    assert_eq!(by(&result(r#""resultType":"new""#)), "tools/call ok");
    for code in ["-32700", "-32600", "-32601", "-32602", "-32002", "-32602.0"] {
        assert_eq!(by(&error(code, r#""id":1,"#)), "tools/call error/invalid_request", "{code}");
    }
    for code in ["-32000", "-32603", "0", "7", "\"x\"", "1.5"] {
        assert_eq!(by(&error(code, r#""id":1,"#)), "tools/call error/rpc_error", "{code}");
    }
    // A client that calls tools no longer probes.
    assert_eq!(by(&error("-32022", r#""id":1,"#)), "tools/call error/rpc_error");
    assert_eq!(by(&error("-32042", r#""id":1,"#)), "tools/call input_required");
    // isError has a meaning for tools/call only.
    let read = Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a://b"}}"#);
    assert_eq!(end(&read.json(&result(r#""isError":true"#))), "resources/read ok");
}

#[test]
fn error_with_unusable_id_answers_the_only_request() {
    for id in [r#""id":null,"#, "", r#""id":"server-error","#, r#""id":99,"#] {
        let script = Script::tool_call().answered(400, "application/json", &error("-32000", id));
        assert_eq!(end(&script), "tools/call error/rpc_error", "{id}");
    }
    // A result must have its id.
    let stray = r#"{"jsonrpc":"2.0","id":99,"result":{}}"#;
    assert_eq!(end(&Script::tool_call().json(stray)), "tools/call error/no_response");
    let then = Script::tool_call().sse(&(event(stray) + &event(&result(""))));
    assert_eq!(end(&then), "tools/call ok");
}

#[test]
fn outcome_follows_response_flags() {
    let failed = |failure| end(&Script::tool_call().answered(503, "text/plain", "upstream gone").broken(failure));
    for (failure, ended) in [
        (Failure::Timeout, "tools/call error/timeout"),
        (Failure::Unavailable, "tools/call error/upstream_unavailable"),
        (Failure::UpstreamReset, "tools/call error/reset"),
        (Failure::Overload, "tools/call error/overload"),
        (Failure::RateLimited, "tools/call error/rate_limited"),
        (Failure::ClientReset, "tools/call cancelled"),
        (Failure::Other, "tools/call error/http_error"),
    ] {
        assert_eq!(failed(failure), ended, "{failure:?}");
    }
    // Before any response headers.
    assert_eq!(end(&Script::tool_call().broken(Failure::ClientReset)), "tools/call cancelled");
    // A complete response counts, even if the exchange fails afterwards.
    assert_eq!(end(&Script::tool_call().sse(&event(&result(""))).broken(Failure::UpstreamReset)), "tools/call ok");
}

#[test]
fn outcome_follows_http_status() {
    let status = |status| end(&Script::tool_call().answered(status, "text/plain", "text"));
    assert_eq!(status(401), "tools/call error/unauthorized");
    assert_eq!(status(403), "tools/call error/unauthorized");
    assert_eq!(status(404), "tools/call error/http_error");
    assert_eq!(status(503), "tools/call error/http_error");
    assert_eq!(status(200), "tools/call error/no_response");
    let mut local = Script::tool_call().answered(503, "text/plain", "text");
    local.is_from_upstream = false;
    assert_eq!(end(&local), "tools/call error/no_response");
    // Headers only.
    assert_eq!(end(&Script::tool_call().answered(404, "", "")), "tools/call error/http_error");
    assert_eq!(end(&Script::tool_call().answered(200, "application/json", "")), "tools/call error/no_response");
    assert_eq!(end(&Script::tool_call().answered(202, "", "")), "tools/call unknown");
}

#[test]
fn unreadable_response_is_unknown() {
    let json = |body: &str| end(&Script::tool_call().json(body));
    assert_eq!(json(r#"{"jsonrpc":"2.0","id":1,"result":{"#), "tools/call unknown");
    assert_eq!(json("{broken"), "tools/call unknown");
    assert_eq!(json(&format!("{}1{}", "[".repeat(2000), "]".repeat(2000))), "tools/call unknown");
    assert_eq!(json(r#"{"ok":true}"#), "tools/call error/no_response");
    assert_eq!(end(&Script::tool_call().sse("data: {bad\n\n")), "tools/call unknown");
    assert_eq!(end(&Script::tool_call().sse(": nothing\n\n")), "tools/call error/no_response");
    // Clients discard an event without its blank line, so it is no response.
    assert_eq!(end(&Script::tool_call().sse(&format!("data: {}\n", result("")))), "tools/call error/no_response");
    // The response may come on the stream that resumes this one.
    assert_eq!(end(&Script::tool_call().sse("id: 7\ndata: \n\n")), "tools/call unknown");
    let mut encoded = Script::tool_call().json("\u{1f}garbage");
    encoded.response.insert("content-encoding", "br".to_owned());
    assert_eq!(end(&encoded), "tools/call unknown");
    assert!(encoded.play().contains(&"skip out content_encoding".to_owned()));
}

#[test]
fn refused_probe_is_negotiation() {
    let discover = || Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#);
    assert_eq!(end(&discover().answered(400, "application/json", &error("-32600", ""))), "server/discover negotiation");
    assert_eq!(end(&discover().answered(404, "text/html", "x")), "server/discover negotiation");
    assert_eq!(end(&discover().json(&result(""))), "server/discover ok");
    assert_eq!(end(&discover().broken(Failure::Unavailable)), "server/discover error/upstream_unavailable");
    // A method that is used after the probing is no probe.
    let by = |method: &str, code: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"uri":"a://b","name":"x"}}}}"#);
        end(&Script::post(&body).answered(400, "application/json", &error(code, r#""id":1,"#)))
    };
    for method in ["initialize", "tools/list", "ping", "subscriptions/listen", "acme/custom"] {
        let ended = by(method, "-32022");
        assert!(ended.ends_with(" negotiation"), "{ended}");
    }
    for method in ["tools/call", "resources/read", "prompts/get"] {
        assert_eq!(by(method, "-32022"), format!("{method} error/rpc_error"));
        assert_eq!(by(method, "-32602"), format!("{method} error/invalid_request"));
    }
}

#[test]
fn listen_is_no_request_in_flight() {
    let listen = Script::post(r#"{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen"}"#);
    let acknowledged = event(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}"#);
    let script = listen.sse(&acknowledged).broken(Failure::ClientReset);
    let lines = script.play();
    assert_eq!(Log::ends(&lines), ["subscriptions/listen ok in Some(1) ms, None bytes"]);
    assert!(!lines.iter().any(|line| line.starts_with("first event")), "{lines:?}");
}

#[test]
fn each_message_of_batch_is_observed() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":"1","method":"tools/list"},
        {"jsonrpc":"2.0","method":"notifications/initialized"}]"#;
    let answers = event(r#"{"jsonrpc":"2.0","id":"1","result":{"tools":[]}}"#) + &event(&result(""));
    let lines = Script::post(batch).sse(&answers).play();
    assert_eq!(Log::ends(&lines).len(), 2);
    assert!(Log::ends(&lines)[0].starts_with("tools/list ok"));
    let refused = Script::post(batch).answered(400, "application/json", &error("-32600", r#""id":null,"#)).play();
    assert_eq!(Log::ends(&refused).len(), 2, "one error without an id answers all: {refused:?}");
    assert_eq!(refused.iter().filter(|line| line.starts_with("error ")).count(), 1);
    let foreign = Script::post(batch).answered(400, "application/json", &error("-32600", r#""id":9,"#)).play();
    assert!(Log::ends(&foreign).iter().all(|end| end.contains("error/http_error")), "{foreign:?}");
    let all: Vec<_> = (0..100).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).collect();
    let said: Vec<_> = (0..100).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)).collect();
    let lines = Script::post(&format!("[{}]", all.join(","))).sse(&event(&format!("[{}]", said.join(",")))).play();
    assert!(Log::ends(&lines).iter().all(|end| end.starts_with("ping ok")), "{lines:?}");
    let many: Vec<_> = (0..150).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).collect();
    let lines = Script::post(&format!("[{}]", many.join(","))).answered(202, "", "").play();
    assert_eq!(Log::ends(&lines).len(), 100);
    assert_eq!(lines.iter().filter(|line| *line == "skip in too_long").count(), 50);
}

#[test]
fn ids_of_every_type_match() {
    for (sent, answered) in [
        ("1.0", "1"),
        ("\"x\\u00e9\\ud83d\\ude00\"", "\"xé😀\""),
        ("12345678901234567890", "12345678901234567890"),
        ("-5", "-5"),
        ("\"\"", "\"\""),
        ("1", "\"1\""),
        ("\"0\"", "0"),
        ("\"7\"", "7.0"),
    ] {
        let script = Script::post(&format!(r#"{{"id":{sent},"jsonrpc":"2.0","method":"ping"}}"#));
        let answer = format!(r#"{{"result":{{}},"id":{answered},"jsonrpc":"2.0"}}"#);
        assert_eq!(end(&script.json(&answer)), "ping ok", "{sent}");
    }
    for (sent, answered) in [("1", "\"01\""), ("1", "\"+1\""), ("-1", "\"-1\""), ("\"1.0\"", "1"), ("\"a\"", "1")] {
        let script = Script::post(&format!(r#"{{"id":{sent},"jsonrpc":"2.0","method":"ping"}}"#));
        let answer = format!(r#"{{"result":{{}},"id":{answered},"jsonrpc":"2.0"}}"#);
        assert_eq!(end(&script.json(&answer)), "ping error/no_response", "{sent} by {answered}");
    }
    for odd in ["null", "true", "[1]", "{}"] {
        let lines =
            Script::post(&format!(r#"{{"id":{odd},"jsonrpc":"2.0","method":"ping"}}"#)).answered(202, "", "").play();
        assert!(lines.contains(&"notification in ping".to_owned()), "{odd}: {lines:?}");
    }
}

#[test]
fn string_of_digits_answers_number_without_exact_match() {
    let call = |id: &str, method: &str| format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"{method}"}}"#);
    let answer = |id: &str| format!("data: {{\"result\":{{}},\"id\":{id},\"jsonrpc\":\"2.0\"}}\n\n");
    let batch = format!("[{},{}]", call("5", "ping"), call("\"5\"", "tools/list"));
    let lines = Script::post(&batch).sse(&[answer("\"5\""), answer("5"), answer("5")].concat()).play();
    assert_eq!(Log::ends(&lines).len(), 2);
    assert!(Log::ends(&lines)[0].starts_with("tools/list ok") && Log::ends(&lines)[1].starts_with("ping ok"));
    assert!(lines.contains(&"unmatched duplicate".to_owned()), "{lines:?}");
    // The second response to 5 does not answer "5".
    let lines = Script::post(&batch).sse(&[answer("5"), answer("5")].concat()).play();
    assert!(lines.contains(&"unmatched duplicate".to_owned()), "{lines:?}");
    assert!(Log::ends(&lines)[1].starts_with("tools/list error/no_response"), "{lines:?}");
}

#[test]
fn mcp_is_recognised_by_headers_and_methods() {
    let plain = |body: &str| {
        Script::post(body).without("accept").without("mcp-protocol-version").answered(200, "application/json", "{}")
    };
    let custom = r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#;
    assert_eq!(plain(custom).play(), ["StreamSeen", "skip in not_mcp"]);
    assert_eq!(plain(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get"}"#).play(), ["StreamSeen", "skip in not_mcp"]);
    assert_eq!(plain(r#"{"a":1}"#).play(), ["StreamSeen", "skip in not_json_rpc"]);
    assert_eq!(plain("[]").play(), ["StreamSeen", "skip in not_json_rpc"]);
    assert_eq!(plain("").play(), ["StreamSeen", "skip in not_json_rpc"]);
    assert_eq!(plain("{\"a\"").play(), ["StreamSeen", "skip in truncated"]);
    assert_eq!(plain("oops").play(), ["StreamSeen", "skip in invalid_json"]);
    assert_eq!(plain(custom).header(":method", "PUT").play(), ["StreamSeen"]);
    assert_eq!(plain(custom).header("content-type", "application/x-www-form-urlencoded").play(), ["StreamSeen"]);
    let opened = |script: Script| script.play().contains(&"ExchangeOpened".to_owned());
    assert!(opened(plain(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)));
    assert!(opened(plain(custom).header("mcp-session-id", "s")));
    assert!(opened(plain(custom).header("mcp-method", "x")));
    assert!(opened(plain(custom).header("accept", "application/json, text/event-stream")));
    assert!(opened(plain(custom).header(":path", "/message?sessionId=1")));
    let mut configured = plain(custom);
    configured.config.paths = vec!["/mc".to_owned()];
    assert!(opened(configured));
}

#[test]
fn stream_is_mcp_by_header_or_first_event() {
    let bare = || Script::get().without("mcp-protocol-version");
    let note = event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    let lines = bare().sse(&note).play();
    assert!(lines.contains(&"notification out notifications/message".to_owned()), "{lines:?}");
    assert!(lines.contains(&"EventStreamOpened".to_owned()) && lines.contains(&"EventStreamClosed".to_owned()));
    assert!(bare().sse("event: endpoint\ndata: /m?sessionId=1\n\n").play().contains(&"ExchangeOpened".to_owned()));
    assert_eq!(bare().sse(&format!("data: {{\"tick\":1}}\n\n{note}")).play(), ["StreamSeen"]);
    assert_eq!(bare().answered(200, "text/html", "<p>").play(), ["StreamSeen"]);
    let named = Script::get().sse("").play();
    assert_eq!(named, ["StreamSeen", "ExchangeOpened", "stream ok", "ExchangeClosed"]);
    let refused = Script::get().answered(405, "application/json", &error("-32000", r#""id":null,"#)).play();
    assert!(refused.contains(&"error Some(-32000) of none".to_owned()), "{refused:?}");
    let delete = Script::get().header(":method", "DELETE").answered(200, "", "").play();
    assert_eq!(delete, ["StreamSeen", "ExchangeOpened", "ExchangeClosed"]);
}

#[test]
fn headers_are_compared_with_the_body() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let modern = |version: &str, method: &str, name: &str| {
        let script = Script::post(body).header("mcp-protocol-version", version);
        let lines = script.header("mcp-method", method).header("mcp-name", name).answered(200, "", "").play();
        lines.into_iter().filter(|line| line.starts_with("mismatch")).collect::<Vec<_>>()
    };
    assert_eq!(modern("2026-07-28", "tools/call", "add"), Vec::<String>::new());
    assert_eq!(modern("2026-07-28", "tools/call", "=?base64?YWRk?="), Vec::<String>::new());
    assert_eq!(
        modern("2025-11-25", "TOOLS/CALL", "sub"),
        ["mismatch MCP-Protocol-Version", "mismatch Mcp-Method", "mismatch Mcp-Name"]
    );
    // Earlier protocol versions do not define these headers.
    let legacy = Script::tool_call().header("mcp-method", "x").header("mcp-name", "y").answered(200, "", "").play();
    assert!(!legacy.iter().any(|line| line.starts_with("mismatch")), "{legacy:?}");
    let lying = Script::tool_call().header("mcp-protocol-version", "2026-07-28").header("mcp-method", "x");
    assert!(lying.answered(200, "", "").play().contains(&"mismatch Mcp-Method".to_owned()));
}

#[test]
fn lists_and_sessions_are_observed() {
    let list = |params: &str| {
        let script =
            Script::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{params}}}}}"#));
        script.json(&result(r#""tools":[{"name":"a"},{"name":"b"}]"#)).play()
    };
    let bytes = result(r#""tools":[{"name":"a"},{"name":"b"}]"#).len();
    assert!(list("").contains(&format!("listed tools/list 2 in {bytes} bytes")));
    let page = list(r#""cursor":"x""#);
    assert!(
        page.contains(&"published 2".to_owned()) && !page.iter().any(|line| line.starts_with("listed")),
        "{page:?}"
    );
    let initialize = |answer: &str| {
        Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"9"}}"#)
            .json(answer)
            .play()
    };
    assert!(
        initialize(&result(r#""protocolVersion":"2025-06-18""#))
            .contains(&"session 2025-06-18 over streamable_http".to_owned())
    );
    assert!(
        initialize(&result(r#""protocolVersion":"v999""#)).contains(&"session other over streamable_http".to_owned())
    );
    assert!(!initialize(&error("-32602", r#""id":1,"#)).iter().any(|line| line.starts_with("session")));
}

#[test]
fn any_chunking_and_any_ending_gives_the_same_observations() {
    let progress = event(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#);
    let scripts = [
        Script::tool_call().json(&result(r#""content":[{"type":"text","text":"a\"b\\u0041"}],"isError":true"#)),
        Script::tool_call().sse(&format!("\u{feff}: ping\r\n\r\n{progress}{progress}{}", event(&result("")))),
        Script::tool_call().answered(400, "application/json", &error("-32600", r#""id":null,"#)),
        Script::get().sse(&progress),
        Script::post("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},5,{}]").json(&result("")),
    ];
    for script in scripts {
        let untimed = |script: &Script| {
            let lines = script.play().into_iter();
            let mut lines: Vec<_> =
                lines.map(|line| line.split(" in Some").next().unwrap_or_default().to_owned()).collect();
            lines.sort();
            lines
        };
        let expected = untimed(&script);
        for chunk in [1, 2, 3, 7, 50] {
            for end in [End::LastChunk, End::EmptyChunk, End::Trailers] {
                let again = Script { chunk, request_end: script.request_end, response_end: end, ..script.clone() };
                assert_eq!(untimed(&again), expected, "chunks of {chunk}, {end:?}");
            }
        }
    }
}

#[test]
fn response_that_begins_before_end_of_request_is_matched() {
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    let modern = |script: Script| {
        script.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call").header("mcp-name", "add")
    };
    for script in [Script::tool_call(), Script::tool_call().header("mcp-session-id", "s"), modern(Script::tool_call())]
    {
        for (content_type, body) in
            [("text/event-stream", format!("data: {answer}\n\n")), ("application/json", answer.to_owned())]
        {
            for sent in [0, 20] {
                let mut script = script.clone().answered(200, content_type, ":").open();
                script.response_body.clear();
                let rest = script.request_body.split_off(sent);
                script.request_end = End::Never;
                let (proxy, mut log) = (Proxy::default(), Log::default());
                let mut post = proxy.begin(&script, &mut log);
                post.respond(&mut log);
                post.send_rest(&rest, &mut log);
                post.chunk(body.as_bytes(), true, &mut log);
                post.end(&mut log);
                assert_eq!(Log::ends(&log.lines).len(), 1, "{:?}", log.lines);
                assert!(Log::ends(&log.lines)[0].starts_with("tools/call ok"), "{:?}", log.lines);
                assert!(!log.lines.iter().any(|line| line.starts_with("unmatched") || line.starts_with("skip")));
            }
        }
    }
}

#[test]
fn truncated_response_without_flag_is_client_disconnect() {
    // Envoy reports a stream that an HTTP/2 client resets with NO_ERROR in this way.
    assert_eq!(end(&Script::tool_call()), "tools/call cancelled");
    assert_eq!(end(&Script::tool_call().sse(": begun\n\n").open()), "tools/call cancelled");
    assert_eq!(end(&Script::tool_call().sse(": begun\n\n")), "tools/call error/no_response");
    assert_eq!(end(&Script::tool_call().answered(500, "text/html", "")), "tools/call error/http_error");
}
