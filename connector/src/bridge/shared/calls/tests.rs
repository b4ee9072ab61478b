use super::{Calls, Routed, cancel};
use crate::message::Message;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn message(value: &Value) -> Message {
    Message::read(&Bytes::from(value.to_string())).unwrap()
}

fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn request(id: &Value, meta: &Value) -> Message {
    message(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "a", "_meta": meta}}))
}

fn result(id: impl Into<Value>, text: &str) -> Message {
    message(&json!({"jsonrpc": "2.0", "id": id.into(), "result": {"text": text}}))
}

fn notification(method: &str, params: &Value) -> Message {
    message(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

/// What the client of a call gets now, and whether no more comes.
fn taken(calls: &mut Calls, number: u64) -> (Vec<Value>, bool) {
    let mut context = Context::from_waker(Waker::noop());
    let mut messages = Vec::new();
    loop {
        match calls.poll_next(number, &mut context) {
            Poll::Ready(Some(text)) => messages.push(read(&text)),
            Poll::Ready(None) => return (messages, true),
            Poll::Pending => return (messages, false),
        }
    }
}

#[test]
fn thousands_with_the_same_id_and_token_get_their_own_answers() {
    let mut calls = Calls::default();
    let opened: Vec<_> = (0..5000).map(|_| calls.open(&request(&json!(7), &json!({"progressToken": 7})))).collect();
    let ids: HashMap<_, _> =
        opened.iter().map(|(number, text)| (read(text)["id"].as_u64().unwrap(), *number)).collect();
    assert_eq!(ids.len(), 5000);
    for (number, text) in opened.iter().rev() {
        let sent = read(text);
        assert_eq!(sent["params"]["_meta"]["progressToken"], sent["id"]);
        let progress =
            notification("notifications/progress", &json!({"progressToken": sent["id"], "progress": number}));
        assert_eq!(calls.route(&progress), Routed::Call(*number));
    }
    // Every third first, and the others the newest first.
    let order = opened.iter().step_by(3).chain(opened.iter().rev());
    for (number, _) in order {
        calls.route(&result(*number, &number.to_string()));
    }
    for (number, _) in opened {
        let (messages, is_over) = taken(&mut calls, number);
        assert!(is_over && messages.len() == 2);
        assert_eq!(messages[0]["params"], json!({"progressToken": 7, "progress": number}));
        assert_eq!((&messages[1]["id"], &messages[1]["result"]["text"]), (&json!(7), &json!(number.to_string())));
        calls.leave(number);
    }
    assert!(calls.open.is_empty());
}

#[test]
fn id_and_token_come_back_as_they_stood() {
    let mut calls = Calls::default();
    let text = r#"{"jsonrpc":"2.0", "id" : "\u0061" ,"method":"m","params":{"_meta":{"progressToken":1.0}}}"#;
    let (number, sent) = calls.open(&Message::read(&Bytes::from(text)).unwrap());
    let expected = r#"{"jsonrpc":"2.0", "id" : 1 ,"method":"m","params":{"_meta":{"progressToken":1}}}"#;
    assert_eq!(sent, expected);
    let mut context = Context::from_waker(Waker::noop());
    let progress = r#"{"method":"notifications/progress","params":{"progressToken": 1,"progress":2},"jsonrpc":"2.0"}"#;
    calls.route(&Message::read(&Bytes::from(progress)).unwrap());
    let Poll::Ready(Some(back)) = calls.poll_next(number, &mut context) else { panic!() };
    assert_eq!(back, progress.replace("\"progressToken\": 1", "\"progressToken\": 1.0"));
    calls.route(&Message::read(&Bytes::from(r#"{"result":{"id":1},"id":1,"jsonrpc":"2.0"}"#)).unwrap());
    let Poll::Ready(Some(back)) = calls.poll_next(number, &mut context) else { panic!() };
    assert_eq!(back, r#"{"result":{"id":1},"id":"\u0061","jsonrpc":"2.0"}"#);
}

#[test]
fn subscription_id_is_put_back_in_notifications_and_in_the_result() {
    let mut calls = Calls::default();
    let (one, _) = calls.open(&request(&json!("L"), &json!({})));
    let (other, _) = calls.open(&request(&json!("L"), &json!({})));
    for number in [one, other] {
        let changed = notification("notifications/tools/list_changed", &json!({"_meta": {SUBSCRIPTION: number}}));
        assert_eq!(calls.route(&changed), Routed::Call(number));
        let end = json!({"jsonrpc": "2.0", "id": number, "result": {"_meta": {SUBSCRIPTION: number}}});
        calls.route(&message(&end));
        let (messages, is_over) = taken(&mut calls, number);
        assert!(is_over);
        assert_eq!(messages[0]["params"]["_meta"][SUBSCRIPTION], "L");
        assert_eq!((&messages[1]["id"], &messages[1]["result"]["_meta"][SUBSCRIPTION]), (&json!("L"), &json!("L")));
    }
}

#[test]
fn cancel_of_the_program_ends_the_call() {
    let mut calls = Calls::default();
    let (number, _) = calls.open(&request(&json!("L"), &json!({})));
    calls.route(&notification("notifications/cancelled", &json!({"requestId": number})));
    let (messages, is_over) = taken(&mut calls, number);
    assert!(is_over);
    assert_eq!(messages[0]["params"]["requestId"], "L");
}

#[test]
fn what_belongs_to_no_call_is_dropped() {
    let mut calls = Calls::default();
    let (number, _) = calls.open(&request(&json!(1), &json!({})));
    let dropped = [
        result(number + 1, "a"),
        result("1", "a"),
        result(-1, "a"),
        message(&json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "a"}})),
        // The request has no token.
        notification("notifications/progress", &json!({"progressToken": number})),
        notification("notifications/tools/list_changed", &json!({})),
        notification("notifications/message", &json!({"data": "a"})),
        notification("notifications/cancelled", &json!({"requestId": 99})),
    ];
    for message in dropped {
        assert_eq!(calls.route(&message), Routed::Dropped, "{message:?}");
    }
    assert_eq!(taken(&mut calls, number), (Vec::new(), false));
}

#[test]
fn log_message_goes_to_the_only_call_if_it_asked() {
    let mut calls = Calls::default();
    let wants = json!({"io.modelcontextprotocol/logLevel": "info"});
    let log = notification("notifications/message", &json!({"data": "a"}));
    let (silent, _) = calls.open(&request(&json!(1), &json!({})));
    assert_eq!(calls.route(&log), Routed::Dropped);
    let (one, _) = calls.open(&request(&json!(1), &wants));
    // The program may send it for the call that did not ask.
    assert_eq!(calls.route(&log), Routed::Dropped);
    calls.route(&result(silent, "a"));
    assert_eq!(calls.route(&log), Routed::Call(one));
    let (other, _) = calls.open(&request(&json!(1), &wants));
    assert_eq!(calls.route(&log), Routed::Dropped);
    // The client is gone, but the program may still do what it asked for.
    assert!(calls.leave(one));
    assert_eq!(calls.route(&log), Routed::Dropped);
    calls.forget(one);
    assert_eq!(calls.route(&log), Routed::Call(other));
    assert_eq!(taken(&mut calls, silent).0.len(), 1);
}

#[test]
fn call_that_was_left_is_cancelled_once_and_its_answer_is_dropped() {
    let mut calls = Calls::default();
    let (number, _) = calls.open(&request(&json!(1), &json!({})));
    assert!(calls.leave(number));
    assert!(!calls.leave(number));
    assert_eq!(read(&cancel(number))["params"]["requestId"], number);
    assert_eq!(calls.route(&result(number, "a")), Routed::Dropped);
    assert!(calls.open.is_empty());
    let (answered, _) = calls.open(&request(&json!(1), &json!({})));
    calls.route(&result(answered, "a"));
    assert!(!calls.leave(answered));
}

#[test]
fn client_that_does_not_read_loses_its_call_alone() {
    let mut calls = Calls::default();
    let (slow, _) = calls.open(&request(&json!(1), &json!({"progressToken": 1})));
    let (other, _) = calls.open(&request(&json!(1), &json!({"progressToken": 1})));
    let long = "x".repeat(1 << 20);
    let progress =
        |number: u64| notification("notifications/progress", &json!({"progressToken": number, "message": long}));
    for _ in 0..4 {
        assert_eq!(calls.route(&progress(slow)), Routed::Call(slow));
    }
    assert_eq!(calls.route(&progress(slow)), Routed::Cancel(slow));
    assert_eq!(calls.route(&progress(slow)), Routed::Dropped);
    assert_eq!(taken(&mut calls, slow), (Vec::new(), true));
    assert_eq!(calls.route(&progress(other)), Routed::Call(other));
    // An answer is taken whatever its size.
    assert_eq!(calls.route(&result(other, &"x".repeat(8 << 20))), Routed::Call(other));
    assert_eq!(taken(&mut calls, other).0.len(), 2);
}

#[test]
fn requests_of_the_program_are_answered() {
    let mut calls = Calls::default();
    let ask = |method: &str| message(&json!({"jsonrpc": "2.0", "id": "r", "method": method}));
    let Routed::Reply(pong) = calls.route(&ask("ping")) else { panic!() };
    assert_eq!(read(&pong), json!({"jsonrpc": "2.0", "id": "r", "result": {}}));
    let Routed::Reply(refused) = calls.route(&ask("sampling/createMessage")) else { panic!() };
    assert_eq!((&read(&refused)["id"], &read(&refused)["error"]["code"]), (&json!("r"), &json!(-32601)));
}

#[test]
fn end_answers_what_is_open() {
    let mut calls = Calls::default();
    let (open, _) = calls.open(&request(&json!("a"), &json!({})));
    let (answered, _) = calls.open(&request(&json!("b"), &json!({})));
    calls.route(&result(answered, "done"));
    calls.end(-32000, "why");
    let (messages, is_over) = taken(&mut calls, open);
    assert!(is_over);
    assert_eq!((&messages[0]["id"], &messages[0]["error"]["message"]), (&json!("a"), &json!("why")));
    assert_eq!(taken(&mut calls, answered).0[0]["result"]["text"], "done");
}
