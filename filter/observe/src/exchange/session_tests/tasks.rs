//! Tasks of MCP: `tools/call` with a task, and the requests for its status and result.

use super::{answer, brief, call, event, in_session, stream};
use crate::test;
use crate::testing::Proxy;

#[test]
fn task_end_is_counted_once() {
    let proxy = Proxy::default();
    let started = r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t-1","status":"working"}}}"#;
    assert_eq!(brief(in_session(&call(1)).json(started).play_in(&proxy)), ["end tools/call accepted"]);
    let asked = |method: &str, result: &str| {
        let ask = format!(r#"{{"jsonrpc":"2.0","id":2,"method":"{method}","params":{{"taskId":"t-1"}}}}"#);
        let script = in_session(&ask).json(&format!(r#"{{"jsonrpc":"2.0","id":2,"result":{result}}}"#));
        brief(script.play_in(&proxy)).split_off(1)
    };
    assert!(asked("tasks/get", r#"{"taskId":"t-1","status":"working"}"#).is_empty());
    assert_eq!(
        asked("tasks/get", r#"{"taskId":"t-1","status":"completed","result":{"isError":true}}"#),
        [r#"task of Some("add") tool_error"#]
    );
    assert!(asked("tasks/result", r#"{"content":[]}"#).is_empty());
    let notice =
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-2","status":"failed"}}"#;
    let lines = brief(stream().sse(&event("", notice)).play_in(&proxy));
    assert_eq!(lines, ["notification out notifications/tasks/status", "task of None failed"]);
}

/// A task as in FastMCP 2.14: announced in `_meta`, requested with the methods of 2025-11-25.
#[test]
fn task_announced_in_meta_is_counted() {
    let announced = |id: u32, meta: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"_meta":{meta},"content":[],"isError":false}}}}"#)
    };
    let started = |id, task: &str| {
        let meta = format!(r#"{{"modelcontextprotocol.io/task":{{"taskId":"{task}","status":"working"}}}}"#);
        in_session(&call(id)).json(&announced(id, &meta))
    };
    let asked = |method: &str, task: &str, result: &str| {
        let ask = format!(r#"{{"method":"{method}","params":{{"taskId":"{task}"}},"jsonrpc":"2.0","id":9}}"#);
        in_session(&ask).json(&format!(r#"{{"jsonrpc":"2.0","id":9,"result":{result}}}"#))
    };
    let related = r#"{"_meta":{"modelcontextprotocol.io/related-task":{"taskId":"t-1"}},"content":[],"isError":true}"#;
    let proxy = Proxy::default();
    for (number, task) in (1..).zip(["t-1", "t-2", "t-3"]) {
        assert_eq!(brief(started(number, task).play_in(&proxy)), ["end tools/call accepted"]);
    }
    let get = asked("tasks/get", "t-1", r#"{"taskId":"t-1","status":"working","ttl":60000}"#);
    assert_eq!(brief(get.play_in(&proxy)), ["end tasks/get ok"]);
    let result = asked("tasks/result", "t-1", related);
    assert_eq!(brief(result.play_in(&proxy)), ["end tasks/result ok", r#"task of Some("add") tool_error"#]);
    let get = asked("tasks/get", "t-2", r#"{"taskId":"t-2","status":"completed"}"#);
    assert_eq!(brief(get.play_in(&proxy)), ["end tasks/get ok", r#"task of Some("add") completed"#]);
    let status =
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t-3","status":"failed"}}"#;
    assert_eq!(brief(stream().sse(&event("", status)).play_in(&proxy))[1], r#"task of Some("add") failed"#);
    // A task that ran at once, or no task.
    for meta in [
        r#"{"modelcontextprotocol.io/task":{"returned_immediately":true}}"#,
        r#"{"modelcontextprotocol.io/task":"t-4"}"#,
        r#"{"modelcontextprotocol.io/related-task":{"taskId":"t-4"}}"#,
        r#"{"modelcontextprotocol.io/task":{"taskId":"t-4"}},"_meta":{}"#,
    ] {
        let lines = in_session(&call(4)).json(&announced(4, meta)).play_in(&proxy);
        assert_eq!(brief(lines), ["end tools/call ok"], "{meta}");
    }
    // The `_meta` of a client's request does not announce a task.
    let asks = r#""params":{"_meta":{"modelcontextprotocol.io/task":{"taskId":"t-5"}},"#;
    let script = in_session(&call(5).replace(r#""params":{"#, asks)).json(&answer(5));
    assert_eq!(brief(script.play_in(&proxy)), ["end tools/call ok"]);
}

#[test]
fn same_task_id_at_two_servers_is_two_tasks() {
    let proxy = Proxy::default();
    let mut count = 0;
    for cluster in ["first", "second"] {
        let ask = r#"{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{"taskId":"1"}}"#;
        let mut script = in_session(ask).json(r#"{"jsonrpc":"2.0","id":2,"result":{"taskId":"1","status":"failed"}}"#);
        script.config = crate::config::Config::from_json(br#"{"server_name_from":"cluster"}"#, &|_| None).unwrap();
        script.cluster = cluster;
        count += brief(script.play_in(&proxy)).iter().filter(|line| line.starts_with("task ")).count();
    }
    assert_eq!(count, 2);
}
