//! Operations that end with a JSON-RPC response.

use fake_envoy::{Exchange, Step, flags};

use super::{BYTES, call, check, check_with, ended, error, request};

const RESULT: &str = r#"{"result":{"content":[{"type":"text","text":"3"}]},"jsonrpc":"2.0","id":1}"#;

fn result_bytes(message: &str) -> String {
    format!("mcp_tool_result_bytes{{tool_name=add}} [{}]", message.len())
}

#[test]
fn result_in_json_is_success() {
    check("json", &[call().json(RESULT)], &[&ended("tools/call", "ok", ""), BYTES, &result_bytes(RESULT)]);
    let charset = call().answer(200, "application/json; charset=utf-8", RESULT);
    check("charset", &[charset], &[&ended("tools/call", "ok", ""), BYTES, &result_bytes(RESULT)]);
}

#[test]
fn result_in_event_stream_is_success() {
    let first = "mcp_first_event_duration_microseconds{method=tools/call} [3000]";
    let expected = [&ended("tools/call", "ok", ""), BYTES, &result_bytes(RESULT), first];
    check("one event", &[call().sse(&[RESULT])], &expected);
    let fields = format!(": hello\r\nid: 7\r\nretry: 3000\r\ndata: {RESULT}\r\n\r\n");
    check("line ends and fields", &[call().answer(200, "text/event-stream; charset=utf-8", &fields)], &expected);
    let split = RESULT.replacen(",\"jsonrpc\"", "\ndata: ,\"jsonrpc\"", 1);
    let bytes = format!("mcp_tool_result_bytes{{tool_name=add}} [{}]", RESULT.len() + 1);
    let lines = call().answer(200, "text/event-stream", &format!("data:{split}\n\n"));
    check("data in two lines", &[lines], &[&ended("tools/call", "ok", ""), BYTES, &bytes, first]);
    let primed = call()
        .head(200, &[("content-type", "text/event-stream")])
        .chunk("id: 1\ndata: \n\n")
        .wait_ms(2)
        .chunk(format!("data: {RESULT}\n\n"))
        .end();
    let later = |text: &str| text.replace("[3000]", "[5000]");
    check(
        "a priming event is no event with data",
        &[primed],
        &[&later(&ended("tools/call", "ok", "")), BYTES, &result_bytes(RESULT), &later(first)],
    );
}

#[test]
fn result_with_is_error_is_tool_error() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
        r#"{"result":{"isError":true,"content":[{"type":"text","text":"\"isError\":false"}]},"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"isError":false,"isError":true}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"is\u0045rror":true}}"#,
    ] {
        let expected = [&ended("tools/call", "error", "tool_error"), BYTES, &result_bytes(message)];
        check(message, &[call().json(message)], &expected);
    }
}

#[test]
fn is_error_inside_content_is_no_tool_error() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"isError":true,"error":{"code":1}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"isError":true,"id":2}],"isError":"true"}}"#,
        r#"{"jsonrpc":"2.0","isError":true,"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
        r#" {"result":{},"id":1,"jsonrpc":"2.0"} "#,
    ] {
        let bytes = result_bytes(message.trim());
        check(message, &[call().json(message)], &[&ended("tools/call", "ok", ""), BYTES, &bytes]);
    }
}

#[test]
fn is_error_of_other_methods_is_ignored() {
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#;
    check("ping", &[request("ping").json(message)], &[&ended("ping", "ok", ""), BYTES]);
}

#[test]
fn error_codes_separate_client_from_server_errors() {
    for (code, error_type) in [
        ("-32700", "invalid_request"),
        ("-32600", "invalid_request"),
        ("-32601", "invalid_request"),
        ("-32602", "invalid_request"),
        ("-32002", "invalid_request"),
        ("-32603", "rpc_error"),
        ("-32000", "rpc_error"),
        ("-32001", "rpc_error"),
        ("-32020", "rpc_error"),
        ("0", "rpc_error"),
        ("42", "rpc_error"),
    ] {
        let counted = format!("mcp_protocol_errors_total{{error_code={code},method=tools/call}} 1");
        let message = error(code);
        let expected = [&ended("tools/call", "error", error_type), BYTES, &counted, &result_bytes(&message)];
        for status in [200, 400, 404, 500] {
            check(code, &[call().answer(status, "application/json", &message)], &expected);
        }
    }
}

