//! 2026-07-28: one program for all clients.

mod discover;
mod refused;

use super::client::{Answer, Client, text};
use super::{Running, is_running, until};
use serde_json::{Value, json};
use std::time::Duration;

const VERSION: &str = "2026-07-28";

/// A request, with `extra` members in its `_meta`.
fn request(id: impl Into<Value>, method: &str, mut params: Value, extra: &Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (name, value) in extra.as_object().into_iter().flatten() {
        params["_meta"][name] = value.clone();
    }
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn tool(id: impl Into<Value>, name: &str, arguments: Value, extra: &Value) -> Value {
    request(id, "tools/call", json!({"name": name, "arguments": arguments}), extra)
}

async fn post(client: &Client, message: &Value) -> Answer {
    let client = client.with("mcp-protocol-version", VERSION).with("mcp-method", message["method"].as_str().unwrap());
    match message["params"]["name"].as_str() {
        Some(name) => client.with("mcp-name", name).post(message).await,
        None => client.post(message).await,
    }
}

pub(super) async fn call(client: &Client, id: impl Into<Value>, name: &str, arguments: Value) -> Answer {
    post(client, &tool(id, name, arguments, &json!({}))).await
}

#[tokio::test]
async fn answer_alone_is_json_and_has_the_client_s_id() {
    let (_running, client) = Running::start(&[], |_, _| {});
    for id in [json!(1), json!("é\"1"), json!(1.5), json!(12_345_678_901_234_567_u64)] {
        let answer = call(&client, id.clone(), "echo", json!({"text": "a"})).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(!answer.headers.contains_key("mcp-session-id"));
        let answer = answer.json().await;
        assert_eq!((&answer["id"], text(&answer)), (&id, "a".to_owned()));
    }
}

#[tokio::test]
async fn all_clients_have_the_same_program() {
    let (_running, client) = Running::start(&[], |settings, _| settings.sessions = 1);
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    for id in 0..20 {
        assert_eq!(text(&call(&client, id, "pid", json!({})).await.last().await), pid);
    }
}

#[tokio::test]
async fn progress_has_the_client_s_token_and_id() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let token = json!({"progressToken": "t"});
    let mut one = post(&client, &tool(1, "step-and-hold", json!({}), &token)).await;
    let mut other = post(&client, &tool(1, "step-and-hold", json!({}), &token)).await;
    assert_eq!(one.headers["content-type"], "text/event-stream");
    for stream in [&mut one, &mut other] {
        assert_eq!(stream.message().await["params"], json!({"progressToken": "t", "progress": 1}));
    }
    call(&client, 1, "release", json!({})).await;
    for mut stream in [one, other] {
        let event = stream.event().await.unwrap();
        assert_eq!(event.id, None);
        assert_eq!(serde_json::from_str::<Value>(&event.data).unwrap()["id"], 1);
        assert!(stream.event().await.is_none());
    }
}

#[tokio::test]
async fn hundreds_with_the_same_id_get_their_own_answers() {
    let (_running, client) = Running::start(&[], |_, times| times.headers = Duration::from_millis(1));
    let mut tasks = Vec::new();
    for number in 0..500 {
        let one = client.clone();
        tasks.push(tokio::spawn(async move {
            let message = tool(7, "hold-echo", json!({"text": number.to_string()}), &json!({"progressToken": 7}));
            let answer = post(&one, &message).await.last().await;
            assert_eq!(answer["id"], 7);
            assert_eq!(text(&answer), number.to_string());
        }));
        // Each tenth call releases all held ones, the newest first.
        if number % 10 == 9 {
            tasks.push(tokio::spawn({
                let client = client.clone();
                async move { drop(call(&client, 7, "release", json!({})).await.last().await) }
            }));
        }
    }
    // A call may come after the last of these.
    let release = async || {
        call(&client, 7, "release", json!({})).await.last().await;
        tasks.iter().all(tokio::task::JoinHandle::is_finished)
    };
    until(release).await;
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn client_that_leaves_cancels_its_request() {
    let (_running, client) = Running::start(&[], |_, times| times.headers = Duration::from_millis(1));
    drop(call(&client, 1, "hold", json!({})).await);
    drop(post(&client, &request(2, "silence", json!({}), &json!({}))).await);
    until(async || {
        let seen = text(&call(&client, 3, "seen", json!({})).await.last().await);
        seen.matches("notifications/cancelled").count() == 2
    })
    .await;
}

#[tokio::test]
async fn subscription_has_the_client_s_id() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let mut one = post(&client, &request("L", "subscriptions/listen", json!({}), &json!({}))).await;
    let mut other = post(&client, &request("L", "subscriptions/listen", json!({}), &json!({}))).await;
    for stream in [&mut one, &mut other] {
        let first = stream.message().await;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "L");
    }
    call(&client, 1, "changed", json!({})).await;
    for stream in [&mut one, &mut other] {
        let changed = stream.message().await;
        assert_eq!(changed["method"], "notifications/tools/list_changed");
        assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "L");
    }
}

