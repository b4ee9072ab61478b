mod cancelled;
mod taken_up;

use super::{ASKED, CALLS, Cancelled, ID_BYTES, NotOpened, Reader, Routed, Router};
use crate::message::{Id, Message};
use bytes::Bytes;
use serde_json::{Value, json};
use std::task::{Context, Poll, Waker};

fn message(value: &Value) -> Message {
    Message::read(&Bytes::from(value.to_string())).unwrap()
}

fn call(id: impl Into<Value>, token: impl Into<Value>) -> Message {
    let params = json!({"_meta": {"progressToken": token.into()}});
    message(&json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": params}))
}

fn result(id: impl Into<Value>) -> Message {
    message(&json!({"jsonrpc": "2.0", "id": id.into(), "result": {}}))
}

fn request(id: impl Into<Value>) -> Message {
    message(&json!({"jsonrpc": "2.0", "id": id.into(), "method": "roots/list"}))
}

fn notification(method: &str, params: &Value) -> Message {
    message(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

fn log(text: &str) -> Message {
    notification("notifications/message", &json!({"data": text}))
}

/// A POST whose requests are opened.
fn open(router: &mut Router, messages: &[Message]) -> Reader {
    router.post(messages).unwrap().0
}

/// What the reader gets now: ids and data of events, and whether the stream is over.
fn read(router: &mut Router, reader: Reader) -> (Vec<(String, String)>, bool) {
    let mut context = Context::from_waker(Waker::noop());
    let mut events = Vec::new();
    loop {
        match router.poll_next(reader, &mut context) {
            Poll::Ready(Some(event)) => {
                let event = String::from_utf8(event.to_vec()).unwrap();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                events.push((field("id: ").to_owned(), field("data: ").to_owned()));
            }
            Poll::Ready(None) => return (events, true),
            Poll::Pending => return (events, false),
        }
    }
}

fn data(router: &mut Router, reader: Reader) -> Vec<String> {
    read(router, reader).0.into_iter().map(|(_, data)| data).collect()
}

/// Cancels an open call. Returns its number.
fn cancel(router: &mut Router, id: u64) -> u64 {
    match router.cancel(&Id::from(id)) {
        Cancelled::Open(number) => number,
        other => panic!("{other:?}"),
    }
}

fn has_room(router: &mut Router) -> bool {
    router.poll_room(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn answers_in_any_order_go_to_their_own_streams() {
    let mut router = Router::default();
    let readers: Vec<_> = (0..1000).map(|id| (id, open(&mut router, &[call(id, id)]))).collect();
    for (id, reader) in readers.iter().rev() {
        assert_eq!(router.route(&result(*id)), Routed::Stream(reader.stream));
    }
    for (id, reader) in readers {
        let (events, is_over) = read(&mut router, reader);
        assert_eq!(
            (events.len(), &*events[0].1, is_over),
            (1, &*format!(r#"{{"id":{id},"jsonrpc":"2.0","result":{{}}}}"#), true)
        );
    }
    assert!(!router.has_readers());
}

#[test]
fn stream_of_a_batch_is_over_after_its_last_answer() {
    let mut router = Router::default();
    let reader = open(&mut router, &[call(1, 1), log("x"), call("1", 2)]);
    router.route(&result("1"));
    assert!(!read(&mut router, reader).1);
    router.route(&result(1));
    assert!(read(&mut router, reader).1);
}

#[test]
fn duplicate_id_opens_nothing() {
    let mut router = Router::default();
    open(&mut router, &[call(1, 1)]);
    let one = Id::from(1);
    assert_eq!(router.post(&[call(2, 2), call(1.0, 3)]).unwrap_err(), NotOpened::Duplicate(one.clone()));
    assert_eq!(router.post(&[call(2, 2), call(2, 3)]).unwrap_err(), NotOpened::Duplicate(Id::from(2)));
    assert_eq!(router.cancel(&Id::from(2)), Cancelled::Early);
    router.route(&result(1));
    assert_eq!(router.cancel(&one), Cancelled::Early);
    open(&mut router, &[call(1, 1)]);
}

#[test]
fn long_ids_and_tokens_open_nothing_and_those_of_the_program_are_not_remembered() {
    let mut router = Router::default();
    let (fits, long) = ("x".repeat(ID_BYTES - 2), "x".repeat(ID_BYTES - 1));
    assert_eq!(router.post(&[call(1, 1), call(&*long, 2)]).unwrap_err(), NotOpened::TooLong);
    assert_eq!(router.post(&[call(1, &*long)]).unwrap_err(), NotOpened::TooLong);
    open(&mut router, &[call(1, 1), call(&*fits, &*fits)]);
    router.route(&request(&*fits));
    for _ in 0..ASKED {
        assert!(matches!(router.route(&request(&*long)), Routed::Stream(_)));
    }
    assert_eq!(router.asked.len(), 1);
}

#[test]
fn open_calls_are_bounded() {
    let mut router = Router::default();
    let calls: Vec<_> = (0..CALLS).map(|id| call(id, id)).collect();
    open(&mut router, &calls);
    let refused = router.post(&[call("more", 1)]).unwrap_err();
    assert_eq!(refused, NotOpened::TooMany(Id::read("\"more\"").unwrap()));
    router.route(&result(7));
    open(&mut router, &[call("more", 1)]);
}

#[test]
fn answer_to_no_open_request_is_unknown() {
    let mut router = Router::default();
    let reader = open(&mut router, &[call(1, 1)]);
    assert_eq!(router.route(&result(2)), Routed::Unknown);
    router.route(&result(1));
    assert_eq!(router.route(&result(1)), Routed::Unknown);
    assert_eq!(data(&mut router, reader).len(), 1);
}

#[test]
fn progress_goes_to_the_call_with_its_token() {
    let mut router = Router::default();
    let one = open(&mut router, &[call(1, "t")]);
    let two = open(&mut router, &[call(2, 1)]);
    let progress = |token: Value| notification("notifications/progress", &json!({"progressToken": token}));
    assert_eq!(router.route(&progress(json!("t"))), Routed::Stream(one.stream));
    assert_eq!(router.route(&progress(json!(1))), Routed::Stream(two.stream));
    router.route(&result(1));
    // A task goes on after the answer to its call.
    assert_eq!(router.route(&progress(json!("t"))), Routed::Stream(two.stream));
}

#[test]
fn what_is_unasked_goes_to_the_newest_get_else_to_a_call_else_it_waits() {
    let mut router = Router::default();
    assert_eq!(router.route(&log("a")), Routed::Waits);
    let call = open(&mut router, &[call(1, 1)]);
    assert_eq!(router.route(&request("r")), Routed::Stream(call.stream));
    let (old, new) = (router.get(None), router.get(None));
    assert_eq!(router.route(&log("b")), Routed::Stream(new.stream));
    router.leave(new);
    assert_eq!(router.route(&log("c")), Routed::Stream(old.stream));
    router.leave(old);
    assert_eq!(router.route(&log("d")), Routed::Stream(call.stream));
    let texts = data(&mut router, call);
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("\"a\"") && texts[2].contains("\"d\""), "{texts:?}");
}

#[test]
fn cancel_follows_the_request_of_the_program() {
    let mut router = Router::default();
    let call = open(&mut router, &[call(1, 1)]);
    router.route(&request("r"));
    router.route(&request("s"));
    let get = router.get(None);
    let cancel = |id: &str| notification("notifications/cancelled", &json!({"requestId": id}));
    assert_eq!(router.route(&cancel("r")), Routed::Stream(call.stream));
    router.answered(&result("s"));
    assert_eq!(router.route(&cancel("s")), Routed::Stream(get.stream));
}

#[test]
fn program_is_not_read_while_a_stream_is_full() {
    let mut router = Router::default();
    let get = router.get(None);
    let other = open(&mut router, &[call(1, 1)]);
    let long = log(&"x".repeat(700_000));
    router.route(&long);
    assert!(has_room(&mut router));
    router.route(&long);
    assert!(!has_room(&mut router));
    router.leave(other);
    assert!(!has_room(&mut router));
    let mut context = Context::from_waker(Waker::noop());
    assert!(router.poll_next(get, &mut context).is_ready());
    assert!(has_room(&mut router));
    router.route(&long);
    router.leave(get);
    assert!(has_room(&mut router));
}

#[test]
fn what_waits_is_bounded_and_the_newest_stays() {
    let mut router = Router::default();
    for number in 0..1001 {
        assert!(!router.has_dropped());
        router.route(&log(&format!("message {number}")));
    }
    assert!(router.has_dropped());
    let get = router.get(None);
    let texts = data(&mut router, get);
    assert_eq!(texts.len(), 1000);
    assert!(texts[999].contains("message 1000"));
    router.leave(get);
    router.route(&log(&"x".repeat(4 << 20)));
    router.route(&log(&"y".repeat(4 << 20)));
    let get = router.get(None);
    assert_eq!(data(&mut router, get).len(), 1);
}

#[test]
fn end_answers_all_calls_and_ends_all_streams() {
    let mut router = Router::default();
    let (call, get) = (open(&mut router, &[call("a", 1)]), router.get(None));
    router.end("why");
    let (events, is_over) = read(&mut router, call);
    let answer: Value = serde_json::from_str(&events[0].1).unwrap();
    assert_eq!((&answer["id"], &answer["error"]), (&json!("a"), &json!({"code": -32000, "message": "why"})));
    assert!(is_over && read(&mut router, get).1);
}

#[test]
fn plain_router_has_one_stream_without_ids() {
    let (mut router, reader) = Router::plain();
    router.set_version("2025-11-25");
    router.call(&[call(1, 1)], reader.stream).unwrap();
    router.route(&request("r"));
    router.route(&result(1));
    let (events, is_over) = read(&mut router, reader);
    assert!(!is_over && events.len() == 2);
    assert!(events.iter().all(|(id, _)| id.is_empty()));
}

#[test]
fn answer_is_taken_only_if_it_is_the_only_message() {
    let progress = notification("notifications/progress", &json!({"progressToken": "t", "progress": 1}));
    let mut router = Router::default();
    router.set_version("2025-11-25");
    let mut take = |messages: &[&Message], is_cancelled: bool| {
        let reader = open(&mut router, &[call(1, "t")]);
        let mut context = Context::from_waker(Waker::noop());
        assert!(router.poll_first(reader, &mut context).is_pending());
        for message in messages {
            router.route(message);
        }
        if is_cancelled {
            let number = cancel(&mut router, 1);
            router.give_up(&Id::from(1), number);
        }
        assert!(router.poll_first(reader, &mut context).is_ready());
        let taken = router.take_answer(reader);
        let left = read(&mut router, reader).0.len();
        (taken, left)
    };
    assert_eq!(take(&[&result(1)], false), (Some(result(1).text().clone()), 0));
    assert_eq!(take(&[&progress, &result(1)], false), (None, 3));
    assert_eq!(take(&[&progress], true), (None, 2));
    assert_eq!(take(&[], true), (None, 1));
}
