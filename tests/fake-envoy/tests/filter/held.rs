//! Requests under a rate limit: what the upstream gets, what the client gets instead, and what is counted.

use std::time::Duration;

use fake_envoy::{Exchange, Framing, Host, LocalReply, Pause, Played, Plugin, Step, Upstream, Vm};

use crate::support;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
/// A rule of one request a day.
const RULE: &str = r#"{"name":"r","method":"tools/call","requests":1,"interval_ms":86400000}"#;
/// Without the millisecond that passed: the wait for the second request.
const DAY_MS: u64 = 86_400_000;
const KIB_64: usize = 64 * 1024;

/// A worker with these rules, and other fields of the block.
fn limited(rules: &str, fields: &str) -> (Host, Vm) {
    limited_with(rules, fields, "")
}

/// The same, with other fields of the configuration.
fn limited_with(rules: &str, fields: &str, others: &str) -> (Host, Vm) {
    let host = Host::new().unwrap();
    let configuration = format!(r#"{{"rate_limit":{{"rules":[{rules}]{fields}}}{others}}}"#);
    let vm = host.start(&Plugin::new(&configuration).pausing(Pause::HoldsHeaders)).unwrap();
    assert!(vm.is_configured(), "{:?}", host.log());
    (host, vm)
}

/// The lines of a family that are not zero.
fn lines(host: &Host, vm: &Vm, family: &str) -> Vec<String> {
    let lines = support::non_zero(&support::scrape(host, &[vm])).into_iter();
    lines.filter(|line| line.starts_with(family)).collect()
}

/// `rule outcome count` of the rules.
fn outcomes(host: &Host, vm: &Vm) -> Vec<String> {
    let lines = lines(host, vm, "mcp_rate_limit_total").into_iter();
    lines
        .map(|line| line.replace("mcp_rate_limit_total{rule=", "").replace(",outcome=", " ").replace('}', ""))
        .collect()
}

fn play(vm: &Vm, exchange: &Exchange) -> Played {
    vm.play(exchange, Framing::Http1).unwrap()
}

fn call() -> Exchange {
    Exchange::post(CALL).json(RESULT)
}

/// The whole body that was sent.
fn sent(exchange: &Exchange) -> Vec<u8> {
    let bodies =
        exchange.steps.iter().filter_map(|step| if let Step::RequestBody(bytes) = step { Some(bytes) } else { None });
    bodies.flatten().copied().collect()
}

fn passed(exchange: &Exchange) -> Upstream {
    Upstream { has_headers: true, body: sent(exchange) }
}

fn error(id: &str, wait: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"Rate limit r exceeded, retry in {wait} ms","data":{{"reason":"rate_limited","rule":"r","retryAfterMs":{wait}}}}}}}"#
    )
}

