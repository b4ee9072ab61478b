//! Filter state: what access logs and spans can show of each exchange.

mod privacy;
mod trace_parent;
mod without_operation;

use std::collections::BTreeMap;

use fake_envoy::{Exchange, Framing};

use super::{CALL, error};
use crate::support;

const ON: &str = r#"{"filter_state":true}"#;
const PLAIN_USER: &str = r#"{"filter_state":true,"identity":{"header":"x-user","form":"plain"}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The attributes of an exchange on a new worker.
fn state_with(configuration: &str, exchange: &Exchange) -> BTreeMap<String, String> {
    let (_host, vm) = support::worker(configuration);
    vm.play(exchange, Framing::Http1).unwrap().filter_state
}

fn state(exchange: &Exchange) -> BTreeMap<String, String> {
    state_with(ON, exchange)
}

/// The attributes as lines.
fn lines(exchange: &Exchange) -> Vec<String> {
    state(exchange).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// One attribute; empty if it is absent.
fn one(configuration: &str, exchange: &Exchange, key: &str) -> String {
    state_with(configuration, exchange).remove(key).unwrap_or_default()
}

/// A `tools/call` whose `_meta` has these members.
fn call_with_meta(members: &str) -> Exchange {
    Exchange::post(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","_meta":{{{members}}}}}}}"#
    ))
}

#[test]
fn call_is_described_with_its_outcome() {
    let exchange = Exchange::post(CALL).header("mcp-protocol-version", "2025-11-25").wait_ms(3);
    let size = CALL.len();
    assert_eq!(
        lines(&exchange.clone().json(RESULT)),
        [
            "mcp.duration_us=3000",
            "mcp.method=tools/call",
            "mcp.operation=tools/call add",
            "mcp.protocol_version=2025-11-25",
            &format!("mcp.request_bytes={size}"),
            "mcp.request_id=1",
            &format!("mcp.response_bytes={}", RESULT.len()),
            "mcp.status=ok",
            "mcp.tool=add",
            "mcp.transport=streamable_http",
        ]
    );
    let failed = lines(&exchange.json(&error("-32603")));
    assert!(failed.contains(&"mcp.error_code=-32603".to_owned()), "{failed:?}");
    assert!(failed.contains(&"mcp.error_type=rpc_error".to_owned()), "{failed:?}");
}

#[test]
fn request_id_that_is_not_plain_is_absent() {
    let odd = Exchange::post(r#"{"jsonrpc":"2.0","id":"a b","method":"ping"}"#).json(RESULT);
    assert!(!state(&odd).contains_key("mcp.request_id"));
}

#[test]
fn operation_is_the_method_and_the_tool_or_prompt() {
    for (method, params, operation) in [
        ("tools/call", r#"{"name":"a b"}"#, "tools/call a b"),
        ("prompts/get", r#"{"name":"greet"}"#, "prompts/get greet"),
        ("tools/call", "{}", "tools/call"),
        ("resources/read", r#"{"uri":"users://1"}"#, "resources/read"),
        ("ping", "{}", "ping"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let exchange = Exchange::post(&body).json(RESULT);
        assert_eq!(one(ON, &exchange, "mcp.operation"), operation);
        assert_eq!(one(ON, &exchange, "mcp.method"), method);
    }
}

#[test]
fn initialize_has_the_session_that_it_starts() {
    let (_host, vm) = support::worker(ON);
    let initialize = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#)
        .head(200, &[("content-type", "application/json"), ("mcp-session-id", "s")])
        .chunk(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#)
        .end();
    let call = Exchange::post(CALL).header("mcp-session-id", "s").json(RESULT);
    let [first, second] = [initialize, call].map(|exchange| vm.play(&exchange, Framing::Http1).unwrap().filter_state);
    assert!(first.contains_key("mcp.session"), "{first:?}");
    assert_eq!(first.get("mcp.session"), second.get("mcp.session"));
    assert_eq!(first["mcp.protocol_version"], "2025-11-25");
}

#[test]
fn request_precedes_notification_and_response() {
    let response = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let exchange = Exchange::post(&format!("[{response},{INITIALIZED},{CALL}]")).json(RESULT);
    let found = state(&exchange);
    assert_eq!((found["mcp.operation"].as_str(), found["mcp.status"].as_str()), ("tools/call add", "ok"));
    assert!(!found.contains_key("mcp.batch_size"), "{found:?}");
}

#[test]
fn batch_shows_its_first_request_and_its_size() {
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    let answers = format!(r#"[{},{RESULT}]"#, r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"no"}}"#);
    let found = state(&Exchange::post(&format!("[{CALL},{ping}]")).json(&answers));
    assert_eq!(found["mcp.batch_size"], "2");
    assert_eq!((found["mcp.operation"].as_str(), found["mcp.status"].as_str()), ("tools/call add", "ok"));
    assert!(!found.contains_key("mcp.error_code"), "{found:?}");
}

#[test]
fn outcome_on_another_stream_is_elsewhere() {
    let accepted = Exchange::post(CALL).header("mcp-session-id", "s").answer(202, "text/plain", "");
    let found = state(&accepted);
    assert_eq!(found["mcp.status"], "elsewhere");
    assert!(!found.contains_key("mcp.duration_us") && !found.contains_key("mcp.response_bytes"), "{found:?}");
    let event = "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
    let resumable = Exchange::post(CALL)
        .header("mcp-session-id", "s")
        .head(200, &[("content-type", "text/event-stream")])
        .chunk(event)
        .end();
    assert_eq!(state(&resumable)["mcp.status"], "elsewhere");
}

#[test]
fn post_refused_before_its_body_is_described_by_its_headers() {
    let headers = || Exchange { steps: Exchange::post("").steps.into_iter().take(1).collect() };
    let refused = |exchange: Exchange| exchange.details("ext_authz_denied").answer(403, "text/plain", "denied");
    for (named, method, status) in [
        (headers().header("mcp-method", "notifications/initialized"), "notifications/initialized", None),
        (headers().header("mcp-method", "notifications/made/up"), "notification", None),
        (headers().header("mcp-method", "ping"), "ping", Some("error")),
        (headers(), "unseen", Some("error")),
    ] {
        let found = state(&refused(named));
        assert_eq!(found.get("mcp.method").map(String::as_str), Some(method), "{found:?}");
        assert_eq!(found.get("mcp.status").map(String::as_str), status, "{found:?}");
        assert_eq!(found["mcp.transport"], "streamable_http");
    }
}

#[test]
fn traffic_that_is_not_mcp_has_no_attributes() {
    let user = |exchange: Exchange| exchange.header("x-user", "ann").header("traceparent", TRACE);
    let health = Exchange::bodiless("GET", "/health").answer(200, "text/plain", "ok");
    let other = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#).without("accept").json(RESULT);
    for exchange in [health, other, Exchange::bodiless("DELETE", "/x").answer(200, "", "")] {
        assert_eq!(state_with(PLAIN_USER, &user(exchange)), BTreeMap::new());
    }
}

#[test]
fn filter_state_is_off_by_default() {
    let (_host, vm) = support::worker("");
    let played = vm.play(&call_with_meta(&format!(r#""traceparent":"{TRACE}""#)).json(RESULT), Framing::Http1).unwrap();
    assert!(played.filter_state.is_empty());
    assert!(!played.cost.calls.contains_key("set_property"));
}
