//! The audit log: its lines, rotation, files that cannot be written.

use crate::support::{Sidecar, Upstream, free_port, get, launcher, say_json, send, until};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const FIELDS: [&str; 21] = [
    "time",
    "server",
    "user",
    "client",
    "session",
    "method",
    "tool",
    "resource",
    "prompt",
    "request_id",
    "status",
    "error_type",
    "error_code",
    "http_status",
    "duration_ms",
    "request_bytes",
    "response_bytes",
    "protocol_version",
    "transport",
    "trace_id",
    "remote_address",
];

fn call(sidecar: &Sidecar, tool: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{{"name":"{tool}"}}}}"#);
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    assert_eq!(send(sidecar.port, "POST", "/mcp", &headers, &body).status, 200);
}

/// A server that refuses each call.
fn upstream() -> Upstream {
    let answer = r#"{"jsonrpc":"2.0","id":"a-1","error":{"code":-32000,"message":"in-secret"}}"#;
    Upstream::start(move |_, stream| say_json(stream, answer))
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn line_has_all_fields_in_documented_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let upstream = upstream();
    let variables = [("MCP_AUDIT_LOG", file.to_str().unwrap()), ("MCP_UPSTREAM_NAME", "weather")];
    let sidecar = Sidecar::start(&upstream.url(), &variables);
    assert_eq!(send(sidecar.port, "POST", "/mcp", &[("content-type", "text/plain")], "no MCP").status, 200);
    call(&sidecar, r#"get\"\\\u0000weather"#);
    until("the call is logged", || lines(&file).len() == 1);
    let [line] = lines(&file).try_into().unwrap();
    let places: Vec<_> = FIELDS.iter().map(|name| line.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{line}");
    let Value::Object(fields) = serde_json::from_str(&line).unwrap() else { unreachable!("{line}") };
    assert_eq!(fields.len(), FIELDS.len(), "{line}");
    let expected = json!({
        "server": "weather", "session": null, "user": null, "prompt": null, "resource": null, "method": "tools/call",
        "tool": "get___weather", "request_id": "a-1", "status": "error", "error_type": "rpc_error", "error_code": -32000,
        "http_status": 200, "transport": "streamable_http", "trace_id": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&fields[name], value, "{name}: {line}");
    }
    assert!(fields["remote_address"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(!line.contains("in-secret"), "{line}");
}

#[test]
fn drain_writes_the_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let upstream = upstream();
    let mut sidecar = Sidecar::start(&upstream.url(), &[("MCP_AUDIT_LOG", file.to_str().unwrap())]);
    call(&sidecar, "last");
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    assert_eq!(lines(&file).len(), 1);
}

#[test]
fn renamed_file_is_created_again_after_sigusr1() {
    let directory = tempfile::tempdir().unwrap();
    let [file, rotated] = ["audit.jsonl", "audit.jsonl.1"].map(|name| directory.path().join(name));
    let upstream = upstream();
    let mut sidecar = Sidecar::start(&upstream.url(), &[("MCP_AUDIT_LOG", file.to_str().unwrap())]);
    call(&sidecar, "before");
    until("the first call is logged", || lines(&file).len() == 1);
    fs::rename(&file, &rotated).unwrap();
    sidecar.signal("USR1");
    until("the file is created again", || {
        // Envoy opens it with the next line.
        call(&sidecar, "after");
        file.exists()
    });
    until("the other call is logged", || !lines(&file).is_empty());
    assert!(lines(&file).iter().all(|line| line.contains("\"after\"")), "{:?}", lines(&file));
    assert!(lines(&rotated)[0].contains("\"before\""));
    for path in [&file, &rotated] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640, "{path:?}");
    }
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
}

#[test]
fn full_disk_is_reported_once_and_does_not_affect_the_traffic() {
    let upstream = upstream();
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_AUDIT_LOG", "/dev/full")]);
    let reports = || sidecar.errors().matches("MCP_AUDIT_LOG: Envoy cannot write \"/dev/full\"").count();
    call(&sidecar, "lost");
    until("the loss is reported", || reports() == 1);
    let failures = sidecar.stat("filesystem.write_failed");
    call(&sidecar, "lost");
    until("another line is lost", || sidecar.stat("filesystem.write_failed") > failures);
    assert_eq!(reports(), 1);
}

#[test]
fn path_that_cannot_be_written_is_refused() {
    let ports = ["PORT", "PROBE_PORT", "ADMIN_PORT"].map(|variable| (variable, free_port().to_string()));
    for (path, reason) in [("/absent/audit.jsonl", "No such file or directory"), ("/", "Is a directory")] {
        let mut variables = HashMap::from([("MCP_UPSTREAM_URL", "http://127.0.0.1:1"), ("MCP_AUDIT_LOG", path)]);
        variables.extend(ports.iter().map(|(variable, port)| (*variable, port.as_str())));
        let output = launcher(&variables).arg("run").output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.starts_with(&format!("mcp-sidecar: MCP_AUDIT_LOG: {path:?} cannot be written ({reason}")));
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

/// What `trace_id` must be.
#[derive(Clone, Copy, Debug)]
enum Trace {
    /// The trace of the header that the server gets.
    Forwarded,
    Is(&'static str),
    Null,
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Requests with their `traceparent` header, whether `_meta` names `OTHER`, and what `trace_id` must be with spans and without.
const TRACES: &[(&str, bool, Trace, Trace)] = &[
    ("", false, Trace::Forwarded, Trace::Null),
    ("", true, Trace::Is(OTHER), Trace::Is(OTHER)),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false, Trace::Is(TRACE), Trace::Is(TRACE)),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", false, Trace::Is(TRACE), Trace::Is(TRACE)),
    ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false, Trace::Is(TRACE), Trace::Is(TRACE)),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, Trace::Is(OTHER), Trace::Is(OTHER)),
    ("garbage", true, Trace::Is(OTHER), Trace::Is(OTHER)),
    ("garbage", false, Trace::Null, Trace::Null),
    ("g\"\\arbage", false, Trace::Null, Trace::Null),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-too-long", false, Trace::Null, Trace::Null),
    ("00-0af7651916cd43dd8448eb211c80319c0b7ad6b7169203331-01", false, Trace::Null, Trace::Null),
    ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false, Trace::Null, Trace::Null),
    ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false, Trace::Null, Trace::Null),
    // Envoy reads these two, and sends its own header.
    ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false, Trace::Forwarded, Trace::Null),
    ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false, Trace::Forwarded, Trace::Null),
];