fn refusal(body: &str, retry_after: &str) -> LocalReply {
    let headers = [("content-type", "application/json"), ("retry-after", retry_after)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
    LocalReply { status: 429, headers, body: body.as_bytes().to_vec() }
}

/// Plays an exchange after one call, so that it is over the limit, and checks that nothing of it reaches the upstream.
fn over(exchange: &Exchange, framing: Framing) -> (Host, Vm, String) {
    let (host, vm) = limited(RULE, "");
    play(&vm, &call());
    let played = vm.play(exchange, framing).unwrap();
    assert_eq!(played.upstream, Upstream::default());
    let reply = played.local_reply.expect("no refusal");
    assert_eq!(reply.status, 429);
    let body = String::from_utf8(reply.body).unwrap();
    (host, vm, body)
}

#[test]
fn call_within_the_limit_passes_whole() {
    for framing in [Framing::Http1, Framing::Http2] {
        for size in [1, 7, 16, 1_000] {
            let (host, vm) = limited(RULE, "");
            let exchange = call().in_chunks_of(size);
            let played = vm.play(&exchange, framing).unwrap();
            assert_eq!((played.upstream, played.local_reply), (passed(&exchange), None));
            assert_eq!(outcomes(&host, &vm), ["r allowed 1"]);
        }
    }
}

#[test]
fn call_over_the_limit_is_refused_and_counted() {
    let (host, vm, body) = over(&call(), Framing::Http2);
    assert_eq!(body, error("1", DAY_MS));
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
    let of = |family: &str| lines(&host, &vm, family);
    assert_eq!(
        of("mcp_requests_total"),
        [
            "mcp_requests_total{method=tools/call,status=error,error_type=rate_limited} 1",
            "mcp_requests_total{method=tools/call,status=ok} 1"
        ]
    );
    assert_eq!(
        of("mcp_tool_calls_total{tool_name=add,status=error"),
        ["mcp_tool_calls_total{tool_name=add,status=error,error_type=rate_limited} 1"]
    );
    assert_eq!(
        of("mcp_request_duration_microseconds{method=tools/call,status=error"),
        ["mcp_request_duration_microseconds{method=tools/call,status=error} [0]"]
    );
    for family in [
        "mcp_protocol_errors_total",
        "mcp_requests_in_flight",
        "mcp_active_connections",
        "mcp_unmatched",
        "mcp_parse_skipped",
    ] {
        assert_eq!(of(family), [""; 0], "{family}");
    }
    assert_eq!(of("mcp_tool_result_bytes").len(), 1);
}

#[test]
fn refusal_says_when_to_come_back() {
    let (_host, vm) = limited(r#"{"name":"r","method":"tools/call","requests":2,"interval_ms":3000,"burst":1}"#, "");
    play(&vm, &call());
    assert_eq!(play(&vm, &call()).local_reply, Some(refusal(&error("1", 1_500), "2")));
    vm.advance(Duration::from_millis(1_499));
    assert_eq!(play(&vm, &call()).local_reply, Some(refusal(&error("1", 1), "1")));
    vm.advance(Duration::from_millis(1));
    assert_eq!(play(&vm, &call()).local_reply, None);
}

/// With a limit that is never reached, every recorded exchange is counted as without one, in any pieces.
#[test]
fn held_exchanges_are_counted_as_others() {
    for (name, exchange) in support::recorded() {
        let expected = support::observed("{}", std::slice::from_ref(&exchange)).unwrap();
        for size in [1_000, 16 * 1024] {
            let (host, vm) = limited(r#"{"method":"tools/call","requests":1000,"interval_ms":100}"#, "");
            let exchange = exchange.in_chunks_of(size);
            let played = play(&vm, &exchange);
            assert_eq!((played.upstream, played.local_reply), (passed(&exchange), None), "{name}");
            let mut found = support::non_zero(&support::scrape(&host, &[&vm]));
            found.retain(|line| !line.starts_with("mcp_rate_limit_total"));
            assert_eq!(found, expected, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn attributes_show_the_refusal() {
    let (_host, vm) = limited_with(RULE, "", r#","filter_state":true"#);
    play(&vm, &call());
    let state = play(&vm, &call()).filter_state;
    let shown = ["mcp.method", "mcp.tool", "mcp.status", "mcp.error_type", "mcp.error_code", "mcp.request_id"];
    let values: Vec<&str> = shown.iter().map(|key| state.get(*key).map_or("", String::as_str)).collect();
    assert_eq!(values, ["tools/call", "add", "error", "rate_limited", "-32000", "1"]);
}

#[test]
fn batch_passes_or_is_refused_whole() {
    let batch = format!(
        r#"[{CALL},{{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{{"name":"add"}}}},{{"jsonrpc":"2.0","method":"notifications/initialized"}},{{"jsonrpc":"2.0","id":3.0,"method":"ping"}}]"#
    );
    let (host, vm) = limited(r#"{"name":"r","method":"tools/call","requests":2,"interval_ms":86400000}"#, "");
    play(&vm, &call());
    let played = play(&vm, &Exchange::post(&batch));
    let errors = ["1", "\"b\"", "3.0"].map(|id| error(id, DAY_MS / 2)).join(",");
    assert_eq!(played.local_reply, Some(refusal(&format!("[{errors}]"), "43200")));
    // One was over, and no token was taken: one more call passes.
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
    assert_eq!(lines(&host, &vm, "mcp_notifications"), [""; 0]);
    assert_eq!(play(&vm, &call()).local_reply, None);
    assert!(play(&vm, &call()).local_reply.is_some());
}

#[test]
fn body_decides_and_not_the_headers() {
    let lying = call()
        .header("mcp-method", "tools/list")
        .header("mcp-name", "other")
        .header("mcp-protocol-version", "2026-07-28");
    over(&lying, Framing::Http1);
    let twice = CALL.replacen("tools/call", "ping\",\"method\":\"tools/call", 1);
    over(&Exchange::post(&twice), Framing::Http1);
    over(&Exchange::post(CALL).header("content-type", "text/JSON; charset=utf-8"), Framing::Http1);
    over(&Exchange::post(&format!("{}{CALL}", CALL.replace("tools/call", "ping"))).in_chunks_of(1), Framing::Http1);
    over(&Exchange::post(&CALL.replace(r#""id":1"#, r#""id":null"#)), Framing::Http1);
    over(&Exchange::post(CALL).without("accept"), Framing::Http1);
    let padded = CALL.replace(r#""params":{"#, &format!(r#""params":{{"pad":"{}","#, "x".repeat(60 * 1024)));
    over(&Exchange::post(&padded).in_chunks_of(16 * 1024), Framing::Http1);
}

#[test]
fn ids_are_repeated_to_the_byte() {
    for id in ["1.0", "1e3", "-0", "12345678901234567890123", r#""\u0061\/\"""#, r#""ä""#] {
        let (_host, _vm, body) =
            over(&Exchange::post(&CALL.replace(r#""id":1"#, &format!(r#""id": {id} "#))), Framing::Http1);
        assert_eq!(body, error(id, DAY_MS));
    }
    let (_host, _vm, body) = over(&Exchange::post(&CALL.replace(r#""id":1"#, r#""id":1,"id":"last""#)), Framing::Http1);
    assert_eq!(body, error("\"last\"", DAY_MS));
}

#[test]
fn trailers_end_a_held_body() {
    let mut exchange = Exchange::post(CALL);
    exchange.steps.pop();
    let exchange = exchange.in_chunks_of(10).then(Step::RequestTrailers(vec![("t".to_owned(), b"1".to_vec())]));
    let (_host, _vm, body) = over(&exchange, Framing::Http2);
    assert_eq!(body, error("1", DAY_MS));
    let (_host, vm) = limited(RULE, "");
    assert_eq!(play(&vm, &exchange).upstream, passed(&exchange));
}

/// A call whose body has this length.
fn of_length(length: usize) -> Exchange {
    let pad = length - CALL.len() - r#""p":"","#.len();
    let body = CALL.replacen('{', &format!(r#"{{"p":"{}","#, "x".repeat(pad)), 1);
    assert_eq!(body.len(), length);
    Exchange::post(&body).in_chunks_of(16 * 1024)
}

#[test]
fn body_is_read_up_to_its_longest_length() {
    for framing in [Framing::Http1, Framing::Http2] {
        for length in [KIB_64 - 1, KIB_64, KIB_64 + 1] {
            let is_read = length <= KIB_64;
            let (host, vm) = limited(RULE, "");
            play(&vm, &call());
            let exchange = of_length(length);
            let played = vm.play(&exchange, framing).unwrap();
            assert_eq!(played.local_reply.is_some(), is_read, "{length}");
            assert_eq!(played.upstream, if is_read { Upstream::default() } else { passed(&exchange) });
            assert_eq!(outcomes(&host, &vm)[1], if is_read { "r limited 1" } else { "r unread 1" });
        }
    }
}

#[test]
fn unread_bodies_are_refused_if_so_configured() {
    let encoded = call().header("content-encoding", "gzip");
    let cases = [
        ("too long", of_length(KIB_64 + 1), "unseen"),
        (
            "endless",
            {
                let mut cut = of_length(KIB_64 + 20_000);
                cut.steps.pop();
                cut
            },
            "unseen",
        ),
        ("encoded", encoded.clone(), "unseen"),
        ("encoded, not shown as MCP", encoded.without("accept"), ""),
        ("no JSON type", call().header("content-type", "text/plain"), ""),
        ("broken", Exchange::post(&CALL[..40]), ""),
        ("other case", Exchange::post(&CALL.replace("method", "METHOD")), ""),
        ("other case of the name", Exchange::post(&CALL.replace("name", "NAME")), "tools/call"),
    ];
    for (name, exchange, method) in cases {
        for framing in [Framing::Http1, Framing::Http2] {
            let (host, vm) = limited(RULE, r#","unread":"refuse""#);
            let played = vm.play(&exchange, framing).unwrap();
            assert_eq!(played.upstream, Upstream::default(), "{name}");
            let reply = played.local_reply.unwrap_or_else(|| panic!("{name}: no refusal"));
            assert_eq!(reply.status, 429);
            let body = String::from_utf8(reply.body).unwrap();
            assert!(body.contains(r#""data":{"reason":"rate_limited","rule":"r","retryAfterMs":86400000}"#), "{body}");
            assert_eq!(outcomes(&host, &vm), ["r unread 1"], "{name}");
            let ended = lines(&host, &vm, "mcp_requests_total");
            let expected = format!("mcp_requests_total{{method={method},status=error,error_type=rate_limited}} 1");
            assert_eq!(ended, if method.is_empty() { Vec::new() } else { vec![expected] }, "{name}");
        }
        let (host, vm) = limited(RULE, "");
        let played = play(&vm, &exchange);
        assert_eq!((played.upstream, played.local_reply), (passed(&exchange), None), "{name}");
        assert_eq!(outcomes(&host, &vm), ["r unread 1"], "{name}");
    }
}

#[test]
fn what_is_not_mcp_passes() {
    let cases = [
        Exchange::post(r#"{"Name":"x","ID":1,"Method":"m"}"#).without("accept"),
        Exchange::post("[1,2]").without("accept"),
        Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#).without("accept"),
        Exchange::post("a=b").without("accept").header("content-type", "application/x-www-form-urlencoded"),
        Exchange::post("").without("accept"),
        Exchange::post(""),
        Exchange::bodiless("GET", "/mcp").header("accept", "text/event-stream"),
        Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "s"),
    ];
    for exchange in cases {
        let (host, vm) = limited(RULE, r#","unread":"refuse""#);
        let played = play(&vm, &exchange);
        assert_eq!((played.upstream, played.local_reply), (passed(&exchange), None), "{exchange:?}");
        assert_eq!(outcomes(&host, &vm), [""; 0], "{exchange:?}");
    }
}

#[test]
fn shadow_counts_and_holds_nothing() {
    let host = Host::new().unwrap();
    let vm = host
        .start(&Plugin::new(&format!(r#"{{"rate_limit":{{"shadow":true,"unread":"refuse","rules":[{RULE}]}}}}"#)))
        .unwrap();
    for exchange in
        [call(), call().in_chunks_of(1), call(), of_length(KIB_64 + 1), call().header("content-encoding", "gzip")]
    {
        let played = play(&vm, &exchange);
        assert_eq!((played.upstream, played.local_reply), (passed(&exchange), None));
    }
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r shadowed 2", "r unread 2"]);
}

#[test]
fn sessions_and_identities_and_clients_have_their_own_buckets() {
    for (per, header, value) in [("session", "mcp-session-id", "s"), ("identity", "x-user", "ann")] {
        let rule = RULE.replace(r#""requests""#, &format!(r#""per":"{per}","requests""#));
        let (host, vm) = limited_with(&rule, "", r#","identity":{"header":"x-user","form":"plain"}"#);
        let by = |value: &str| call().header(header, value);
        for exchange in [call(), by(value), by("other")] {
            assert_eq!(play(&vm, &exchange).local_reply, None, "{per}");
        }
        for exchange in [call(), by(value), by("other")] {
            assert!(play(&vm, &exchange).local_reply.is_some(), "{per}");
        }
        assert_eq!(outcomes(&host, &vm), ["r allowed 3", "r limited 3"]);
    }
    let rule = RULE.replace(r#""requests""#, r#""per":"client","requests""#);
    let (host, one) = limited(&rule, "");
    let configuration = format!(r#"{{"rate_limit":{{"rules":[{rule}]}}}}"#);
    let other = host.start(&Plugin::new(&configuration).pausing(Pause::HoldsHeaders)).unwrap();
    for client in ["a", "b"] {
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","clientInfo":{{"name":"{client}"}}}}}}"#
        );
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#;
        let headers = [("content-type", "application/json"), ("mcp-session-id", client)];
        play(&one, &Exchange::post(&initialize).head(200, &headers).chunk(answer).end());
    }
    // The other worker knows the clients from the store.
    for client in ["a", "b"] {
        assert_eq!(play(&other, &call().header("mcp-session-id", client)).local_reply, None);
        assert!(play(&one, &call().header("mcp-session-id", client)).local_reply.is_some());
    }
}

#[test]
fn refused_call_of_http_sse_is_not_followed() {
    let (host, vm) = limited(RULE, "");
    let post = || Exchange::post(CALL).header(":path", "/messages?session_id=7").without("accept");
    play(&vm, &post().answer(202, "", ""));
    assert!(play(&vm, &post()).local_reply.is_some());
    let stream = Exchange::bodiless("GET", "/sse")
        .header("accept", "text/event-stream")
        .head(200, &[("content-type", "text/event-stream")])
        .chunk("event: endpoint\ndata: /messages?session_id=7\n\n")
        .chunk(format!("data: {RESULT}\n\n"))
        .end();
    play(&vm, &stream);
    assert_eq!(
        lines(&host, &vm, "mcp_requests_total"),
        [
            "mcp_requests_total{method=tools/call,status=error,error_type=rate_limited} 1",
            "mcp_requests_total{method=tools/call,status=ok} 1"
        ]
    );
    assert_eq!(lines(&host, &vm, "mcp_requests_in_flight"), [""; 0]);
}

#[test]
fn client_that_leaves_a_held_request_takes_no_token() {
    let (host, vm) = limited(RULE, "");
    let mut exchange = Exchange::post(&CALL[..50]);
    exchange.steps.pop();
    let played = play(&vm, &exchange.in_chunks_of(20));
    assert_eq!((played.upstream, played.local_reply), (Upstream::default(), None));
    assert_eq!(lines(&host, &vm, "mcp_parse_skipped"), ["mcp_parse_skipped_total{direction=in,reason=truncated} 1"]);
    assert_eq!(play(&vm, &call()).local_reply, None);
    assert_eq!(outcomes(&host, &vm), ["r allowed 1"]);
}

/// A plugin without `allow_on_headers_stop_iteration`.
#[test]
fn request_whose_body_never_comes_is_released() {
    let host = Host::new().unwrap();
    let configuration = format!(r#"{{"rate_limit":{{"unread":"refuse","rules":[{RULE}]}}}}"#);
    let vm = host.start(&Plugin::new(&configuration).pausing(Pause::HoldsAll)).unwrap();
    let (headers, body) = (Exchange::post(""), CALL.as_bytes());
    let Some(Step::RequestHeaders(headers)) = headers.steps.first() else { panic!("no headers") };
    let mut streams = [vm.open(), vm.open()];
    for stream in &mut streams {
        stream.request_headers(&support::borrow(headers), false).unwrap();
        stream.request_body(body, true).unwrap();
    }
    vm.advance(Duration::from_millis(4_999));
    vm.tick().unwrap();
    vm.advance(Duration::from_millis(1));
    vm.tick().unwrap();
    vm.tick().unwrap();
    for mut stream in streams {
        stream.deliver().unwrap();
        assert_eq!(*stream.upstream(), Upstream { has_headers: true, body: body.to_vec() });
        stream.close().unwrap();
    }
    assert_eq!(outcomes(&host, &vm), ["r unread 2"]);
    let errors: Vec<_> = host.log().into_iter().filter(|line| line.level == 4).map(|line| line.message).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("allow_on_headers_stop_iteration"), "{errors:?}");
    // For a minute, requests pass at once.
    let played = play(&vm, &call());
    assert_eq!((played.upstream, played.local_reply), (passed(&call()), None));
    assert_eq!(outcomes(&host, &vm), ["r unread 3"]);
}

#[test]
fn request_is_held_for_any_time_once_bodies_came() {
    let (host, vm) = limited(RULE, "");
    play(&vm, &call());
    let exchange = Exchange::post(CALL);
    let Some(Step::RequestHeaders(headers)) = exchange.steps.first() else { panic!("no headers") };
    let mut stream = vm.open();
    stream.request_headers(&support::borrow(headers), false).unwrap();
    for _ in 0..4 {
        vm.advance(Duration::from_secs(5));
        vm.tick().unwrap();
    }
    stream.deliver().unwrap();
    assert!(!stream.upstream().has_headers);
    stream.request_body(CALL.as_bytes(), true).unwrap();
    assert!(stream.local_reply().is_some());
    stream.close().unwrap();
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
}
