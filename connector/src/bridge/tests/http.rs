//! Headers, methods and statuses.

use super::Running;
use super::client::{Client, call};
use hyper::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

const VERSION: &str = "2025-06-18";

#[tokio::test]
async fn methods_and_paths_that_are_not_served() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let put = client.send(Method::PUT, "").await;
    assert_eq!(
        (put.status, &put.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, POST, DELETE".parse().unwrap())
    );
    for (path, method, allowed) in [("/sse", Method::POST, "GET"), ("/message", Method::GET, "POST")] {
        let answer = Client { path, ..client.clone() }.send(method, "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers["allow"], allowed);
    }
    for path in ["/other", "/mcp/", "/.well-known/oauth-authorization-server"] {
        assert_eq!(Client { path, ..client.clone() }.get().await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn accept_must_have_both_types() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let session = client.initialize(VERSION).await;
    for (id, (accept, status)) in [
        ("application/json", StatusCode::NOT_ACCEPTABLE),
        ("text/event-stream", StatusCode::NOT_ACCEPTABLE),
        ("*/*", StatusCode::OK),
        ("application/*;q=0.5, text/event-stream", StatusCode::OK),
        ("Application/JSON, Text/Event-Stream", StatusCode::OK),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(session.with("accept", accept).call(id, "echo", json!({})).await.status, status, "{accept}");
    }
    assert_eq!(session.with("accept", "application/json").get().await.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn body_must_be_json() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let session = client.initialize(VERSION).await;
    for (kind, status) in
        [("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE), ("application/json; charset=utf-8", StatusCode::OK)]
    {
        assert_eq!(session.with("content-type", kind).call(1, "echo", json!({})).await.status, status, "{kind}");
    }
    for (body, code) in
        [("", -32700), ("{", -32700), ("1", -32600), ("{}", -32600), (r#"{"id":{},"method":"a"}"#, -32600)]
    {
        let answer = session.send(Method::POST, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json().await["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn body_over_the_limit_is_refused() {
    let (_running, client) = Running::start(&[], |settings, _| settings.line_bytes = 1000);
    let session = client.initialize(VERSION).await;
    let long = session.call(1, "echo", json!({"text": "x".repeat(1000)})).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(session.text(1, "echo", json!({"text": "a"})).await, "a");
}

/// The head of a POST to a session that is not known, with a body of two bytes.
const UNKNOWN: &str = "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-type: application/json\r\n\
                       mcp-session-id: unknown\r\ncontent-length: 2\r\n";

#[tokio::test]
async fn refused_request_is_read_to_its_end_and_its_connection_is_kept() {
    let (running, _client) = Running::start(&[], |_, _| {});
    let mut connection = UnixStream::connect(running.directory.join("socket")).await.unwrap();
    for _ in 0..2 {
        connection.write_all(format!("{UNKNOWN}\r\n").as_bytes()).await.unwrap();
        let early = timeout(Duration::from_millis(50), connection.read_u8()).await;
        assert!(early.is_err(), "the response comes before the body: {early:?}");
        connection.write_all(b"{}").await.unwrap();
        assert!(response(&mut connection).await.starts_with("HTTP/1.1 404 "));
    }
}

#[tokio::test]
async fn refused_body_that_waits_for_100_continue_is_not_asked_for() {
    let (running, _client) = Running::start(&[], |_, _| {});
    let mut connection = UnixStream::connect(running.directory.join("socket")).await.unwrap();
    connection.write_all(format!("{UNKNOWN}expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    assert!(response(&mut connection).await.starts_with("HTTP/1.1 404 "));
}

/// A response whose body is a JSON-RPC error.
async fn response(connection: &mut UnixStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}}") {
        text.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn batch_of_too_many_messages_is_refused() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let session = client.initialize("2025-03-26").await;
    let batch = |count| json!(vec![json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}); count]);
    assert_eq!(session.post(&batch(100)).await.status, StatusCode::ACCEPTED);
    let refused = session.post(&batch(101)).await;
    assert_eq!((refused.status, &refused.json().await["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32600)));
    // Without a session it is not read at all.
    let refused = client.send(Method::POST, "[nothing").await;
    assert_eq!((refused.status, &refused.json().await["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32000)));
}

#[tokio::test]
async fn large_bodies_have_a_bound_together() {
    let (running, client) = Running::start(&[], |settings, _| settings.line_bytes = 400_000);
    let session = client.initialize(VERSION).await;
    let (socket, large) = (running.directory.join("socket"), json!({"text": "x".repeat(300_000)}));
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-type: application/json\r\ncontent-length: 399999\r\n\r\n";
    let mut halves = Vec::new();
    for _ in 0..4 {
        let mut half = UnixStream::connect(&socket).await.unwrap();
        half.write_all(head.as_bytes()).await.unwrap();
        half.write_all(&[b' '; 399_998]).await.unwrap();
        halves.push(half);
    }
    super::until(async || session.call(1, "echo", large.clone()).await.status == StatusCode::SERVICE_UNAVAILABLE).await;
    let refused = session.call(1, "echo", large.clone()).await;
    assert_eq!(refused.headers["retry-after"], "1");
    // Small ones are served.
    assert_eq!(session.text(1, "echo", json!({"text": "a"})).await, "a");
    drop(halves);
    super::until(async || session.call(1, "echo", large.clone()).await.status == StatusCode::OK).await;
}

#[tokio::test]
async fn unknown_version_is_refused() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let session = client.initialize(VERSION).await;
    for (version, status) in
        [("1999-01-01", StatusCode::BAD_REQUEST), ("x", StatusCode::BAD_REQUEST), ("2025-11-25", StatusCode::OK)]
    {
        let answer = session.with("mcp-protocol-version", version).call(1, "echo", json!({})).await;
        assert_eq!(answer.status, status, "{version}");
    }
}

#[tokio::test]
async fn origin_that_is_not_local_is_refused() {
    let (_running, client) = Running::start(&[], |_, _| {});
    for (origin, status) in [
        ("http://evil.example.com", StatusCode::FORBIDDEN),
        ("http://localhost.example.com", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
        ("http://127.0.0.1.example.com:80", StatusCode::FORBIDDEN),
        ("http://localhost", StatusCode::BAD_REQUEST),
        ("http://localhost:3000", StatusCode::BAD_REQUEST),
        ("https://127.0.0.1:3000", StatusCode::BAD_REQUEST),
        ("http://[::1]:3000", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(client.with("origin", origin).post(&call(1, "echo", json!({}))).await.status, status, "{origin}");
    }
    let of_a_page = client.with("sec-fetch-site", "cross-site");
    let open = Client { path: "/sse", ..of_a_page.clone() };
    assert_eq!(open.get().await.status, StatusCode::FORBIDDEN);
    // The page is of this machine.
    let local = of_a_page.with("origin", "http://localhost:6274");
    assert_eq!(local.post(&call(1, "echo", json!({}))).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.with("sec-fetch-site", "none").get().await.status, StatusCode::BAD_REQUEST);
}
