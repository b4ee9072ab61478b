//! Sessions: whether the response to a POST is JSON or an event stream.

use super::client::{Answer, Client, call, text};
use super::{Running, Times, until};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const VERSION: &str = "2025-11-25";
const BOTH: &str = "application/json, text/event-stream";

/// A client that prefers no type, and a bridge that waits for the first message as long as the program takes.
fn start(change: impl FnOnce(&mut Times)) -> (Running, Client) {
    let (running, client) = Running::start(&[], |_, times| {
        times.first = Duration::from_secs(600);
        change(times);
    });
    (running, client.with("accept", BOTH))
}

fn assert_json(answer: &Answer) {
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
}

#[tokio::test]
async fn answer_alone_is_json() {
    let (_running, client) = start(|_| {});
    for version in ["2025-03-26", VERSION] {
        let client = client.initialize(version).await;
        let result = client.call("a", "echo", json!({"text": "a"})).await;
        assert_json(&result);
        let result = result.json().await;
        assert_eq!((&result["id"], text(&result)), (&json!("a"), "a".to_owned()));
        let error = client.call(2, "unknown", json!({})).await;
        assert_json(&error);
        assert_eq!(error.json().await["error"]["code"], -32602);
        let twice = client.call(3, "twice", json!({})).await;
        assert_json(&twice);
        assert_eq!(text(&twice.json().await), "first");
    }
}

#[tokio::test]
async fn stream_of_another_message_first_has_all_messages() {
    let (_running, client) = start(|_| {});
    let client = client.initialize(VERSION).await;
    let mut answer = client.call(7, "steps", json!({"steps": 2})).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.event().await.unwrap().data, "");
    for step in 0..2 {
        assert_eq!(answer.message().await["params"]["progress"], step);
    }
    assert_eq!(text(&answer.message().await), "done");
    assert!(answer.event().await.is_none());

    let mut asks = client.call(8, "ask", json!({})).await;
    assert_eq!(asks.message().await["method"], "roots/list");
}

#[tokio::test]
async fn message_that_waited_for_a_stream_comes_before_the_answer() {
    let (_running, client) =
        Running::start(&["log-when-initialized"], |_, times| times.first = Duration::from_secs(600));
    let client = client.with("accept", BOTH).initialize(VERSION).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    // The program sends the log message before it reads the request.
    let mut answer = client.post(&ping).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.message().await["params"]["data"], "initialized");
    assert_eq!(answer.message().await["result"], json!({}));
    assert_json(&client.post(&ping).await);
}

#[tokio::test]
async fn answer_that_does_not_come_in_time_comes_on_a_stream() {
    let (_running, client) = start(|times| times.first = Duration::ZERO);
    let client = client.initialize(VERSION).await;
    let mut answer = client.call(1, "hold", json!({})).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.event().await.unwrap().data, "");
    client.text(2, "release", json!({})).await;
    assert_eq!(text(&answer.message().await), "released");
    assert!(answer.event().await.is_none());
}

#[tokio::test]
async fn client_that_prefers_streams_gets_one_at_once() {
    let (_running, client) = start(|_| {});
    let client = client.initialize(VERSION).await;
    let prefers = client.with("accept", "text/event-stream, application/json;q=0.9");
    let open = prefers.call(1, "hold", json!({})).await;
    assert_eq!(open.headers["content-type"], "text/event-stream");
    let echo = prefers.call(2, "echo", json!({})).await;
    assert_eq!(echo.headers["content-type"], "text/event-stream");
    assert_json(&client.call(3, "release", json!({})).await);
    assert_eq!(text(&open.last().await), "released");
}

#[tokio::test]
async fn batch_is_answered_on_a_stream() {
    let (_running, client) = start(|_| {});
    let client = client.initialize("2025-03-26").await;
    let echo = call(1, "echo", json!({"text": "a"}));
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
    for batch in [json!([echo]), json!([notification, echo])] {
        let answer = client.post(&batch).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(text(&answer.last().await), "a");
    }
}

#[tokio::test]
async fn long_answer_is_json_and_the_program_is_read_on() {
    let (_running, client) = start(|_| {});
    let client = client.initialize(VERSION).await;
    for id in 0..2 {
        let answer = client.call(id, "big", json!({"bytes": 3_000_000})).await;
        assert_json(&answer);
        assert_eq!(text(&answer.json().await).len(), 3_000_000);
    }
}

#[tokio::test]
async fn end_of_the_program_is_an_answer() {
    let (_running, client) = start(|_| {});
    let client = client.initialize(VERSION).await;
    let answer = client.call(1, "exit", json!({"status": 3})).await;
    assert_json(&answer);
    assert!(text(&answer.json().await).contains("status 3"));
}

#[tokio::test]
async fn cancelled_call_without_an_answer_is_an_empty_stream() {
    let (_running, client) = start(|times| times.cancelled = Duration::ZERO);
    let client = client.initialize(VERSION).await;
    let (waiting, other) = (client.clone(), client.clone());
    let post = async move { waiting.call(1, "hold", json!({})).await };
    let cancel = async move {
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        // Until the call is open, this cancels nothing.
        loop {
            other.post(&cancel).await;
        }
    };
    let answer = tokio::select! {
        answer = post => answer,
        () = cancel => unreachable!(),
    };
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(answer.last().await, Value::Null);
}

#[tokio::test]
async fn client_that_leaves_before_the_first_message_does_not_cancel_its_call() {
    let (_running, client) = start(|_| {});
    let client = client.initialize(VERSION).await;
    let silence = json!({"jsonrpc": "2.0", "id": 1, "method": "silence"});
    let seen = async || client.text(2, "seen", json!({})).await;
    let leaving = client.clone();
    let first = silence.clone();
    let post = tokio::spawn(async move { leaving.post(&first).await.status });
    until(async || seen().await.contains("silence")).await;
    post.abort();
    assert!(post.await.is_err());
    // It is open.
    assert_eq!(client.post(&silence).await.status, StatusCode::BAD_REQUEST);
    assert!(!seen().await.contains("cancelled"));
}
