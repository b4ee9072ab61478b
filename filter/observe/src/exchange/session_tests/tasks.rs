//! Tasks.

use super::{brief, call, event, in_session, stream};
use crate::test;
use crate::testing::Proxy;

#[test]
fn ok_tasks_are_counted_once() {
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

#[test]
fn ok_tasks_of_two_servers_are_told_apart() {
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
