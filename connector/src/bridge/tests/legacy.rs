//! Sessions of revisions up to 2025-11-25.

use super::Running;
use super::client::{call, text};
use serde_json::{Value, json};

const VERSION: &str = "2025-06-18";

#[tokio::test]
async fn call_is_answered_on_its_stream() {
    let (_running, client) = Running::start(&[], |_| {});
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
async fn each_session_has_a_program_of_its_own() {
    let (_running, client) = Running::start(&[], |_| {});
    let (one, other) = (client.initialize(VERSION).await, client.initialize(VERSION).await);
    let pid = one.text(1, "pid", json!({})).await;
    assert_ne!(pid, other.text(1, "pid", json!({})).await);
    assert_eq!(pid, one.text(2, "pid", json!({})).await);
}
