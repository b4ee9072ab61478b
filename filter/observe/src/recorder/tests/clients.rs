//! The families of clients.

use super::{Memory, OK, Recording, TOOL_ERROR, config, play};
use crate::config::{ClientNameLabel, Config};
use crate::id::RequestId;
use crate::label::{ErrorType, KnownMethod, Method, Status, Transport};
use crate::observation::{Observation, Operation, OperationEnd};
use crate::recorder::Recorder;
use crate::test;
use crate::testing::{Proxy, Script};
use std::rc::Rc;

/// A `tools/call` of 2026-07-28 whose `clientInfo` is this JSON.
fn call_from(client_info: &str) -> Script {
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let meta = format!(r#""_meta":{{{version},"io.modelcontextprotocol/clientInfo":{client_info}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add",{meta}}}}}"#);
    Script::post(&body).header("mcp-protocol-version", "2026-07-28")
}

fn call_of(name: &str) -> Script {
    call_from(&format!(r#"{{"name":"{name}","version":"1"}}"#))
}

fn initialize(name: &str) -> Script {
    Script::post(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"clientInfo":{{"name":"{name}"}}}}}}"#
    ))
    .without("mcp-protocol-version")
}

fn operation_of(client: &str) -> Operation {
    Operation {
        id: RequestId::unknown(),
        method: Method::Known(KnownMethod::Ping),
        name: None,
        tool: None,
        cursor: None,
        had_event: false,
        protocol_version: None,
        client_name: Some(client.into()),
        transport: Transport::StreamableHttp,
        task_id: None,
        request_bytes: 0,
    }
}

const STARTED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#;

/// The series that have the label of clients, and the overflows.
fn clients(config: &Config, scripts: &[Script]) -> Vec<String> {
    let (series, _) = play(config, scripts);
    series.into_iter().filter(|line| line.contains("client_name")).collect()
}

#[test]
fn request_counts_for_its_client() {
    let found = clients(&config(), &[call_of("cursor/1.2").json(OK), call_of("cursor/1.3").json(TOOL_ERROR)]);
    assert_eq!(
        found,
        [
            "client_name=cursor status=error mcp_client_requests_total 1",
            "client_name=cursor status=ok mcp_client_requests_total 1",
        ]
    );
}

#[test]
fn client_without_usable_name_is_unknown() {
    let long = format!(r#"{{"version":"{}"}}"#, "x".repeat(1 << 20));
    for client_info in [
        "{}",
        "1",
        "null",
        "[]",
        r#""cursor""#,
        r#"{"name":1}"#,
        r#"{"name":null}"#,
        r#"{"name":{"name":"cursor"}}"#,
        r#"{"name":["cursor"]}"#,
        r#"{"name":""}"#,
        r#"{"name":" "}"#,
        r#"{"name":"unknown"}"#,
        r#"{"clientInfo":{"name":"cursor"}}"#,
        &long,
    ] {
        let found = clients(&config(), &[call_from(client_info).json(OK)]);
        assert_eq!(found, ["client_name=unknown status=ok mcp_client_requests_total 1"], "{client_info:.80}");
    }
}

#[test]
fn hostile_client_name_stays_in_its_label() {
    let found = clients(&config(), &[call_of(r#"x;.;status=.=ok\u0000\n\"y"#).json(OK)]);
    assert_eq!(found, ["client_name=x_._status_._ok___y status=ok mcp_client_requests_total 1"]);
    let found = clients(&config(), &[call_of(&"x".repeat(1 << 20)).json(OK)]);
    assert_eq!(found, [format!("client_name={} status=ok mcp_client_requests_total 1", "x".repeat(128))]);
}

#[test]
fn latest_of_repeated_client_infos_counts() {
    let script = Script::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"a"},
        "io.modelcontextprotocol/clientInfo":{"name":"b","name":"c"}},"clientInfo":{"name":"d"}}}"#,
    );
    assert_eq!(clients(&config(), &[script.json(OK)]), ["client_name=c status=ok mcp_client_requests_total 1"]);
}

#[test]
fn refused_initialize_counts_for_its_client() {
    let found = clients(&config(), &[initialize("desk").answered(401, "text/plain", "no")]);
    assert_eq!(found, ["client_name=desk status=error mcp_client_requests_total 1"]);
}

