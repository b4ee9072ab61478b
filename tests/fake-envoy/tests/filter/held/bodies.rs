//! Which bodies are read: their shape, their length, and what happens to those that are not read.

use fake_envoy::{Exchange, Framing, Step, Upstream};

use super::{CALL, DAY_MS, KIB_64, RULE, call, error, limited, lines, of_length, outcomes, over, passed, play};

#[test]
fn body_decides_and_not_the_headers() {
    let lying = call()
        .header("mcp-method", "tools/list")
        .header("mcp-name", "other")
        .header("mcp-protocol-version", "2026-07-28");
    over(&lying, Framing::Http1);
    let twice = CALL.replacen("tools/call", "ping\",\"method\":\"tools/call", 1);
    over(&Exchange::post(&twice), Framing::Http1);
    over(&Exchange::post(CALL).header("content-type", "text/plain; a=application/JSON; charset=utf-8"), Framing::Http1);
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
        ("broken", Exchange::post(CALL.trim_end_matches('}')), ""),
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
            assert!(body.contains(r#""data":{"reason":"rate_limited","rule":"r","retryAfterMs":60000}"#), "{body}");
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