#[test]
fn error_with_unusable_id_answers_the_only_request() {
    for id in ["\"id\":null,", "\"id\":\"server-error\",", "", "\"id\":99,", "\"id\":[1],"] {
        let message = format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32600,"message":"no"}}}}"#);
        let counted = "mcp_protocol_errors_total{error_code=-32600,method=tools/call} 1";
        let expected = [&ended("tools/call", "error", "invalid_request"), BYTES, counted, &result_bytes(&message)];
        check(id, &[call().answer(400, "application/json", &message)], &expected);
    }
}

#[test]
fn unauthorized_with_json_rpc_body_is_rpc_error() {
    let message = error("-32000");
    let counted = "mcp_protocol_errors_total{error_code=-32000,method=tools/call} 1";
    let expected = [&ended("tools/call", "error", "rpc_error"), BYTES, counted, &result_bytes(&message)];
    check("401", &[call().answer(401, "application/json", &message)], &expected);
}

#[test]
fn result_that_asks_for_input_is_input_required() {
    let result =
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"ping"}}}}"#;
    check(
        "result type",
        &[call().json(result)],
        &[&ended("tools/call", "input_required", ""), BYTES, &result_bytes(result)],
    );
    let message = error("-32042");
    let counted = "mcp_protocol_errors_total{error_code=-32042,method=tools/call} 1";
    check(
        "url elicitation",
        &[call().json(&message)],
        &[&ended("tools/call", "input_required", ""), BYTES, counted, &result_bytes(&message)],
    );
}

#[test]
fn task_result_is_accepted() {
    for message in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t","status":"working"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t","status":"working","ttl":60000}}}"#,
    ] {
        let expected = [&ended("tools/call", "accepted", ""), BYTES, &result_bytes(message)];
        check(message, &[call().json(message)], &expected);
    }
}

#[test]
fn refused_probe_is_negotiation() {
    let message = error("-32600");
    let counted = "mcp_protocol_errors_total{error_code=-32600,method=server/discover} 1";
    let discover = request("server/discover");
    let refused = discover.clone().answer(400, "application/json", &message);
    check("refused probe", &[refused], &[&ended("server/discover", "negotiation", ""), BYTES, counted]);
    let text = discover.answer(405, "text/plain", "Method Not Allowed");
    check("probe refused in text", &[text], &[&ended("server/discover", "negotiation", ""), BYTES]);
    let message = error("-32022");
    let counted = "mcp_protocol_errors_total{error_code=-32022,method=ping} 1";
    check(
        "unsupported version",
        &[request("ping").answer(400, "application/json", &message)],
        &[&ended("ping", "negotiation", ""), BYTES, counted],
    );
    let counted = "mcp_protocol_errors_total{error_code=-32022,method=tools/call} 1";
    check(
        "a call is past probing",
        &[call().answer(400, "application/json", &message)],
        &[&ended("tools/call", "error", "rpc_error"), BYTES, counted, &result_bytes(&message)],
    );
    let text = request("initialize").answer(405, "text/plain", "Method Not Allowed");
    check("another transport", &[text], &[&ended("initialize", "negotiation", ""), BYTES]);
}

#[test]
fn initialize_at_http_sse_server_is_negotiation() {
    let stream = Exchange::bodiless("GET", "/sse?x=1").head(200, &[("content-type", "text/event-stream")]);
    let stream = stream.chunk("event: endpoint\ndata: /message?sessionId=5\n\n").flags(flags::DC);
    let probe = || request("initialize").header(":path", "/sse").answer(404, "text/plain", "no");
    let refused = ended("initialize", "error", "http_error");
    check("before", &[probe()], &[&refused, BYTES]);
    let opened = "mcp_stream_opens_total{status=ok} 1";
    check("after", &[stream.clone(), probe()], &[opened, &ended("initialize", "negotiation", ""), BYTES]);
    let elsewhere = request("initialize").header(":path", "/mcp").answer(404, "text/plain", "no");
    check("elsewhere", &[stream, elsewhere], &[opened, &refused, BYTES]);
}