/// Sends each request of `TRACES` and compares the line's `trace_id`.
fn check_traces(with_spans: bool) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let (receiver, upstream) = (Upstream::start(|_, stream| say_json(stream, "")), upstream());
    let endpoint = receiver.url();
    let otlp = with_spans.then_some(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()));
    let variables: Vec<_> = [("MCP_AUDIT_LOG", file.to_str().unwrap())].into_iter().chain(otlp).collect();
    let mut sidecar = Sidecar::start(&upstream.url(), &variables);
    let mut expected = Vec::new();
    for (id, &(header, named, spans, no_spans)) in TRACES.iter().enumerate() {
        let meta = json!({"traceparent": format!("00-{OTHER}-b7ad6b7169203331-01")});
        let params = if named { json!({"name": header, "_meta": meta}) } else { json!({"name": header}) };
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
        let parent = (!header.is_empty()).then_some(("traceparent", header));
        let headers: Vec<_> = [("content-type", "application/json")].into_iter().chain(parent).collect();
        assert_eq!(send(sidecar.port, "POST", "/mcp", &headers, &body).status, 200);
        let forwarded = upstream.request().header("traceparent").map(str::to_owned);
        let trace = match if with_spans { spans } else { no_spans } {
            Trace::Forwarded => forwarded.unwrap().split('-').nth(1).unwrap().into(),
            Trace::Is(trace) => trace.into(),
            Trace::Null => {
                assert_eq!(forwarded.as_deref().unwrap_or_default(), header, "the server gets the header as it is");
                Value::Null
            }
        };
        expected.push((id.to_string(), trace));
    }
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    let found: Vec<Value> = lines(&file).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = found.iter().map(|line| (line["request_id"].as_str().unwrap().to_owned(), line["trace_id"].clone()));
    let mut found: Vec<_> = found.collect();
    // Two workers may write their lines in another order.
    found.sort_by_key(|(id, _)| id.parse::<usize>().unwrap());
    assert_eq!(found, expected, "{TRACES:?}");
}

