//! GET streams, what the program sends unasked, resumption, and clients that do not read.

use super::Running;
use super::client::{Client, text};
use hyper::StatusCode;
use serde_json::{Value, json};

const VERSION: &str = "2025-06-18";

async fn answer(client: &Client, id: &Value, result: Value) {
    let answer = client.post(&json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn request_of_the_program_goes_to_the_newest_get() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut old = client.get().await;
    let mut new = client.get().await;
    let call = client.call(1, "ask", json!({})).await;
    let request = new.message().await;
    assert_eq!(request["method"], "roots/list");
    answer(&client, &request["id"], json!({"roots": []})).await;
    assert_eq!(text(&call.last().await), r#"{"roots": []}"#);
    drop(new);
    // The other one takes over, once the bridge knows that the newest is gone.
    super::until(async || {
        client.text(2, "log", json!({"text": "hello"})).await;
        tokio::time::timeout(std::time::Duration::from_millis(50), old.message()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn request_of_the_program_goes_to_its_own_session() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (one, other) = (client.initialize(VERSION).await, client.initialize(VERSION).await);
    let (mut one_stream, mut other_stream) = (one.get().await, other.get().await);
    let (one_call, other_call) = (one.call(1, "ask", json!({})).await, other.call(1, "ask", json!({})).await);
    // Both programs begin with the same id.
    let (one_request, other_request) = (one_stream.message().await, other_stream.message().await);
    assert_eq!(one_request["id"], other_request["id"]);
    answer(&other, &other_request["id"], json!({"of": "other"})).await;
    answer(&one, &one_request["id"], json!({"of": "one"})).await;
    assert_eq!(text(&one_call.last().await), r#"{"of": "one"}"#);
    assert_eq!(text(&other_call.last().await), r#"{"of": "other"}"#);
}

#[tokio::test]
async fn request_of_the_program_goes_to_the_stream_of_an_open_call() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut call = client.call(1, "ask", json!({})).await;
    let request = call.message().await;
    assert_eq!(request["method"], "roots/list");
    answer(&client, &request["id"], json!({})).await;
    assert_eq!(text(&call.message().await), "{}");
}

#[tokio::test]
async fn messages_wait_for_a_get() {
    let (_running, client) = Running::start(&["log-when-initialized"], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut stream = client.get().await;
    let log = stream.message().await;
    assert_eq!(log["params"]["data"], "initialized");
}

#[tokio::test]
async fn cancel_of_the_program_follows_its_request() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut call = client.call(1, "ask-and-cancel", json!({})).await;
    assert_eq!(call.message().await["id"], "gone");
    assert_eq!(call.message().await["params"]["requestId"], "gone");
    assert_eq!(text(&call.message().await), "done");
}

#[tokio::test]
async fn get_is_taken_up_after_the_last_event() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize(VERSION).await;
    let mut stream = client.get().await;
    client.text(1, "logs", json!({"count": 5, "bytes": 1})).await;
    let mut last = None;
    for number in 0..2 {
        let event = stream.event().await.unwrap();
        assert!(event.data.contains(&format!("\"{number} ")), "{event:?}");
        last = event.id;
    }
    drop(stream);
    let mut stream = client.with("last-event-id", &last.unwrap()).get().await;
    for number in 2..5 {
        assert!(stream.event().await.unwrap().data.contains(&format!("\"{number} ")));
    }
    client.text(2, "log", json!({"text": "live"})).await;
    assert_eq!(stream.message().await["params"]["data"], "live");
}

#[tokio::test]
async fn answer_is_taken_up_by_get_after_the_client_left() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let client = client.initialize("2025-11-25").await;
    for is_answered_before in [true, false] {
        let mut call = client.call(1, "hold", json!({})).await;
        let first = call.event().await.unwrap();
        assert_eq!(first.data, "");
        drop(call);
        if is_answered_before {
            client.text(2, "release", json!({})).await;
        }
        let mut stream = client.with("last-event-id", &first.id.unwrap()).get().await;
        if !is_answered_before {
            client.text(2, "release", json!({})).await;
        }
        assert_eq!(text(&stream.message().await), "released");
        assert!(stream.event().await.is_none());
    }
}

#[tokio::test]
async fn events_without_data_are_for_clients_that_know_them() {
    let (_running, client) = Running::start(&[], |_, _| {});
    for (version, has_first) in [("2025-06-18", false), ("2025-11-25", true)] {
        let client = client.initialize(version).await;
        let mut call = client.call(1, "echo", json!({"text": "a"})).await;
        assert_eq!(call.event().await.unwrap().data.is_empty(), has_first, "{version}");
    }
}

#[tokio::test]
async fn client_that_does_not_read_holds_up_its_own_program_alone() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let (slow, other) = (client.initialize(VERSION).await, client.initialize(VERSION).await);
    let mut stream = slow.get().await;
    let (count, bytes) = (400, 100_000);
    let call = slow.call(1, "logs", json!({"count": count, "bytes": bytes})).await;
    assert_eq!(other.text(1, "echo", json!({"text": "lives"})).await, "lives");
    for number in 0..count {
        let log = stream.message().await;
        let data = log["params"]["data"].as_str().unwrap();
        assert!(data.starts_with(&format!("{number} ")));
    }
    assert_eq!(text(&call.last().await), "done");
}
