//! What does not reach the program.

use super::{VERSION, call, request, tool};
use crate::bridge::tests::Running;
use crate::bridge::tests::client::text;
use hyper::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn headers_must_say_what_the_body_says() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let good = client.with("mcp-protocol-version", VERSION).with("mcp-method", "tools/call").with("mcp-name", "echo");
    let message = tool(1, "echo", json!({"text": "a"}), &json!({}));
    assert_eq!(good.post(&message).await.status, StatusCode::OK);
    assert_eq!(good.with("mcp-name", "=?base64?ZWNobw==?=").post(&message).await.status, StatusCode::OK);
    let mut bad = vec![
        good.with("mcp-protocol-version", "2025-11-25"),
        good.with("mcp-method", "TOOLS/CALL"),
        good.with("mcp-name", "other"),
        good.with("mcp-name", "=?base64?*?="),
    ];
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
        let mut without = good.clone();
        without.headers.retain(|(known, _)| *known != name);
        bad.push(without);
    }
    for client in bad {
        let refused = client.post(&message).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{:?}", client.headers);
        let refused = refused.json().await;
        assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(-32020), &json!(1)));
    }
}

#[tokio::test]
async fn what_is_not_of_this_revision_does_not_reach_the_program() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.with("mcp-protocol-version", VERSION);
    for (message, status, code) in [
        (json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), 400, -32602),
        (json!({"jsonrpc": "2.0", "id": 1, "result": {}}), 400, -32600),
        (json!([{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}]), 400, -32600),
        (request(1, "initialize", json!({}), &json!({})), 404, -32601),
    ] {
        let refused = client.with("mcp-method", message["method"].as_str().unwrap_or("x")).post(&message).await;
        assert_eq!(refused.status, status, "{message}");
        assert_eq!(refused.json().await["error"]["code"], code, "{message}");
    }
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&cancel).await.status, StatusCode::ACCEPTED);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(client.send(method, "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let seen = text(&call(&client, 1, "seen", json!({})).await.last().await);
    assert_eq!(seen, "[]");
}

#[tokio::test]
async fn message_that_programs_read_differently_does_not_reach_the_program() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let named = client.with("mcp-protocol-version", VERSION).with("mcp-method", "tools/call").with("mcp-name", "echo");
    let good = tool("a", "echo", json!({"text": "a"}), &json!({"progressToken": "t"})).to_string();
    assert_eq!(named.send(Method::POST, good.clone()).await.status, StatusCode::OK);
    let long = format!("\"progressToken\":\"{}\"", "t".repeat(4096));
    for (part, other) in [
        (r#""jsonrpc":"2.0","#, ""),
        (r#""jsonrpc":"2.0""#, r#""jsonrpc":2.0"#),
        (r#""progressToken":"t""#, r#""progressToken":"t","progressToken":1"#),
        (r#""name":"echo""#, r#""name":"echo","name":"pid""#),
        (r#""name":"echo""#, r#""name":"echo","_meta":{}"#),
        (r#""name":"echo""#, r#""name":"echo","arguments":{}"#),
        (r#""progressToken":"t""#, r#""progressToken":true"#),
        (r#""progressToken":"t""#, r#""progressToken":1e400"#),
        (r#""progressToken":"t""#, &long),
    ] {
        let text = good.replace(part, other);
        assert_ne!(text, good);
        let refused = named.send(Method::POST, text).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{other:.40}");
        let refused = refused.json().await;
        assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(-32600), &json!("a")), "{other:.40}");
    }
}

#[tokio::test]
async fn headers_that_repeat_arguments_are_checked() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let message = tool(1, "echo", json!({"text": "a", "count": 42}), &json!({}));
    let client = client.with("mcp-protocol-version", VERSION);
    let echo = client.with("mcp-method", "tools/call").with("mcp-name", "echo");
    // The schema is not known yet.
    assert_eq!(echo.post(&message).await.status, StatusCode::OK);
    client.with("mcp-method", "tools/list").post(&request(2, "tools/list", json!({}), &json!({}))).await;
    let good = echo.with("mcp-param-text", "=?base64?YQ==?=").with("mcp-param-count", "42.0");
    assert_eq!(good.post(&message).await.status, StatusCode::OK);
    let bad = [
        echo,
        good.with("mcp-param-text", "b"),
        good.with("mcp-param-text", "=?base64?YQ?="),
        good.with("mcp-param-count", "43"),
    ];
    for client in bad {
        let refused = client.post(&message).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{:?}", client.headers);
        assert_eq!(refused.json().await["error"]["code"], -32020);
    }
    // A header without its argument, and an argument that stands twice.
    let absent = tool(1, "echo", json!({"text": "a"}), &json!({}));
    assert_eq!(good.post(&absent).await.json().await["error"]["code"], -32020);
    let twice = message.to_string().replace(r#""text":"a""#, r#""text":"b","text":"a""#);
    assert_eq!(good.send(Method::POST, twice).await.json().await["error"]["code"], -32600);
}
