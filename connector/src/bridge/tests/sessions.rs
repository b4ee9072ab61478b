//! How sessions of revisions up to 2025-11-25 begin and end.

use super::client::text;
use super::{Running, is_running, until};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const VERSION: &str = "2025-06-18";

/// A request for a session.
fn initialize(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "initialize", "params": {"protocolVersion": VERSION}})
}

#[tokio::test]
async fn each_session_has_a_program_of_its_own_and_each_post_the_same() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (one, other) = (client.initialize(VERSION).await, client.initialize(VERSION).await);
    let pid = one.text(1, "pid", json!({})).await;
    assert_ne!(pid, other.text(1, "pid", json!({})).await);
    for id in 2..20 {
        assert_eq!(pid, one.text(id, "pid", json!({})).await);
    }
}

#[tokio::test]
async fn second_initialize_of_a_session_does_not_reach_its_program() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let again = initialize(9);
    for body in [again.clone(), json!([again])] {
        let refused = client.post(&body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json().await["error"]["code"], -32600);
    }
    let seen: Value = serde_json::from_str(&client.text(1, "seen", json!({})).await).unwrap();
    assert_eq!(seen, json!([["initialize", 0], ["notifications/initialized", null]]));
}

#[tokio::test]
async fn program_that_ends_answers_all_that_is_open() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (client, other) = (client.initialize(VERSION).await, client.initialize(VERSION).await);
    let mut stream = client.get().await;
    let open = client.call(1, "hold", json!({})).await;
    let ends = client.call(2, "exit", json!({"status": 3})).await;
    for answer in [open.last().await, ends.last().await] {
        assert_eq!(answer["error"]["code"], -32000);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("python3") && message.contains("status 3") && !message.contains("program.py"),
            "{message}"
        );
    }
    assert!(stream.event().await.is_none());
    let gone = client.call(3, "echo", json!({})).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.json().await["error"]["code"], -32001);
    assert_eq!(other.text(1, "echo", json!({"text": "lives"})).await, "lives");
}

#[tokio::test]
async fn program_that_ends_before_its_answer_fails_the_session() {
    for mode in ["end-at-start", "end-at-initialize"] {
        let (_running, client) = Running::start(&[mode], |_, _| {});
        let answer = client.post(&initialize("i")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.headers.contains_key("mcp-session-id"));
        let answer = answer.json().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("i"), &json!(-32000)));
        assert!(answer["error"]["message"].as_str().unwrap().contains("exited with status"), "{answer}");
    }
}

#[tokio::test]
async fn refused_initialize_has_no_session() {
    let (_running, client) = Running::start(&["refuse-initialize"], |settings, _| settings.sessions = 1);
    for _ in 0..3 {
        until(async || {
            let answer = client.post(&initialize(1)).await;
            assert!(!answer.headers.contains_key("mcp-session-id"));
            // The session before may not be over yet.
            answer.status != StatusCode::SERVICE_UNAVAILABLE && answer.json().await["error"]["message"] == "no"
        })
        .await;
    }
}

#[tokio::test]
async fn delete_ends_the_session_and_answers_what_is_open() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let pid = client.text(1, "pid", json!({})).await;
    let open = client.call(2, "hold", json!({})).await;
    assert_eq!(client.send(Method::DELETE, "").await.status, StatusCode::OK);
    assert_eq!(open.last().await["error"]["code"], -32000);
    assert_eq!(client.send(Method::DELETE, "").await.status, StatusCode::NOT_FOUND);
    until(async || !is_running(&pid)).await;
}

#[tokio::test]
async fn session_over_the_limit_is_refused_until_another_ends() {
    let (_running, client) = Running::start(&[], |settings, _| settings.sessions = 2);
    let first = client.initialize(VERSION).await;
    let _second = client.initialize(VERSION).await;
    let refused = client.post(&initialize(5)).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers.contains_key("retry-after"));
    let refused = refused.json().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(5), &json!(-32000)));
    assert_eq!(first.text(1, "echo", json!({"text": "lives"})).await, "lives");
    first.send(Method::DELETE, "").await;
    client.initialize(VERSION).await;
}

