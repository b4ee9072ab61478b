//! Calls in sessions of revisions up to 2025-11-25.

use super::client::{Client, call, text};
use super::{Running, until};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const VERSION: &str = "2025-06-18";

#[tokio::test]
async fn call_is_answered_on_its_stream() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut answer = client.call(7, "steps", json!({"steps": 2})).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    for step in 0..2 {
        let progress = answer.message().await;
        assert_eq!(progress["params"], json!({"progressToken": 7, "progress": step}));
    }
    assert_eq!(text(&answer.message().await), "done");
    assert!(answer.event().await.is_none());
}

#[tokio::test]
async fn calls_are_answered_in_any_order() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let (one, two) = (client.call(1, "hold", json!({})).await, client.call("1", "hold", json!({})).await);
    assert_eq!(client.text(3, "release", json!({})).await, "done");
    let (one, two) = (one.last().await, two.last().await);
    assert_eq!((&one["id"], &two["id"]), (&json!(1), &json!("1")));
    assert_eq!((text(&one), text(&two)), ("released".to_owned(), "released".to_owned()));
}

#[tokio::test]
async fn request_with_the_id_of_an_open_one_is_refused() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let open = client.call(1, "hold", json!({})).await;
    let refused = client.call(1, "echo", json!({})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json().await["error"]["code"], -32600);
    client.text(2, "release", json!({})).await;
    assert_eq!(text(&open.last().await), "released");
    assert_eq!(client.text(1, "echo", json!({"text": "again"})).await, "again");
}

#[tokio::test]
async fn second_answer_to_same_id_is_dropped() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    assert_eq!(client.text(1, "twice", json!({})).await, "first");
    assert_eq!(client.text(2, "echo", json!({"text": "next"})).await, "next");
}

#[tokio::test]
async fn batch_has_an_event_for_each_answer() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize("2025-03-26").await;
    let batch = json!([
        call(1, "echo", json!({"text": "a"})),
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        call(2, "echo", json!({"text": "b"})),
    ]);
    let mut answer = client.post(&batch).await;
    assert_eq!(text(&answer.message().await), "a");
    assert_eq!(text(&answer.message().await), "b");
    assert!(answer.event().await.is_none());
    let notifications = json!([{"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}]);
    assert_eq!(client.post(&notifications).await.status, StatusCode::ACCEPTED);
    assert_eq!(client.post(&json!([])).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn cancelled_call_may_still_be_answered_and_is_over_after_a_while() {
    let (_running, client) = Running::start(&[], |_, times| times.cancelled = Duration::from_millis(200));
    let client = client.initialize(VERSION).await;
    let open = client.call(1, "hold", json!({})).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&cancel).await.status, StatusCode::ACCEPTED);
    assert_eq!(open.last().await, Value::Null);
    assert_eq!(client.text(1, "echo", json!({"text": "again"})).await, "again");
}

/// Each POST may have a connection of its own, so one may overtake another.
#[tokio::test]
async fn call_that_was_cancelled_before_it_came_is_cancelled() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&cancel).await.status, StatusCode::ACCEPTED);
    let call = client.call(1, "hold", json!({})).await;
    let seen = client.text(2, "seen", json!({})).await;
    assert_eq!(seen.matches("notifications/cancelled").count(), 2, "{seen}");
    assert_eq!(client.send(Method::DELETE, "").await.status, StatusCode::OK);
    assert_eq!(call.last().await, Value::Null);
}

#[tokio::test]
async fn client_that_leaves_does_not_cancel_its_call() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    drop(client.call(1, "hold", json!({})).await);
    client.text(2, "release", json!({})).await;
    let seen: Value = serde_json::from_str(&client.text(3, "seen", json!({})).await).unwrap();
    assert_eq!(seen, json!([["initialize", 0], ["notifications/initialized", null]]));
}

#[tokio::test]
async fn long_messages_pass_in_both_directions() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    assert_eq!(client.text(1, "big", json!({"bytes": 10_000_000})).await.len(), 10_000_000);
    let long = "x".repeat(10_000_000);
    assert_eq!(client.text(2, "echo", json!({"text": long})).await, long);
}

#[tokio::test]
async fn stray_requests_leave_sessions_alone() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let session = client.initialize(VERSION).await;
    let open = session.call(1, "hold", json!({})).await;
    let stranger = client.with("mcp-session-id", "unknown");
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let body = if method == Method::POST { call(1, "exit", json!({})).to_string() } else { String::new() };
        assert_eq!(client.send(method.clone(), body.clone()).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(stranger.send(method, body).await.status, StatusCode::NOT_FOUND);
    }
    let probe = Client { path: "/.well-known/oauth-protected-resource", ..client.clone() };
    assert_eq!(probe.get().await.status, StatusCode::NOT_FOUND);
    assert_eq!(session.text(2, "release", json!({})).await, "done");
    assert_eq!(text(&open.last().await), "released");
}

#[tokio::test]
async fn call_that_the_program_will_not_see_is_not_open() {
    let (running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let file = running.directory.join("go-on");
    let pause = client.call(1, "pause", json!({"file": file})).await;
    // The program's pipe has room for a part of the first. One more waits in the bridge, and the others wait for that.
    let long = "x".repeat(200_000);
    for id in 2..6 {
        let post = client.call(id, "echo", json!({"text": long}));
        assert!(tokio::time::timeout(Duration::from_millis(300), post).await.is_err());
    }
    std::fs::write(&file, "").unwrap();
    assert_eq!(text(&pause.last().await), "done");
    for id in 2..6 {
        until(async || client.call(id, "echo", json!({"text": "a"})).await.status == StatusCode::OK).await;
    }
}
