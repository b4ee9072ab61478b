//! The health check.

use super::Running;
use super::client::{Client, text};
use super::modern::call;
use crate::bridge::HEALTH_PATH;
use hyper::StatusCode;
use serde_json::json;
use std::time::Duration;

async fn health(client: &Client) -> StatusCode {
    Client { path: HEALTH_PATH, ..client.clone() }.get().await.status
}

#[tokio::test]
async fn bridge_is_healthy_until_a_start_fails_and_when_one_works_again() {
    let marker = std::env::temp_dir().join(format!("health-{}", uuid::Uuid::new_v4()));
    let mode = format!("fail-while-missing={}", marker.display());
    let (_running, client) = Running::start(&[&mode], |_, times| times.retry = Duration::from_millis(200));
    assert_eq!(health(&client).await, StatusCode::OK);
    let initialize =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}});
    client.post(&initialize).await;
    assert_eq!(health(&client).await, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::write(&marker, "").unwrap();
    super::until(async || health(&client).await == StatusCode::OK).await;
    std::fs::remove_file(&marker).unwrap();
}

#[tokio::test]
async fn first_request_that_ends_the_shared_program_does_not_make_the_bridge_unhealthy() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let ends = text(&call(&client, 1, "exit", json!({"status": 9})).await.last().await);
    assert!(ends.contains("status 9"), "{ends}");
    assert_eq!(health(&client).await, StatusCode::OK);
    call(&client, 2, "pid", json!({})).await.last().await;
    assert_eq!(health(&client).await, StatusCode::OK);
}

#[tokio::test]
async fn shared_program_that_cannot_start_makes_the_bridge_unhealthy() {
    let (_running, client) = Running::start(&["end-at-start"], |_, _| {});
    call(&client, 1, "echo", json!({})).await.last().await;
    super::until(async || health(&client).await == StatusCode::SERVICE_UNAVAILABLE).await;
}
