//! What is MCP, and what requests and notifications count.

use fake_envoy::Exchange;

use super::{BYTES, CALL, check, check_with, ended, request};

const PONG: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const FOREIGN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#;
const NOT_MCP: &str = "mcp_parse_skipped_total{direction=in,reason=not_mcp} 1";

/// A POST that only its body shows as MCP.
fn plain(body: &str) -> Exchange {
    Exchange::post(body).header("accept", "*/*").wait_ms(3)
}

#[test]
fn known_method_makes_it_mcp() {
    check(
        "ping",
        &[plain(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).json(PONG)],
        &[&ended("ping", "ok", ""), BYTES],
    );
}

#[test]
fn json_rpc_without_mcp_is_not_counted() {
    for body in [
        FOREIGN,
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get"}"#,
        r#"{"jsonrpc":"2.0","method":"textDocument/didOpen"}"#,
    ] {
        check(body, &[plain(body).json(PONG)], &[NOT_MCP]);
    }
}

#[test]
fn mcp_header_or_session_makes_it_mcp() {
    let other = &[&ended("other", "ok", ""), BYTES];
    for (name, value) in [
        ("mcp-session-id", "s"),
        ("mcp-protocol-version", "2025-06-18"),
        ("mcp-method", "message/send"),
        ("accept", "application/json, text/event-stream"),
        ("accept", "text/event-stream;q=0.5,application/json"),
        (":path", "/message?sessionId=5c99c753"),
        (":path", "/messages/?session_id=98879cc9"),
    ] {
        check(name, &[plain(FOREIGN).header(name, value).json(PONG)], &[other[0], other[1]]);
    }
    check_with("\"paths\":[\"/mc\"]", "path", &[plain(FOREIGN).json(PONG)], &[other[0], other[1]]);
    check_with("\"paths\":[\"/elsewhere\"]", "other path", &[plain(FOREIGN).json(PONG)], &[NOT_MCP]);
}

#[test]
fn configured_method_makes_it_mcp() {
    let fields = "\"extra_methods\":[\"message/send\"]";
    check_with(fields, "extra", &[request("message/send").json(PONG)], &[&ended("message/send", "ok", ""), BYTES]);
    check("other", &[request("TOOLS/CALL").json(PONG)], &[&ended("other", "ok", ""), BYTES]);
}

#[test]
fn request_without_mcp_is_not_counted() {
    let page = |method, path| Exchange::bodiless(method, path).answer(200, "text/html", "<html></html>");
    let all = [
        page("GET", "/.well-known/oauth-protected-resource"),
        page("GET", "/mcp"),
        page("HEAD", "/mcp"),
        page("OPTIONS", "/mcp"),
        page("DELETE", "/files/1"),
        Exchange::post("grant_type=x").header("content-type", "application/x-www-form-urlencoded").json("{}"),
        Exchange::post(CALL).header("content-type", "text/plain").json(PONG),
    ];
    check("none", &all, &[]);
}

#[test]
fn notifications_are_counted_in_both_directions() {
    let accepted = |body: &str| Exchange::post(body).head(202, &[]).end();
    let method = |method: &str| format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
    check(
        "in",
        &[accepted(&method("notifications/initialized")), accepted(&method("notifications/made_up"))],
        &[
            "mcp_notifications_total{method=notifications/initialized,direction=in} 1",
            "mcp_notifications_total{method=other,direction=in} 1",
            BYTES,
        ],
    );
    let progress = method("notifications/progress");
    check(
        "out",
        &[request("ping").sse(&[&progress, &progress, &method("notifications/message"), PONG])],
        &[
            "mcp_notifications_total{method=notifications/progress,direction=out} 2",
            "mcp_notifications_total{method=notifications/message,direction=out} 1",
            "mcp_first_event_duration_microseconds{method=ping} [3000]",
            &ended("ping", "ok", ""),
            BYTES,
        ],
    );
}

#[test]
fn request_with_invalid_id_is_notification() {
    for id in ["null", "{}", "[1]", "true"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let counted = "mcp_notifications_total{method=ping,direction=in} 1";
        check(id, &[Exchange::post(&body).head(202, &[]).end()], &[counted, BYTES]);
    }
}

#[test]
fn response_from_client_is_no_operation() {
    let answers = [
        Exchange::post(r#"{"result":{"model":"m"},"jsonrpc":"2.0","id":0}"#).head(202, &[]).end(),
        Exchange::post(r#"{"error":{"code":-32601,"message":""},"jsonrpc":"2.0","id":0}"#).head(202, &[]).end(),
    ];
    check("answers", &answers, &[BYTES]);
}

#[test]
fn last_duplicate_key_counts() {
    let body = r#"{"jsonrpc":"2.0","id":9,"method":"initialize","id":1,"method":"ping"}"#;
    check("last", &[Exchange::post(body).wait_ms(3).json(PONG)], &[&ended("ping", "ok", ""), BYTES]);
}

#[test]
fn escaped_keys_and_byte_order_mark_are_read() {
    let body = "\u{feff}{\"json\\u0072pc\":\"2.0\",\"id\":1,\"me\\u0074hod\":\"\\u0070ing\"}";
    check(
        "escaped",
        &[Exchange::post(body).wait_ms(3).json(&format!("\u{feff}{PONG}"))],
        &[&ended("ping", "ok", ""), BYTES],
    );
}

#[test]
fn several_documents_in_one_body_are_counted() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}
        {"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let answer = format!("{}\n{PONG}", r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    check(
        "documents",
        &[Exchange::post(body).wait_ms(3).json(&answer)],
        &[
            "mcp_notifications_total{method=notifications/initialized,direction=in} 1",
            "mcp_notifications_total{method=notifications/message,direction=out} 1",
            &ended("ping", "ok", ""),
            BYTES,
        ],
    );
}