#[test]
fn trace_is_of_meta_else_of_the_header_else_null() {
    check_traces(false);
}

#[test]
fn trace_is_of_meta_else_of_the_span_with_otlp() {
    check_traces(true);
}

#[test]
fn trace_is_of_the_span_if_envoy_answers_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit.jsonl");
    let receiver = Upstream::start(|_, stream| say_json(stream, ""));
    let variables = [("MCP_AUDIT_LOG", file.to_str().unwrap()), ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url())];
    let mut sidecar = Sidecar::start("http://absent.invalid", &variables);
    const VERSIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];
    for (version, parent) in VERSIONS.into_iter().zip([&[][..], &[("traceparent", "garbage")]]) {
        // Envoy answers at the headers, which say that the request is MCP.
        let headers = [&[("mcp-session-id", "1"), ("mcp-protocol-version", version)], parent].concat();
        assert_eq!(send(sidecar.port, "DELETE", "/mcp", &headers, "").status, 503);
    }
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    let found: Vec<Value> = lines(&file).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Two workers may write their lines in another order.
    let [of_span, of_garbage] = VERSIONS.map(|version| {
        &found.iter().find(|line| line["protocol_version"] == version).unwrap_or(&Value::Null)["trace_id"]
    });
    let is_trace = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(found.len() == 2 && of_span.as_str().is_some_and(is_trace) && of_garbage.is_null(), "{found:?}");
}

#[test]
fn standard_output_is_a_path() {
    let upstream = upstream();
    let (sidecar, output) = Sidecar::spawn(&upstream.url(), &[("MCP_AUDIT_LOG", "/dev/stdout")]);
    assert!(output.iter().any(|line| line.starts_with("ready")), "{}", sidecar.errors());
    call(&sidecar, "shown");
    assert!(output.iter().any(|line| line.starts_with("{\"time\":\"") && line.contains("\"tool\":\"shown\"")));
}

#[test]
fn redirected_standard_output_keeps_all_lines() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("output");
    let upstream = upstream();
    let output = fs::File::create(&file).unwrap();
    let mut sidecar = Sidecar::spawn_into(output, &upstream.url(), &[("MCP_AUDIT_LOG", "/dev/stdout")]);
    until("the sidecar is ready", || lines(&file).iter().any(|line| line.starts_with("ready")));
    call(&sidecar, "first");
    until("the call is logged", || lines(&file).iter().any(|line| line.starts_with("{\"time\":\"")));
    // The launcher prints another line.
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    let (logged, own): (Vec<_>, Vec<_>) = lines(&file).into_iter().partition(|line| line.starts_with('{'));
    assert_eq!(logged.len(), 1, "{own:?}");
    assert!(serde_json::from_str::<Value>(&logged[0]).is_ok(), "{logged:?}");
    assert!(own.first().unwrap().starts_with("MCP ") && own.last().unwrap().starts_with("draining"), "{own:?}");
}

#[test]
fn hash_key_reaches_the_filter_and_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let [file, config] = ["audit.jsonl", "filter.json"].map(|name| directory.path().join(name));
    fs::write(&config, r#"{"labels": {"resource_uri": "hash"}}"#).unwrap();
    let key = "secret-key-of-this-test";
    let upstream = upstream();
    let variables = [
        ("MCP_AUDIT_LOG", file.to_str().unwrap()),
        ("MCP_FILTER_CONFIG", config.to_str().unwrap()),
        ("MCP_HASH_KEY", key),
    ];
    let sidecar = Sidecar::start(&upstream.url(), &variables);
    let read = r#"{"jsonrpc":"2.0","id":"a-1","method":"resources/read","params":{"uri":"db://users/1"}}"#;
    let headers = [("content-type", "application/json"), ("mcp-session-id", "session-id-in-secret")];
    assert_eq!(send(sidecar.port, "POST", "/mcp", &headers, read).status, 200);
    until("the call is logged", || lines(&file).len() == 1);
    let fields: Value = serde_json::from_str(&lines(&file)[0]).unwrap();
    for name in ["resource", "session"] {
        let hash = fields[name].as_str().unwrap();
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {fields}");
    }
    let shown = get(sidecar.admin_port, "/config_dump").body;
    assert!(shown.contains("${MCP_HASH_KEY}") && !shown.contains(key));
    assert!(!sidecar.errors().contains(key));
}