#[tokio::test]
async fn idle_session_ends_but_not_while_its_stream_is_open() {
    // Longer than the pauses of this client on a busy machine.
    let (_running, client) = Running::start(&[], |settings, _| settings.idle = Duration::from_secs(3));
    let other = client.initialize(VERSION).await;
    let other_pid = other.text(1, "pid", json!({})).await;
    let client = client.initialize(VERSION).await;
    let pid = client.text(1, "pid", json!({})).await;
    let stream = client.get().await;
    until(async || !is_running(&other_pid)).await;
    assert_eq!(other.call(2, "echo", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.text(2, "echo", json!({"text": "lives"})).await, "lives");
    drop(stream);
    until(async || !is_running(&pid)).await;
}

#[tokio::test]
async fn session_is_not_idle_while_its_program_starts() {
    let (_running, client) =
        Running::start(&["slow-initialize"], |settings, _| settings.idle = Duration::from_millis(100));
    // After its answer the session may be idle.
    let answer = client.post(&initialize(1)).await;
    assert!(answer.headers.contains_key("mcp-session-id"));
    assert_eq!(answer.last().await["result"]["protocolVersion"], VERSION);
}

#[tokio::test]
async fn client_that_leaves_during_initialize_ends_the_program() {
    let (_running, client) = Running::start(&["silent-initialize"], |settings, _| settings.sessions = 1);
    let message = initialize(1);
    for _ in 0..2 {
        let _ = tokio::time::timeout(Duration::from_millis(300), client.post(&message)).await.is_err();
        until(async || {
            let post = tokio::time::timeout(Duration::from_millis(100), client.post(&message));
            // It waits for the program again, and is not refused.
            post.await.is_err()
        })
        .await;
    }
}

#[tokio::test]
async fn slow_initialize_is_answered_on_a_stream() {
    let (_running, client) = Running::start(&["slow-initialize"], |_, times| times.headers = Duration::ZERO);
    let answer = client.post(&initialize(1)).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let session = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.last().await["result"]["protocolVersion"], VERSION);
    let client = client.with("mcp-session-id", &session);
    assert_eq!(client.text(2, "echo", json!({"text": "a"})).await, "a");
}

#[tokio::test]
async fn end_of_the_bridge_ends_all_programs_and_calls() {
    let (mut running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let pid = client.text(1, "pid", json!({})).await;
    let open = client.call(2, "hold", json!({})).await;
    let bridge = running.bridge.take().unwrap();
    tokio::task::spawn_blocking(|| bridge.end()).await.unwrap();
    assert_eq!(open.last().await["error"]["message"], "the sidecar ends");
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn program_that_closes_its_input_ends_its_session() {
    let (_running, client) = Running::start(&[], |_, times| times.closed_input = Duration::from_millis(10));
    let client = client.initialize(VERSION).await;
    let pid = client.text(1, "pid", json!({})).await;
    let closes = client.call(2, "close-input", json!({"answers": false})).await;
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
    // It is seen when a message cannot be written.
    until(async || client.post(&notification).await.status == StatusCode::NOT_FOUND).await;
    let answer = closes.last().await;
    assert_eq!(answer["error"]["code"], -32000);
    assert!(text(&answer).contains("closed its standard input"), "{answer}");
    until(async || !is_running(&pid)).await;
}

#[tokio::test]
async fn slot_is_free_when_the_program_is_gone_and_is_waited_for() {
    let (_running, client) = Running::start(&["ignore-sigterm"], |settings, times| {
        settings.sessions = 1;
        // The program gets SIGKILL after 5 s.
        times.slot = Duration::from_secs(60);
    });
    let session = client.initialize(VERSION).await;
    let pid = session.text(1, "pid", json!({})).await;
    assert_eq!(session.send(Method::DELETE, "").await.status, StatusCode::OK);
    client.initialize(VERSION).await;
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn long_id_of_initialize_starts_no_program() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let refused = client.post(&initialize("x".repeat(5000))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json().await["error"]["code"], -32600);
}
