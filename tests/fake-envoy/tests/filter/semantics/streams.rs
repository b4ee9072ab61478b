//! Long-lived streams, lists, and exchanges whose response comes on another one.

use fake_envoy::{Exchange, Framing, flags};

use super::{BYTES, check, ended, request};
use crate::support::{self, scrape};

const EVENT: &str = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
const CHANGED: &str = "mcp_notifications_total{method=notifications/tools/list_changed,direction=out} 1";

const OPENED: &str = "mcp_stream_opens_total{status=ok} 1";

fn stream(exchange: Exchange) -> Exchange {
    exchange.head(200, &[("content-type", "text/event-stream")])
}

#[test]
fn get_stream_is_counted() {
    let get = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s");
    check("session", &[stream(get).chunk(EVENT).flags(flags::DC)], &[OPENED, CHANGED, BYTES]);
    let bare = Exchange::bodiless("GET", "/sse");
    let twice = CHANGED.replace(" 1", " 2");
    check("first event", &[stream(bare.clone()).chunk(EVENT).chunk(EVENT)], &[OPENED, &twice, BYTES]);
    let endpoint = stream(bare.clone()).chunk("event: endpoint\ndata: /message?sessionId=5\n\n").flags(flags::DC);
    check("endpoint", &[endpoint], &[OPENED, BYTES]);
    check("another stream", &[stream(bare).chunk("data: {\"price\":1}\n\n").chunk(EVENT)], &[]);
}

#[test]
fn error_on_get_stream_has_no_method() {
    let get = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s");
    let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no stream here"}}"#;
    let counted = "mcp_protocol_errors_total{error_code=-32000,method=none} 1";
    let unsupported = "mcp_stream_opens_total{status=unsupported} 1";
    check("get", &[get.answer(405, "application/json", error)], &[counted, unsupported, BYTES]);
    let delete = Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "s");
    check("delete", &[delete.answer(404, "application/json", error)], &[counted, BYTES]);
}

#[test]
fn refused_stream_is_counted() {
    let get = || Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s");
    let out = "mcp_message_bytes_total{direction=out} OUT";
    let refused = "mcp_stream_opens_total{status=error} 1";
    check("busy", &[get().answer(503, "text/plain", "busy")], &[refused, out]);
    check("no stream", &[get().head(200, &[]).end()], &[refused]);
    check("elsewhere", &[get().head(307, &[]).end()], &[]);
    check("left first", &[get().flags(flags::DC)], &[]);
    let discovery = Exchange::bodiless("GET", "/.well-known/oauth-protected-resource").header("mcp-session-id", "s");
    check("discovery", &[discovery.answer(404, "application/json", "{}")], &[]);
}

#[test]
fn delete_counts_no_operation() {
    let delete = Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "s");
    check("delete", &[delete.head(204, &[]).end()], &[]);
}

#[test]
fn listen_is_counted_as_stream() {
    let acknowledged = r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}"#;
    let counted = "mcp_notifications_total{method=notifications/subscriptions/acknowledged,direction=out} 1";
    let listen = |flags| {
        stream(request("subscriptions/listen")).chunk(format!("data: {acknowledged}\n\n")).wait_ms(60_000).flags(flags)
    };
    let ok = "mcp_requests_total{method=subscriptions/listen,status=ok} 1";
    check("closed by its client", &[listen(flags::DC)], &[counted, ok, BYTES]);
    let reset = "mcp_requests_total{method=subscriptions/listen,status=error,error_type=reset} 1";
    check("broken", &[listen(flags::UC)], &[counted, reset, BYTES]);
}