#[tokio::test]
async fn log_message_goes_to_the_only_request_that_asked() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let wants = json!({"io.modelcontextprotocol/logLevel": "info"});
    let mut one = post(&client, &tool(1, "log", json!({"text": "for one"}), &wants)).await;
    assert_eq!(one.message().await["params"]["data"], "for one");
    assert_eq!(text(&one.message().await), "done");
    // Not known whose it is.
    let mut held = post(
        &client,
        &tool(1, "step-and-hold", json!({}), &json!({"progressToken": 1, "io.modelcontextprotocol/logLevel": "info"})),
    )
    .await;
    held.message().await;
    let two = post(&client, &tool(2, "log", json!({"text": "for two"}), &wants)).await;
    assert_eq!(two.headers["content-type"], "application/json");
    call(&client, 3, "release", json!({})).await;
    assert_eq!(text(&held.message().await), "released");
}

#[tokio::test]
async fn requests_of_the_program_are_answered_by_the_bridge() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let pong = text(&call(&client, 1, "ask", json!({"method": "ping"})).await.last().await);
    assert_eq!(pong, "{}");
    let refused = text(&call(&client, 2, "ask", json!({"method": "sampling/createMessage"})).await.last().await);
    assert!(refused.contains("-32601"), "{refused}");
}

#[tokio::test]
async fn program_is_started_again_after_it_ended() {
    let (_running, client) = Running::start(&[], |_, times| times.headers = Duration::from_millis(1));
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    let open = call(&client, 2, "hold", json!({})).await;
    let ends = text(&call(&client, 3, "exit", json!({"status": 9})).await.last().await);
    assert!(ends.contains("status 9"), "{ends}");
    assert_eq!(open.last().await["error"]["code"], -32000);
    assert_ne!(text(&call(&client, 4, "pid", json!({})).await.last().await), pid);
    assert!(!is_running(&pid));
}

#[tokio::test]
async fn program_that_closes_its_standard_input_is_ended_and_started_again() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let pid = text(&call(&client, 1, "pid", json!({})).await.last().await);
    call(&client, 2, "close-input", json!({"answers": true})).await.last().await;
    // The bridge may notice it before this request, which then goes to a new program.
    let next = call(&client, 3, "echo", json!({"text": "a"})).await.last().await;
    let is_refused = next["error"]["code"] == -32000 && next.to_string().contains("closed its standard input");
    assert!(is_refused || text(&next) == "a", "{next}");
    until(async || !is_running(&pid)).await;
    assert_eq!(text(&call(&client, 4, "echo", json!({"text": "a"})).await.last().await), "a");
}

#[tokio::test]
async fn request_whose_client_left_while_the_program_did_not_read_is_not_written() {
    let (running, client) = Running::start(&[], |_, times| times.headers = Duration::from_millis(1));
    let until_file = running.directory.join("go");
    let token = json!({"progressToken": 1});
    let arguments = json!({"until": until_file});
    let mut sleeps = post(&client, &tool(1, "sleep", arguments, &token)).await;
    sleeps.message().await;
    // These are more than the pipe takes: one is being written, one waits for that, and the third waits with its client.
    let large = "x".repeat(3 << 20);
    let mut held = Vec::new();
    for id in ["first", "second"] {
        held.push(post(&client, &request(2, id, json!({"large": large}), &json!({}))).await);
    }
    drop(post(&client, &request(2, "third", json!({"large": large}), &json!({}))).await);
    let fourth = post(&client, &request(2, "fourth", json!({"large": large}), &json!({}))).await;
    std::fs::write(&until_file, "").unwrap();
    fourth.last().await;
    let seen = text(&call(&client, 3, "seen", json!({})).await.last().await);
    for (method, is_seen) in
        [("first", true), ("second", true), ("third", false), ("cancelled", false), ("fourth", true)]
    {
        assert_eq!(seen.contains(method), is_seen, "{method}: {seen}");
    }
    std::fs::remove_file(&until_file).unwrap();
}

#[tokio::test]
async fn client_that_does_not_read_loses_its_request_and_holds_up_nobody() {
    let (_running, client) = Running::start(&[], |_, _| {});
    let arguments = json!({"steps": 200, "bytes": 100_000});
    let mut slow = post(&client, &tool(1, "steps", arguments, &json!({"progressToken": 1}))).await;
    until(async || {
        let seen = text(&call(&client, 2, "seen", json!({})).await.last().await);
        seen.contains("notifications/cancelled")
    })
    .await;
    let mut count = 0;
    while slow.event().await.is_some() {
        count += 1;
    }
    assert!(count < 200, "{count}");
}

#[tokio::test]
async fn number_at_the_program_is_not_known_to_clients() {
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let (_running, client) = Running::start(&[], |_, _| {});
        let meta = post(&client, &tool(1, "meta", json!({}), &json!({"progressToken": "t"}))).await.last().await;
        let meta: Value = serde_json::from_str(&text(&meta)).unwrap();
        tokens.push(meta["progressToken"].as_u64().unwrap());
    }
    assert!(tokens[0].abs_diff(tokens[1]) > 1000 && tokens[0] < 1 << 52, "{tokens:?}");
}

#[tokio::test]
async fn status_follows_from_the_error() {
    let (_running, client) = Running::start(&[], |_, _| {});
    for (code, status) in
        [(-32602, 200), (-32603, 200), (-32601, 404), (-32020, 400), (-32021, 400), (-32022, 400), (-32600, 400)]
    {
        let answer = call(&client, 1, "unknown", json!({"code": code})).await;
        assert_eq!(answer.status, status, "{code}");
        assert_eq!(answer.json().await["error"]["code"], code);
    }
}
