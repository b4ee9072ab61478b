//! Telemetry: the scrape, and spans and logs over OTLP, which contain no content of messages.

use crate::support::{LONGEST, Sidecar, Upstream, get, say, say_json, send, until};
use std::time::Instant;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Paris-in-secret"}}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"sunny-in-secret"}]}}"#;

const ACCEPT: &str = "application/json, text/event-stream";

fn call(sidecar: &Sidecar) {
    let headers =
        [("content-type", "application/json"), ("Authorization", "Bearer token-in-secret"), ("Accept", ACCEPT)];
    assert_eq!(send(sidecar.port, "POST", "/mcp?sessionId=id-in-secret", &headers, CALL).body, ANSWER);
}

#[test]
fn scrape_has_calls_and_buckets_of_a_named_server() {
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_NAME", "weather")]);
    call(&sidecar);
    let count = |line: &str| get(sidecar.probe_port, "/metrics").body.lines().filter(|found| *found == line).count();
    let calls = r#"mcp_tool_calls_total{server_name="weather",status="ok",error_type="",tool_name="get_weather"} 1"#;
    until("the call is counted", || count(calls) == 1);
    let bucket = r#"mcp_tool_result_bytes_bucket{server_name="weather",tool_name="get_weather",le="256"} 1"#;
    until("its bucket is flushed", || count(bucket) == 1);
    assert_eq!(
        get(sidecar.admin_port, "/stats?filter=upstream_available").body,
        "",
        "Envoy's health check measures availability"
    );
}

/// Spans and logs of a receiver, as text, once both contain the call. Each worker exports its own, in any order.
fn exported(receiver: &Upstream) -> [String; 2] {
    let deadline = Instant::now() + LONGEST;
    let [mut spans, mut logs] = [String::new(), String::new()];
    while !(spans.contains("get_weather") && logs.contains("get_weather")) {
        assert!(Instant::now() < deadline, "only this was exported: {spans}\n{logs}");
        let request = receiver.request();
        let signal = if request.line.contains("/v1/traces ") { &mut spans } else { &mut logs };
        signal.push_str(&format!("{} {}\n", request.line, String::from_utf8_lossy(&request.body)));
    }
    [spans, logs]
}

#[test]
fn spans_and_logs_have_the_call_without_its_content() {
    let receiver = Upstream::start(|_, stream| say(stream, ""));
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let endpoint = format!("{}/otlp/", receiver.url());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_SERVICE_NAME", "my-sidecar"),
        ("SERVICE_VERSION", "9.8.7"),
        ("OTEL_ENV", "test-bench"),
    ];
    let sidecar = Sidecar::start(&upstream.url(), &variables);
    call(&sidecar);
    let request = upstream.request();
    assert!(request.header("traceparent").is_some() && request.header("x-request-id").is_some());
    // A client's own id is not changed.
    let id = "7c3f0b1e-5a0d-9f3c-8c56-0a1b2c3d4e5f";
    assert_eq!(send(sidecar.port, "GET", "/", &[("x-request-id", id)], "").status, 200);
    assert_eq!(upstream.request().header("x-request-id"), Some(id));
    for (signal, path) in exported(&receiver).into_iter().zip(["POST /otlp/v1/traces ", "POST /otlp/v1/logs "]) {
        let expected =
            ["my-sidecar", "9.8.7", "test-bench", "mcp.method", "tools/call", "mcp.tool", "get_weather", "mcp.status"];
        for word in expected.into_iter().chain(["/mcp", path]) {
            assert!(signal.contains(word), "{word} is not in {path}: {signal}");
        }
        assert!(!signal.contains("in-secret"), "{signal}");
    }
}

#[test]
fn drain_exports_the_last_spans() {
    let receiver = Upstream::start(|_, stream| say(stream, ""));
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let mut sidecar = Sidecar::start(&upstream.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    call(&sidecar);
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    exported(&receiver);
}
