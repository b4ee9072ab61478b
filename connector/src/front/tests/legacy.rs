//! Sessions up to 2025-11-25: headers, large and slow streams, the end.

use super::peer::{Play, events, json, open_reply, reply, run, session};
use crate::front::FrontEnd;
use bytes::Bytes;
use hyper::Method;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::sleep;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LIST_ANSWER: &str = r#"{ "jsonrpc":"2.0", "id":1.0,"result":{"tools":[],"x":1e2}}"#;

#[test]
fn session_and_version_of_the_answer_are_sent_from_then_on() {
    run(async {
        let mut play = Play::start(true, async |got| session(&got).unwrap_or_else(|| json(LIST_ANSWER))).await;
        play.handshake().await;
        play.write(&format!("{LIST}\n")).await;
        play.expect(LIST_ANSWER).await;
        play.end_input();
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        let seen = seen.borrow();
        let first = seen.iter().find(|got| got.body.contains("initialize")).unwrap();
        assert_eq!((first.header("mcp-session-id"), first.header("mcp-protocol-version")), (None, None));
        let later: Vec<_> = seen.iter().filter(|got| !got.body.contains("\"initialize\"")).collect();
        assert_eq!(later.len(), 4, "{seen:?}");
        for got in later {
            assert_eq!(got.header("mcp-session-id"), Some("s-1"));
            assert_eq!(got.header("mcp-protocol-version"), Some("2025-06-18"));
        }
        assert_eq!(seen.iter().find(|got| got.body == LIST).unwrap().header("content-type"), Some("application/json"));
        assert_eq!(seen.last().unwrap().method, Method::DELETE);
    });
}

#[test]
fn batch_passes_as_it_is() {
    run(async {
        let answer = r#"[{"id":1,"result":{}}, {"id":2,"result":{}}]"#;
        let mut play = Play::start(true, async move |got| session(&got).unwrap_or_else(|| json(answer))).await;
        play.handshake().await;
        let batch = r#"[{"id":1,"method":"ping"}, {"id":2,"method":"ping"},{"method":"x"}]"#;
        play.write(&format!("{batch}\n")).await;
        play.expect(answer).await;
        assert_eq!(play.seen(|got| got.body == batch).len(), 1);
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn new_initialize_ends_the_session_before() {
    run(async {
        let sessions = Rc::new(Cell::new(0));
        let mut play = Play::sharing(&sessions, true, async |got, sessions| {
            let mut reply = session(&got).unwrap();
            if reply.headers().contains_key("mcp-session-id") {
                sessions.set(sessions.get() + 1);
                let id = format!("s-{}", sessions.get());
                reply.headers_mut().insert("mcp-session-id", id.parse().unwrap());
            }
            reply
        })
        .await;
        play.handshake().await;
        play.handshake().await;
        let deleted = play.wait_for(1, |got| got.method == Method::DELETE).await;
        assert_eq!(deleted[0].header("mcp-session-id"), Some("s-1"));
        play.end_input();
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        assert_eq!(seen.borrow().last().unwrap().header("mcp-session-id"), Some("s-2"));
    });
}

#[test]
fn client_that_does_not_read_stops_the_reading_of_the_response() {
    const MESSAGES: usize = 40;
    run(async {
        let sent = Rc::new(Cell::new(0));
        let mut play = Play::sharing(&sent, true, async |got, sent| {
            if let Some(reply) = session(&got) {
                return reply;
            }
            let (parts, reply) = open_reply(200, &[("content-type", "text/event-stream")]);
            let padding = "x".repeat(1_000_000);
            spawn_local(async move {
                for number in 0..MESSAGES {
                    let event = format!("data: {{\"method\":\"n/{number}\",\"params\":[\"{padding}\"]}}\n\n");
                    parts.send(Ok(Bytes::from(event))).await.unwrap();
                    sent.set(sent.get() + 1);
                }
                parts.send(Ok(Bytes::from_static(b"data: {\"id\":1,\"result\":{}}\n\n"))).await.unwrap();
            });
            reply
        })
        .await;
        play.handshake().await;
        play.write(&format!("{LIST}\n")).await;
        let mut before = usize::MAX;
        while before != sent.get() || before == 0 {
            before = sent.get();
            sleep(Duration::from_millis(300)).await;
        }
        // The buffers of the sockets hold some.
        assert!(sent.get() < MESSAGES * 3 / 4, "{}", sent.get());
        for number in 0..MESSAGES {
            let line = play.read().await.unwrap();
            assert!(line.starts_with(&format!("{{\"method\":\"n/{number}\"")), "{number}");
        }
        play.expect(r#"{"id":1,"result":{}}"#).await;
        assert_eq!(sent.get(), MESSAGES);
    });
}

#[test]
fn message_of_ten_megabytes_passes_in_both_directions() {
    run(async {
        let mut play = Play::start(true, async |got| {
            session(&got).unwrap_or_else(|| {
                let text = got.body.replace("\"method\":\"echo\",\"params\"", "\"result\"");
                events(&format!("event: message\r\ndata: {text}\r\n\r\n"))
            })
        })
        .await;
        play.handshake().await;
        let padding = "é".repeat(5_000_000);
        play.write(&format!("{{\"id\":1,\"method\":\"echo\",\"params\":[\"{padding}\"]}}\n")).await;
        play.expect(&format!("{{\"id\":1,\"result\":[\"{padding}\"]}}")).await;
    });
}

#[test]
fn second_request_with_the_id_of_an_open_one_is_refused_and_the_first_is_answered() {
    run(async {
        let (answers, answer) = tokio::sync::mpsc::unbounded_channel();
        let answer = Rc::new(tokio::sync::Mutex::new(answer));
        let mut play = Play::sharing(&answer, false, async |got, answer| match session(&got) {
            Some(reply) => reply,
            None => answer.lock().await.recv().await.unwrap(),
        })
        .await;
        play.handshake().await;
        play.write("{\"id\":1,\"method\":\"a\"}\n{\"id\":1.0,\"method\":\"b\"}\n").await;
        let refused = play.read().await.unwrap();
        assert!(refused.contains("\"id\":1.0,") && refused.contains("-32600"), "{refused}");
        answers.send(json(r#"{"id":1,"result":{}}"#)).unwrap();
        play.expect(r#"{"id":1,"result":{}}"#).await;
        assert!(play.seen(|got| got.body.contains("\"b\"")).is_empty());
    });
}

#[test]
fn end_of_a_session_of_the_bridge_is_seen_without_initialized() {
    run(async {
        let gets = Rc::new(Cell::new(0));
        let mut play = Play::start(true, move |got| {
            gets.set(gets.get() + i32::from(got.method == Method::GET));
            let reply = match (got.method.as_str(), gets.get()) {
                ("GET", 1) => events("retry: 1\ndata\n\n"),
                ("GET", _) => reply(404, &[], ""),
                _ => session(&got).unwrap(),
            };
            async move { reply }
        })
        .await;
        play.write("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{}}\n").await;
        assert!(play.read().await.unwrap().contains("protocolVersion"));
        assert!(matches!(play.end().await, FrontEnd::SessionLost(_)));
    });
}
