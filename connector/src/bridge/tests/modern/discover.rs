//! `server/discover` at programs of this revision and of older ones.

use super::{VERSION, call, post, request};
use crate::bridge::tests::client::text;
use crate::bridge::tests::{Running, is_running, until};
use hyper::StatusCode;
use serde_json::json;

#[tokio::test]
async fn refusal_of_discover_is_remembered_and_the_program_ends() {
    let (_running, client) = Running::start(&["old-discover"], |_, _| {});
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    for id in [json!(1), json!("a")] {
        let refused = post(&client, &request(id.clone(), "server/discover", json!({}), &json!({}))).await.json().await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&id, &json!(-32601)));
        until(async || !is_running(&pid)).await;
    }
}

#[tokio::test]
async fn refusal_that_is_remembered_has_nothing_of_a_client() {
    let (_running, client) = Running::start(&["old-discover"], |_, _| {});
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    let secret = request(1, "server/discover", json!({"secret": "of one"}), &json!({}));
    assert_eq!(post(&client, &secret).await.json().await["error"]["data"]["secret"], "of one");
    until(async || !is_running(&pid)).await;
    let other = post(&client, &request(2, "server/discover", json!({}), &json!({}))).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    let other = other.json().await;
    assert_eq!((&other["id"], &other["error"]["code"]), (&json!(2), &json!(-32601)));
    assert_eq!(other["error"]["data"].get("secret"), None, "{other}");
}

#[tokio::test]
async fn program_that_is_of_an_older_revision_by_what_it_was_sent_is_started_again() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    call(&client, 1, "pin", json!({})).await.last().await;
    let discover = request(2, "server/discover", json!({}), &json!({}));
    assert_eq!(post(&client, &discover).await.status, StatusCode::BAD_REQUEST);
    until(async || !is_running(&pid)).await;
    assert_eq!(post(&client, &discover).await.status, StatusCode::OK);
}

#[tokio::test]
async fn refusal_that_the_client_is_to_blame_for_is_not_remembered() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let bad = json!({"io.modelcontextprotocol/clientInfo": 5});
    let refused = post(&client, &request(1, "server/discover", json!({}), &bad)).await;
    assert_eq!(
        (refused.status, refused.json().await["error"]["code"].clone()),
        (StatusCode::BAD_REQUEST, json!(-32602))
    );
    for _ in 0..3 {
        let good = post(&client, &request(1, "server/discover", json!({}), &json!({}))).await;
        assert_eq!(good.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn refused_discover_is_400_so_that_clients_begin_with_initialize() {
    for mode in ["old-discover", "end-at-start"] {
        let (_running, client) = Running::start(&[mode], |_, _| {});
        let refused = post(&client, &request(1, "server/discover", json!({}), &json!({}))).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{mode}");
        assert!(refused.json().await["error"]["code"].is_i64());
    }
    let (_running, client) = Running::start(&[], |_, _| {});
    let discovered = post(&client, &request(1, "server/discover", json!({}), &json!({}))).await;
    assert_eq!(discovered.json().await["result"]["supportedVersions"], json!([VERSION]));
    // The same program serves sessions too.
    client.initialize("2025-11-25").await;
}
