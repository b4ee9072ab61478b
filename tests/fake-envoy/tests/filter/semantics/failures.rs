//! Operations without a JSON-RPC response: the evidence in its order of precedence.

use fake_envoy::{Exchange, Step, flags};

use super::{BYTES, call, check, ended, request};

/// A local reply of Envoy.
fn local_reply(exchange: Exchange, flags: u64, status: u16, details: &str) -> Exchange {
    exchange.flags(flags).details(details).answer(status, "text/plain", "upstream connect error")
}

const CAUSES: [(u64, u16, &str, &str); 16] = [
    (flags::UT, 504, "response_timeout", "timeout"),
    (flags::SI, 408, "stream_idle_timeout", "timeout"),
    (flags::DT, 504, "max_duration_timeout", "timeout"),
    (flags::UMSDR, 504, "upstream_max_stream_duration_reached", "timeout"),
    (flags::UF, 503, "upstream_reset_before_response_started{connection_failure}", "upstream_unavailable"),
    (flags::UH, 503, "no_healthy_upstream", "upstream_unavailable"),
    (flags::NC, 503, "cluster_not_found", "upstream_unavailable"),
    (flags::DF, 503, "dns_resolution_failure", "upstream_unavailable"),
    (flags::UC, 503, "upstream_reset_before_response_started{connection_termination}", "reset"),
    (flags::UR, 503, "upstream_reset_before_response_started{remote_reset}", "reset"),
    (flags::UPE, 502, "upstream_reset_before_response_started{protocol_error}", "reset"),
    (flags::LR, 503, "upstream_reset_before_response_started{local_reset}", "reset"),
    (flags::UO, 503, "upstream_reset_before_response_started{overflow}", "overload"),
    (flags::OM, 503, "overload", "overload"),
    (flags::RL, 429, "request_rate_limited", "rate_limited"),
    (flags::UF | flags::UC, 503, "upstream_reset_before_response_started", "upstream_unavailable"),
];

#[test]
fn local_reply_has_its_error_type() {
    for (flags, status, details, error_type) in CAUSES {
        let exchange = local_reply(call(), flags, status, details);
        check(details, &[exchange], &[&ended("tools/call", "error", error_type), BYTES]);
    }
}

#[test]
fn failure_after_response_headers_has_its_error_type() {
    for (flags, _, details, error_type) in CAUSES {
        for content_type in ["application/json", "text/event-stream"] {
            let exchange = call().head(200, &[("content-type", content_type)]).flags(flags);
            check(details, &[exchange], &[&ended("tools/call", "error", error_type), BYTES]);
        }
    }
}

#[test]
fn response_flags_outrank_truncated_response() {
    let exchange = call()
        .head(200, &[("content-type", "application/json")])
        .chunk(r#"{"jsonrpc":"2.0","id":1,"res"#)
        .flags(flags::UC);
    let skipped = "mcp_parse_skipped_total{direction=out,reason=truncated} 1";
    check("cut", &[exchange], &[&ended("tools/call", "error", "reset"), skipped, BYTES]);
}

#[test]
fn complete_response_outranks_response_flags() {
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let exchange = request("ping").head(200, &[("content-type", "application/json")]).chunk(message).flags(flags::UC);
    check("answered", &[exchange], &[&ended("ping", "ok", ""), BYTES]);
}

#[test]
fn client_disconnect_is_cancelled() {
    for flags in [flags::DC, flags::DR] {
        check("before headers", &[call().flags(flags)], &[&ended("tools/call", "cancelled", ""), BYTES]);
        let after = call().head(200, &[("content-type", "text/event-stream")]).flags(flags);
        check("after headers", &[after], &[&ended("tools/call", "cancelled", ""), BYTES]);
    }
}

#[test]
fn upstream_error_status_is_http_error_or_unauthorized() {
    for (status, error_type) in [
        (401, "unauthorized"),
        (403, "unauthorized"),
        (400, "http_error"),
        (404, "http_error"),
        (415, "http_error"),
        (500, "http_error"),
        (503, "http_error"),
    ] {
        let text = call().answer(status, "text/plain", "Not Found: Session not found");
        check("text", &[text], &[&ended("tools/call", "error", error_type), BYTES]);
        let empty = call().answer(status, "application/json", "");
        check("empty", &[empty], &[&ended("tools/call", "error", error_type), BYTES]);
        let html = call().answer(status, "text/html", "<pre>Cannot POST /mcp</pre>");
        check("html", &[html], &[&ended("tools/call", "error", error_type), BYTES]);
    }
}

#[test]
fn response_without_json_rpc_is_no_response() {
    let expected = [&ended("tools/call", "error", "no_response"), BYTES];
    check("empty 200", &[call().answer(200, "application/json", "")], &expected);
    check("empty stream", &[call().answer(200, "text/event-stream", "")], &expected);
    check("comments only", &[call().answer(200, "text/event-stream", ": ping\n\n")], &expected);
    let skipped = "mcp_parse_skipped_total{direction=out,reason=not_json_rpc} 1";
    let other = call().json(r#"{"hello":"world"}"#);
    check("no JSON-RPC", &[other], &[&ended("tools/call", "error", "no_response"), skipped, BYTES]);
}

#[test]
fn unreadable_response_is_unknown() {
    let unknown = ended("tools/call", "unknown", "");
    let skipped = |reason| format!("mcp_parse_skipped_total{{direction=out,reason={reason}}} 1");
    let brotli = call()
        .head(200, &[("content-type", "application/json"), ("content-encoding", "br")])
        .chunk([0x0b, 0x02, 0x80, 0x03])
        .end();
    check("compressed", &[brotli], &[&unknown, &skipped("content_encoding"), BYTES]);
    let broken = call().json(r#"{"jsonrpc":"2.0","id":1,"result":}"#);
    check("broken", &[broken], &[&unknown, &skipped("invalid_json"), BYTES]);
    let cut = call().json(r#"{"jsonrpc":"2.0","id":1,"result":{"#);
    check("cut", &[cut], &[&unknown, &skipped("truncated"), BYTES]);
    let deep = format!(r#"{{"jsonrpc":"2.0","result":{}{},"id":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
    check("deep", &[call().json(&deep)], &[&unknown, &skipped("too_deep"), BYTES]);
}

#[test]
fn event_without_blank_line_is_not_counted() {
    let message = r#"data: {"jsonrpc":"2.0","id":1,"result":{}}"#;
    let exchange = call().answer(200, "text/event-stream", &format!("{message}\n"));
    check("last event", &[exchange], &[&ended("tools/call", "error", "no_response"), BYTES]);
}

#[test]
fn response_before_end_of_request_is_matched() {
    // A server may refuse before the request has ended: the error counts, but there is no duration.
    let mut exchange = call();
    exchange.steps.retain(|step| !matches!(step, Step::RequestEnd));
    let message = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too large"}}"#;
    check(
        "early refusal",
        &[exchange.answer(418, "application/json", message)],
        &[
            "mcp_requests_total{method=tools/call,status=error,error_type=invalid_request} 1",
            "mcp_tool_calls_total{tool_name=add,status=error,error_type=invalid_request} 1",
            "mcp_protocol_errors_total{error_code=-32600,method=tools/call} 1",
            &format!("mcp_tool_result_bytes{{tool_name=add}} [{}]", message.len()),
            "mcp_tool_request_bytes_total{tool_name=add} IN",
            BYTES,
        ],
    );
}
