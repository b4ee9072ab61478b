//! Telemetry: the scrape, and spans and logs over OTLP, which contain no content of messages.

use crate::support::{LONGEST, Request, Sidecar, Upstream, get, say, say_json, send, until};
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
            ["my-sidecar", "9.8.7", "test-bench", "mcp.method.name", "tools/call", "gen_ai.tool.name", "get_weather"];
        for word in expected.into_iter().chain(["mcp.status", "execute_tool", "/mcp", path]) {
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

#[test]
fn span_has_no_attribute_without_value() {
    let receiver = Upstream::start(|_, stream| say(stream, ""));
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let sidecar = Sidecar::start(&upstream.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    call(&sidecar);
    let [spans, logs] = exported(&receiver);
    for name in ["client.address", "client.port", "server.address", "server.port", "network.protocol.version"] {
        assert!(spans.contains(name), "{name}: {spans}");
    }
    assert!(spans.contains("tools/call get_weather"), "the name of the span: {spans}");
    for name in ["gen_ai.prompt.name", "mcp.resource.uri", "rpc.response.status_code", "error.type", "user.id"] {
        assert!(!spans.contains(name) && logs.contains(name), "{name}: {spans}\n{logs}");
    }
}

/// Whether one of the requests has the text in its body.
fn has(requests: &[Request], text: &str) -> bool {
    requests.iter().any(|request| String::from_utf8_lossy(&request.body).contains(text))
}

/// The traces that have spans, with the given sampler and its argument, once the expected ones have: `root` has no parent; the
/// parents of the others are sampled or not.
fn sampled(sampler: &str, argument: &str, expected: &[&str]) -> Vec<&'static str> {
    let receiver = Upstream::start(|_, stream| say(stream, ""));
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_TRACES_SAMPLER", sampler.to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", argument.to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut sidecar = Sidecar::start(&upstream.url(), &variables);
    let parent = |flag| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}");
    let parents = [("root", None), ("yes-parent", Some(parent("01"))), ("no-parent", Some(parent("00")))];
    for (tool, parent) in &parents {
        let parent = parent.as_deref().map(|parent| ("traceparent", parent));
        let headers: Vec<_> =
            [("content-type", "application/json"), ("accept", ACCEPT)].into_iter().chain(parent).collect();
        assert_eq!(send(sidecar.port, "POST", "/mcp", &headers, &CALL.replace("get_weather", tool)).status, 200);
    }
    let [mut spans, mut logs] = [Vec::new(), Vec::new()];
    let mut receive = || {
        let (new_spans, new_logs): (Vec<_>, Vec<_>) =
            receiver.answered().into_iter().partition(|request| request.line.contains("/v1/traces "));
        spans.extend(new_spans);
        logs.extend(new_logs);
        parents.iter().all(|(tool, _)| has(&logs, tool)) && expected.iter().all(|tool| has(&spans, tool))
    };
    // The end waits for the last export, but on a busy machine not long enough.
    until("all logs, which are not sampled, and the expected spans are exported", &mut receive);
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    receive();
    parents.iter().map(|&(tool, _)| tool).filter(|tool| has(&spans, tool)).collect()
}

#[test]
fn sampler_decides_which_traces_have_spans() {
    let all = &["root", "yes-parent", "no-parent"][..];
    let cases = [
        ("", "", &["root", "yes-parent"][..]),
        ("always_on", "", all),
        ("always_off", "", &[]),
        ("traceidratio", "1", all),
        ("traceidratio", "0", &[]),
        ("parentbased_always_off", "", &["yes-parent"]),
        ("parentbased_traceidratio", "0", &["yes-parent"]),
        ("parentbased_traceidratio", "1", &["root", "yes-parent"]),
    ];
    for (sampler, argument, expected) in cases {
        assert_eq!(sampled(sampler, argument, expected), expected, "{sampler}({argument})");
    }
}

#[test]
fn other_traffic_has_no_log_and_its_span_has_no_method() {
    let receiver = Upstream::start(|_, stream| say(stream, ""));
    let upstream = Upstream::start(|_, stream| say_json(stream, ANSWER));
    let mut sidecar = Sidecar::start(&upstream.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())]);
    assert_eq!(get(sidecar.port, "/other/page").status, 200);
    let mut requests = Vec::new();
    until("its span is exported", || {
        requests.extend(receiver.answered());
        has(&requests, "/other/page")
    });
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    requests.extend(receiver.answered());
    let text: String = requests.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(requests.iter().all(|request| request.line.contains("/v1/traces ")), "{text}");
    assert!(!text.contains("mcp.method.name"), "{text}");
}