#[test]
fn method_inside_arguments_is_ignored() {
    let body = r#"{"params":{"arguments":{"name":"wrong","method":"ping","id":7},"name":"add","_meta":{"name":"no"}},"method":"tools/call","jsonrpc":"2.0","id":1}"#;
    let bytes = format!("mcp_tool_result_bytes{{tool_name=add}} [{}]", PONG.len());
    let exchange = Exchange::post(body).wait_ms(3).json(PONG);
    check("decoys", &[exchange], &[&ended("tools/call", "ok", ""), BYTES, &bytes]);
}

#[test]
fn successful_initialize_counts_a_session() {
    let initialize = |version: &str| {
        let result =
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"{version}","capabilities":{{}}}}}}"#);
        let params = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"desk","version":"1"}}}"#;
        Exchange::post(params).wait_ms(3).json(&result)
    };
    let session = |version: &str, client: &str| {
        format!("mcp_sessions_total{{protocol_version={version},transport=streamable_http{client}}} 1")
    };
    let client = ",client_name=desk";
    let by_client = "mcp_client_requests_total{client_name=desk,status=ok} 1";
    let known = session("2025-06-18", client);
    check("known", &[initialize("2025-06-18")], &[&ended("initialize", "ok", ""), &known, by_client, BYTES]);
    let unknown = session("other", client);
    check("unknown", &[initialize("v999")], &[&ended("initialize", "ok", ""), &unknown, by_client, BYTES]);
    let refused = request("initialize").json(&super::error("-32603"));
    let counted = "mcp_protocol_errors_total{error_code=-32603,method=initialize} 1";
    check("refused", &[refused], &[&ended("initialize", "error", "rpc_error"), counted, BYTES]);
}

#[test]
fn header_that_differs_from_body_is_mismatch() {
    let body = |version: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"p","_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}}}}}"#
        )
    };
    let modern = |method: &str, name: &str, version: &str| {
        Exchange::post(&body("2026-07-28"))
            .header("mcp-protocol-version", version)
            .header("mcp-method", method)
            .header("mcp-name", name)
            .wait_ms(3)
            .json(PONG)
    };
    let got = "mcp_prompt_gets_total{prompt_name=p,status=ok} 1";
    let expected = [&ended("prompts/get", "ok", ""), got, BYTES];
    check("all agree", &[modern("prompts/get", "p", "2026-07-28")], &expected);
    check("encoded", &[modern("prompts/get", "=?base64?cA==?=", "2026-07-28")], &expected);
    for (exchange, header) in [
        (modern("PROMPTS/GET", "p", "2026-07-28"), "Mcp-Method"),
        (modern("prompts/get", "q", "2026-07-28"), "Mcp-Name"),
        (modern("prompts/get", "p", "2025-11-25"), "MCP-Protocol-Version"),
    ] {
        let counted = format!("mcp_header_mismatch_total{{header={header}}} 1");
        check(header, &[exchange], &[expected[0], got, BYTES, &counted]);
    }
    let missing =
        Exchange::post(&body("2026-07-28")).header("mcp-protocol-version", "2026-07-28").wait_ms(3).json(PONG);
    check("missing is none", &[missing], &expected);
    let legacy = request("ping")
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "x")
        .json(PONG);
    check("not for older revisions", &[legacy], &[&ended("ping", "ok", ""), BYTES]);
}

#[test]
fn request_refused_before_its_body_is_counted_by_headers() {
    let refused = |exchange: Exchange| exchange.details("ext_authz_denied").answer(403, "text/plain", "denied");
    let unnamed = Exchange { steps: Exchange::post("").steps.into_iter().take(1).collect() };
    check("no header of MCP", &[refused(unnamed.clone().header("accept", "*/*"))], &[]);
    let unseen = [
        "mcp_requests_total{method=unseen,status=error,error_type=unauthorized} 1",
        "mcp_message_bytes_total{direction=out} OUT",
    ];
    let both = unnamed.clone().header("accept", "application/json, text/event-stream");
    check("unnamed", &[refused(both)], &unseen);
    let lines = unnamed.clone().header("accept", "application/json").another("accept", "text/event-stream");
    check("unnamed, in two lines", &[refused(lines)], &unseen);
    let named = unnamed.header("mcp-method", "tools/call").header("mcp-name", "add");
    check(
        "named",
        &[refused(named.header("mcp-protocol-version", "2026-07-28"))],
        &[
            "mcp_requests_total{method=tools/call,status=error,error_type=unauthorized} 1",
            "mcp_tool_calls_total{tool_name=add,status=error,error_type=unauthorized} 1",
            "mcp_message_bytes_total{direction=out} OUT",
        ],
    );
}