#[test]
fn listen_over_http_sse_is_counted_as_stream() {
    let listen = request("subscriptions/listen").header(":path", "/message?sessionId=5").answer(202, "", "");
    let endpoint = Exchange::bodiless("GET", "/sse")
        .head(200, &[("content-type", "text/event-stream")])
        .chunk("event: endpoint\ndata: /message?sessionId=5\n\n");
    let answered = endpoint.chunk("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
    let ok = "mcp_requests_total{method=subscriptions/listen,status=ok} 1";
    let opened = "mcp_stream_opens_total{status=ok} 1";
    check("answered on the stream", &[listen, answered.end()], &[ok, opened, BYTES]);
}

#[test]
fn pending_on_another_stream_is_no_failure() {
    // The response may come on another stream.
    let legacy = request("ping").header(":path", "/message?sessionId=5").answer(202, "text/plain", "Accepted");
    check("202", &[legacy], &["mcp_requests_in_flight{} 1", BYTES]);
    let polled = stream(request("ping")).chunk("id: 1\nretry: 500\ndata: \n\n").end();
    check("event ids", &[polled], &["mcp_requests_total{method=ping,status=unknown} 1", BYTES]);
}

#[test]
fn lists_set_the_gauges() {
    let list = |method: &str, result: &str| {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        (request(method).json(&message), message.len())
    };
    for (method, result, items, listed) in [
        (
            "tools/list",
            r#"{"tools":[{"name":"a"},{"name":"b","tools":[1,2]}],"nextCursor":"x"}"#,
            2,
            "mcp_tools_listed_total{} 1\nmcp_tool_definition_bytes{tool_name=a} 12\nmcp_tool_definition_bytes{tool_name=b} 26",
        ),
        ("resources/list", r#"{"resources":[{"uri":"a://x","name":"n"}]}"#, 1, "mcp_resources_listed_total{} 1"),
        ("resources/templates/list", r#"{"resourceTemplates":[{},{},{}]}"#, 3, ""),
        ("prompts/list", r#"{"prompts":[{"name":"p","arguments":[{"name":"q"}]}]}"#, 1, "mcp_prompts_listed_total{} 1"),
    ] {
        let (exchange, bytes) = list(method, result);
        let items = format!("mcp_listed_items{{method={method}}} {items}");
        let bytes = format!("mcp_listed_bytes{{method={method}}} {bytes}");
        check(method, &[exchange], &[&ended(method, "ok", ""), listed, &items, &bytes, BYTES]);
    }
}

#[test]
fn later_pages_and_failures_do_not_change_the_gauges_of_the_list() {
    let page = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}"#)
        .wait_ms(3)
        .json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"c"}]}}"#);
    let defined = "mcp_tool_definition_bytes{tool_name=c} 12";
    check("page", &[page], &[&ended("tools/list", "ok", ""), "mcp_tools_listed_total{} 1", defined, BYTES]);
    let failed = request("tools/list").json(&super::error("-32603"));
    let counted = "mcp_protocol_errors_total{error_code=-32603,method=tools/list} 1";
    check(
        "error",
        &[failed],
        &[&ended("tools/list", "error", "rpc_error"), "mcp_tools_listed_total{} 1", counted, BYTES],
    );
}

#[test]
fn in_flight_gauges_follow_the_exchanges() {
    let (host, vm) = support::worker("{\"availability\":\"off\"}");
    let gauges = || {
        let table = scrape(&host, &[&vm]);
        ["mcp_active_connections", "mcp_requests_in_flight", "mcp_sse_streams_active"].map(|family| table.sum(family))
    };
    let headers: [(&str, &[u8]); 3] =
        [(":method", b"POST"), ("content-type", b"application/json"), ("mcp-session-id", b"s")];
    let event_stream: [(&str, &[u8]); 2] = [(":status", b"200"), ("content-type", b"text/event-stream")];
    let mut calls: Vec<_> = ["ping", "tools/call", "subscriptions/listen"]
        .map(|method| {
            let mut stream = vm.open();
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            stream.request_headers(&headers, false).unwrap();
            stream.request_body(body.as_bytes(), true).unwrap();
            stream
        })
        .into();
    assert_eq!(gauges(), [3, 2, 0], "a listen is no request in flight");
    for stream in &mut calls {
        stream.response_headers(&event_stream, false).unwrap();
    }
    assert_eq!(gauges(), [3, 2, 3]);
    calls[0].response_body(b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n", false).unwrap();
    assert_eq!(gauges(), [3, 1, 3], "an answer ends the operation, not the stream");
    for stream in calls {
        stream.close().unwrap();
    }
    assert_eq!(gauges(), [0, 0, 0]);
}

#[test]
fn availability_follows_the_traffic() {
    let (host, vm) = support::worker("");
    let available = || {
        let table = scrape(&host, &[&vm]);
        table.family("mcp_upstream_available").next().map(|(_, value)| value.to_string())
    };
    assert_eq!(available(), None, "nothing is known before traffic");
    let play = |exchange: Exchange| vm.play(&exchange, Framing::Http1).map(drop).unwrap();
    play(request("ping").json(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
    assert_eq!(available().as_deref(), Some("1"));
    play(request("ping").flags(flags::UF).details("x").answer(503, "text/plain", "no"));
    assert_eq!(available().as_deref(), Some("0"));
    play(request("ping").answer(503, "text/plain", "its own"));
    assert_eq!(available().as_deref(), Some("1"), "a server that answers 503 itself can be reached");
}