#[test]
fn overflow_of_initialize_counts_once() {
    let mut config = config();
    config.limits.client_names = 1;
    let found = clients(&config, &[initialize("one").json(STARTED), initialize("two").json(STARTED)]);
    let sessions = "mcp_sessions_total 1";
    assert_eq!(
        found,
        [
            "client_name=one status=ok mcp_client_requests_total 1",
            "client_name=other status=ok mcp_client_requests_total 1",
            "label=client_name mcp_labels_overflowed_total 1",
            &format!("protocol_version=2025-11-25 transport=streamable_http client_name=one {sessions}"),
            &format!("protocol_version=2025-11-25 transport=streamable_http client_name=other {sessions}"),
        ]
    );
}

#[test]
fn unknown_and_other_take_no_place_of_the_budget() {
    let mut config = config();
    config.limits.client_names = 1;
    let scripts = ["unknown", "other", "", "desk"].map(|name| call_of(name).json(OK));
    assert_eq!(
        clients(&config, &scripts),
        [
            "client_name=desk status=ok mcp_client_requests_total 1",
            "client_name=other status=ok mcp_client_requests_total 1",
            "client_name=unknown status=ok mcp_client_requests_total 2",
        ]
    );
}

#[test]
fn off_leaves_the_label_out() {
    let config = Config { client_name: ClientNameLabel::Off, ..config() };
    let (series, _) = play(&config, &[initialize("desk").json(STARTED), call_of("desk").json(OK)]);
    assert!(!series.iter().any(|line| line.contains("client")), "{series:?}");
    let sessions = "protocol_version=2025-11-25 transport=streamable_http mcp_sessions_total 1";
    assert!(series.contains(&sessions.to_owned()), "{series:?}");
}

#[test]
fn tools_are_counted_by_client_if_configured() {
    let config = Config { client_name: ClientNameLabel::Tools, ..config() };
    let found =
        clients(&config, &[call_of("desk").json(OK), call_of("desk").json(TOOL_ERROR), call_of("cli").json(OK)]);
    let calls: Vec<_> = found.into_iter().filter(|line| line.contains("tool_calls")).collect();
    assert_eq!(
        calls,
        [
            "client_name=cli tool_name=add status=ok mcp_client_tool_calls_total 1",
            "client_name=desk tool_name=add status=error mcp_client_tool_calls_total 1",
            "client_name=desk tool_name=add status=ok mcp_client_tool_calls_total 1",
        ]
    );
}

#[test]
fn series_of_a_client_begin_at_zero() {
    let (memory, proxy) = (Memory::default(), Proxy::default());
    let config = Config { client_name: ClientNameLabel::Tools, ..config() };
    let mut recorder = Recorder::new(Rc::new(config.clone()));
    let script = Script { config, ..call_of("desk").json(OK) };
    script.play_to(&proxy, &mut Recording { recorder: &mut recorder, memory: &memory, server: "weather" });
    recorder.flush(&memory);
    for series in [
        "client_name=desk server_name=weather status=error mcp_client_requests_total",
        "client_name=desk tool_name=add server_name=weather status=error mcp_client_tool_calls_total",
        "client_name=unknown server_name=weather status=ok mcp_client_requests_total",
    ] {
        assert_eq!(memory.values.borrow().get(series), Some(&0), "{series}");
    }
}

#[test]
fn invented_client_names_are_bounded() {
    let memory = Memory::default();
    let mut recorder = Recorder::new(Rc::new(config()));
    let server = recorder.server(b"weather");
    for number in 0..100_000 {
        let operation = operation_of(&format!("client{number}x"));
        let (status, error_type) =
            if number < 1_000 { (Status::Error, Some(ErrorType::ToolError)) } else { (Status::Ok, None) };
        let (error_code, duration, answer_bytes) = (None, None, None);
        let ended =
            OperationEnd { operation: &operation, status, error_type, error_code, duration, answer_bytes, at: None };
        recorder.record(server, &Observation::OperationEnded(ended), &memory);
    }
    recorder.flush(&memory);
    assert!(memory.shared.size() < 2_000, "{}", memory.shared.size());
    let values = memory.values.borrow();
    let names = values.keys().filter(|name| name.contains("client_requests") && name.contains("status=ok"));
    // Those without a result, those with one, `other` and `unknown`.
    assert_eq!(names.count(), 20 + 32 + 2);
    let overflowed = values.get("label=client_name server_name=weather mcp_labels_overflowed_total");
    assert_eq!(overflowed, Some(&(100_000 - 20 - 32)));
}
