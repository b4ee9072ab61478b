//! Requests under a rate limit: what the upstream gets, what the client gets instead, and what is counted.

mod bodies;
mod ends;

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

/// A call whose body has this length.
fn of_length(length: usize) -> Exchange {
    let pad = length - CALL.len() - r#""p":"","#.len();
    let body = CALL.replacen('{', &format!(r#"{{"p":"{}","#, "x".repeat(pad)), 1);
    assert_eq!(body.len(), length);
    Exchange::post(&body).in_chunks_of(16 * 1024)
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
