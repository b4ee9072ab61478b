//! HTTP+SSE, 2024-11-05.

use super::client::{Answer, Client, call, text};
use super::{Running, is_running, until};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

/// Opens the stream, and returns a client that posts to its endpoint.
async fn open(client: &Client) -> (Answer, Client) {
    let mut stream = Client { path: "/sse", ..client.clone() }.get().await;
    let endpoint = stream.event().await.unwrap();
    assert_eq!(endpoint.name, "endpoint");
    assert!(endpoint.data.starts_with("/message?sessionId="));
    (stream, Client { path: endpoint.data.leak(), ..client.clone() })
}

async fn post(client: &Client, message: &Value) {
    assert_eq!(client.post(message).await.status, StatusCode::ACCEPTED);
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2024-11-05"}})
}

#[tokio::test]
async fn all_messages_come_on_the_stream() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (mut stream, client) = open(&client).await;
    post(&client, &initialize()).await;
    assert_eq!(stream.message().await["result"]["protocolVersion"], "2024-11-05");
    post(&client, &call(1, "ask", json!({}))).await;
    let request = stream.event().await.unwrap();
    assert_eq!((request.name.as_str(), request.id), ("message", None));
    post(&client, &json!({"jsonrpc": "2.0", "id": 0, "result": {"a": 1}})).await;
    assert_eq!(text(&stream.message().await), r#"{"a": 1}"#);
    post(&client, &call(2, "steps", json!({"steps": 1}))).await;
    assert_eq!(stream.message().await["method"], "notifications/progress");
    assert_eq!(stream.message().await["id"], 2);
}

#[tokio::test]
async fn session_is_over_when_the_client_closes_its_stream() {
    let (_running, client) = Running::start(&[], |settings, _| settings.sessions = 1);
    let (mut stream, poster) = open(&client).await;
    assert_eq!(Client { path: "/sse", ..client.clone() }.get().await.status, StatusCode::SERVICE_UNAVAILABLE);
    post(&poster, &initialize()).await;
    stream.message().await;
    post(&poster, &call(1, "pid", json!({}))).await;
    let pid = text(&stream.message().await);
    drop(stream);
    until(async || !is_running(&pid)).await;
    assert_eq!(poster.post(&call(1, "pid", json!({}))).await.status, StatusCode::NOT_FOUND);
    open(&client).await;
}

#[tokio::test]
async fn program_that_ends_answers_and_ends_the_stream() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (mut stream, client) = open(&client).await;
    assert_eq!(client.post(&call(1, "echo", json!({}))).await.status, StatusCode::BAD_REQUEST);
    post(&client, &initialize()).await;
    stream.message().await;
    assert_eq!(client.post(&initialize()).await.status, StatusCode::BAD_REQUEST);
    post(&client, &call(1, "exit", json!({"status": 7}))).await;
    assert!(text(&stream.message().await).contains("status 7"));
    assert!(stream.event().await.is_none());
}

#[tokio::test]
async fn stream_without_initialize_is_over_after_a_while() {
    let (_running, client) = Running::start(&[], |settings, times| {
        settings.sessions = 1;
        // Longer than this client takes to use its stream on a busy machine.
        times.unused_stream = Duration::from_secs(3);
    });
    let (mut stream, poster) = open(&client).await;
    assert!(stream.event().await.is_none());
    assert_eq!(poster.post(&initialize()).await.status, StatusCode::NOT_FOUND);
    drop(stream);
    let (_stream, poster) = open(&client).await;
    post(&poster, &initialize()).await;
}

#[tokio::test]
async fn delete_ends_the_stream_of_a_session_without_a_program() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (mut stream, poster) = open(&client).await;
    let id = poster.path.split_once('=').unwrap().1;
    let endpoint = client.with("mcp-session-id", id);
    assert_eq!(endpoint.send(hyper::Method::DELETE, "").await.status, StatusCode::OK);
    assert!(stream.event().await.is_none());
}
