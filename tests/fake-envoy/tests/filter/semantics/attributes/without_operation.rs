//! Filter state of exchanges without an operation: notifications, responses of the client, event streams, deleted sessions.

use fake_envoy::{Exchange, Framing, Plugin};

use super::{CALL, INITIALIZED, ON, RESULT, one, state};
use crate::support;

#[test]
fn exchanges_without_operation_are_named_and_have_no_status() {
    let get = || Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s");
    let accepted = |body: &str| Exchange::post(body).header("mcp-session-id", "s").answer(202, "text/plain", "");
    for (exchange, name) in [
        (accepted(INITIALIZED), "notifications/initialized"),
        (accepted(r#"{"jsonrpc":"2.0","method":"made/up"}"#), "notification"),
        (accepted(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), "response"),
        (
            accepted(&format!(r#"[{{"jsonrpc":"2.0","id":7,"result":{{}}}},{INITIALIZED}]"#)),
            "notifications/initialized",
        ),
        (get().sse(&[r#"{"jsonrpc":"2.0","method":"notifications/message"}"#]), "stream"),
        (get().answer(405, "text/plain", "no"), "stream"),
        (Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "s").answer(200, "", ""), "delete_session"),
    ] {
        let mut found = state(&exchange);
        assert!(found.remove("mcp.session").is_some(), "{name}");
        let expected = [("mcp.method", name), ("mcp.operation", name), ("mcp.transport", "streamable_http")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), "{name}");
    }
}

#[test]
fn exchange_without_operation_has_the_protocol_version_of_its_header() {
    let with = |exchange: Exchange| exchange.header("mcp-session-id", "s").header("mcp-protocol-version", "2025-06-18");
    for exchange in [
        with(Exchange::post(INITIALIZED)).answer(202, "text/plain", ""),
        with(Exchange::post(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)).answer(202, "text/plain", ""),
        with(Exchange::bodiless("GET", "/mcp")).sse(&[]),
        with(Exchange::bodiless("DELETE", "/mcp")).answer(200, "", ""),
        Exchange::bodiless("GET", "/mcp").header("mcp-protocol-version", "2025-06-18").sse(&[]),
    ] {
        assert_eq!(one(ON, &exchange, "mcp.protocol_version"), "2025-06-18");
    }
    let unknown = with(Exchange::bodiless("GET", "/mcp")).header("mcp-protocol-version", "SECRET").sse(&[]);
    assert_eq!(one(ON, &unknown, "mcp.protocol_version"), "other");
}

#[test]
fn protocol_version_of_a_session_stream_is_read_for_filter_state_only() {
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").sse(&[]);
    let headers = |configuration| {
        let (_host, vm) = support::worker(configuration);
        vm.play(&stream, Framing::Http1).unwrap().cost.calls["get_header"]
    };
    assert_eq!(headers(ON), headers("") + 1);
}

#[test]
fn exchange_without_operation_has_the_client_of_its_session() {
    let (host, vm) = support::worker(ON);
    let other = host.start(&Plugin::new(ON)).unwrap();
    let initialize = Exchange::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"desk","version":"1"}}}"#,
    )
    .head(200, &[("content-type", "application/json"), ("mcp-session-id", "s")])
    .chunk(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#)
    .end();
    vm.play(&initialize, Framing::Http1).unwrap();
    let in_session = |exchange: Exchange| exchange.header("mcp-session-id", "s");
    for exchange in [
        in_session(Exchange::post(INITIALIZED)).answer(202, "text/plain", ""),
        in_session(Exchange::bodiless("GET", "/mcp")).answer(405, "text/plain", "no"),
        in_session(Exchange::bodiless("DELETE", "/mcp")).answer(200, "", ""),
    ] {
        assert_eq!(other.play(&exchange, Framing::Http1).unwrap().filter_state["mcp.client"], "desk");
    }
    let off = r#"{"filter_state":true,"labels":{"client_name":"off"}}"#;
    assert_eq!(one(off, &initialize, "mcp.client"), "");
}

#[test]
fn answer_on_a_stream_does_not_describe_the_stream() {
    let (_host, vm) = support::worker(ON);
    let accepted = Exchange::post(CALL).header("mcp-session-id", "s").answer(202, "text/plain", "");
    vm.play(&accepted, Framing::Http1).unwrap();
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").sse(&[RESULT]);
    let found = vm.play(&stream, Framing::Http1).unwrap().filter_state;
    assert_eq!(found["mcp.method"], "stream");
    assert!(!found.contains_key("mcp.status"), "{found:?}");
}