#[test]
fn redirect_is_redirected() {
    for status in [302, 304, 307] {
        let moved = request("initialize").head(status, &[("location", "/mcp/")]).end();
        let bytes = "mcp_message_bytes_total{direction=in} IN";
        check("moved", &[moved], &[&ended("initialize", "redirected", ""), bytes]);
    }
}

#[test]
fn error_page_is_not_a_skipped_message() {
    for page in [r#"{"error":"invalid_token"}"#, "[]", "{oops", "{\"detail\":\"cut"] {
        let refused = request("ping").answer(500, "application/json", page);
        check(page, &[refused], &[&ended("ping", "error", "http_error"), BYTES]);
    }
}

#[test]
fn each_message_of_batch_is_counted() {
    let body = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":"1","method":"prompts/get","params":{"name":"p"}},{"jsonrpc":"2.0","method":"notifications/progress"}]"#;
    let answers =
        r#"[{"jsonrpc":"2.0","id":"1","result":{}},{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":""}}]"#;
    let batch = || Exchange::post(body).wait_ms(3);
    let notification = "mcp_notifications_total{method=notifications/progress,direction=in} 1";
    check(
        "each its own answer",
        &[batch().json(answers)],
        &[
            &ended("ping", "error", "rpc_error"),
            &ended("prompts/get", "ok", ""),
            "mcp_prompt_gets_total{prompt_name=p,status=ok} 1",
            "mcp_protocol_errors_total{error_code=-32603,method=ping} 1",
            notification,
            BYTES,
        ],
    );
    let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}"#;
    check(
        "one error for all",
        &[batch().answer(400, "application/json", refusal)],
        &[
            &ended("ping", "error", "invalid_request"),
            &ended("prompts/get", "error", "invalid_request"),
            "mcp_prompt_gets_total{prompt_name=p,status=error} 1",
            "mcp_protocol_errors_total{error_code=-32600,method=ping} 1",
            notification,
            BYTES,
        ],
    );
}

const UNKNOWN_ID: &str = "mcp_unmatched_responses_total{reason=unknown_id} 1";

#[test]
fn result_with_unknown_id_is_unmatched() {
    let foreign = r#"{"jsonrpc":"2.0","id":"01","result":{}}"#;
    check("alone", &[call().json(foreign)], &[&ended("tools/call", "error", "no_response"), UNKNOWN_ID, BYTES]);
    let own = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    check(
        "before its own",
        &[call().sse(&[foreign, own])],
        &[
            &ended("tools/call", "ok", ""),
            &result_bytes(own),
            "mcp_first_event_duration_microseconds{method=tools/call} [3000]",
            UNKNOWN_ID,
            BYTES,
        ],
    );
}

#[test]
fn ids_compare_by_value() {
    for (sent, came) in [
        (r#""a\u0062""#, r#""ab""#),
        (r#""é😀""#, r#""\u00e9\ud83d\ude00""#),
        ("1.0", "1"),
        ("-7", "-7"),
        ("12345678901234567890", "12345678901234567890"),
        ("1795357133790", "1795357133790.0"),
        (r#""""#, r#""""#),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{sent},"method":"ping"}}"#);
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{came},"result":{{}}}}"#);
        check(sent, &[Exchange::post(&body).wait_ms(3).json(&answer)], &[&ended("ping", "ok", ""), BYTES]);
    }
}

#[test]
fn trailers_end_the_message() {
    let exchange = call()
        .head(200, &[("content-type", "application/json")])
        .chunk(RESULT)
        .then(Step::ResponseTrailers(vec![("grpc-status".to_owned(), b"0".to_vec())]))
        .end();
    check("trailers", &[exchange], &[&ended("tools/call", "ok", ""), BYTES, &result_bytes(RESULT)]);
}

#[test]
fn semconv_adds_its_histogram() {
    let exchange = call().header("mcp-protocol-version", "2025-11-25").json(RESULT);
    let semconv = "mcp_server_operation_duration_microseconds{method=tools/call,tool_name=add,protocol_version=2025-11-25} [3000]";
    let expected = [&ended("tools/call", "ok", ""), BYTES, &result_bytes(RESULT), semconv];
    check_with("\"semconv\":true", "semconv", &[exchange], &expected);
}
