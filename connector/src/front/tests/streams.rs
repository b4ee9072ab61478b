//! The GET stream, and streams that are opened again.

use super::peer::{Got, Play, Reply, events, open_reply, reply, run, session};
use crate::front::FrontEnd;
use bytes::Bytes;
use hyper::Method;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

const CALL: &str = "{\"id\":1,\"method\":\"tools/call\"}\n";
const ANSWER: &str = r#"{"id":1,"result":{}}"#;

fn is_get(got: &Got) -> bool {
    got.method == Method::GET
}

/// A stream that brings `text` and then stays open.
fn lasting(text: &str) -> Reply {
    let (parts, reply) = open_reply(200, &[("content-type", "text/event-stream; charset=utf-8")]);
    parts.try_send(Ok(Bytes::from(text.to_owned()))).unwrap();
    spawn_local(async move { parts.closed().await });
    reply
}

/// A stream that brings `text` and then breaks off.
fn broken(text: &str) -> Reply {
    let (parts, reply) = open_reply(200, &[("content-type", "text/event-stream")]);
    let text = Bytes::from(text.to_owned());
    spawn_local(async move {
        parts.send(Ok(text)).await.unwrap();
        let _ = parts.send(Err(io::Error::other("broken"))).await;
    });
    reply
}

/// A server of which each GET has its own reply.
async fn start(get: impl Fn(usize, &Got) -> Reply + 'static, call: impl Fn() -> Reply + 'static) -> Play {
    let (functions, gets) = (Rc::new((get, call)), Rc::new(Cell::new(0)));
    let mut play = Play::start(false, move |got| {
        let (functions, gets) = (Rc::clone(&functions), Rc::clone(&gets));
        async move {
            if is_get(&got) {
                gets.set(gets.get() + 1);
                return functions.0(gets.get() - 1, &got);
            }
            session(&got)
                .unwrap_or_else(|| if got.body.contains("result") { reply(202, &[], "") } else { functions.1() })
        }
    })
    .await;
    play.handshake().await;
    play
}

#[test]
fn messages_of_the_get_stream_pass_and_their_answers_are_posted() {
    run(async {
        let get = |_, _: &Got| {
            lasting(
                ": ping\r\n\r\ndata: {\"id\":null,\"error\":{}}\r\n\r\ndata: {\"id\":9,\"result\":{}}\r\n\r\nevent: other\r\ndata: {}\r\n\r\ndata: {\"id\":0,\r\ndata: \"method\":\"roots/list\"}\r\n\r\n",
            )
        };
        let mut play = start(get, || unreachable!()).await;
        play.expect(r#"{"id":null,"error":{}}"#).await;
        play.expect(r#"{"id":0, "method":"roots/list"}"#).await;
        play.write("{\"id\":0,\"result\":{\"roots\":[]}}\n").await;
        let answers = play.wait_for(1, |got| got.body.contains("roots")).await;
        assert_eq!(answers[0].header("mcp-session-id"), Some("s-1"));
        let gets = play.seen(is_get);
        assert_eq!(gets.len(), 1);
        assert_eq!(gets[0].header("accept"), Some("text/event-stream"));
        assert_eq!(gets[0].header("mcp-session-id"), Some("s-1"));
        assert_eq!(gets[0].header("mcp-protocol-version"), Some("2025-06-18"));
        assert_eq!(gets[0].header("last-event-id"), None);
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn server_without_get_stream_is_asked_once() {
    run(async {
        let mut play = start(|_, _| reply(405, &[], ""), || events(&format!("data: {ANSWER}\n\n"))).await;
        play.wait_for(1, is_get).await;
        play.write(CALL).await;
        play.expect(ANSWER).await;
        play.end_input();
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        assert_eq!(seen.borrow().iter().filter(|got| is_get(got)).count(), 1);
    });
}

#[test]
fn no_get_stream_before_initialized_was_accepted() {
    run(async {
        let mut play = Play::start(false, async |got| {
            if got.body.contains("initialized") { reply(400, &[], "") } else { session(&got).unwrap() }
        })
        .await;
        play.handshake().await;
        play.wait_for(2, |_| true).await;
        let reason = "notifications/initialized did not reach the server: HTTP 400 Bad Request";
        assert_eq!(play.next_told().await, format!("mcp-sidecar: {reason}\n"));
        play.end_input();
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        assert!(!seen.borrow().iter().any(is_get));
    });
}

#[test]
fn broken_get_stream_is_opened_again_after_the_last_event() {
    run(async {
        let get = |number, _: &Got| match number {
            0 => broken("retry: 5\nid: a\ndata: {\"method\":\"n/1\"}\n\nid: b\ndata: {\"method\":\"incomplete\"}\n"),
            1 => events("id: c\ndata: {\"method\":\"n/2\"}\n\n"),
            2 => reply(503, &[], ""),
            3 => reply(409, &[], ""),
            _ => lasting("data: {\"method\":\"n/3\"}\n\n"),
        };
        let mut play = start(get, || unreachable!()).await;
        for number in 1..=3 {
            play.expect(&format!("{{\"method\":\"n/{number}\"}}")).await;
        }
        let ids: Vec<_> = play.seen(is_get).iter().map(|got| got.header("last-event-id").map(str::to_owned)).collect();
        assert_eq!(ids, [None, Some("a"), Some("c"), Some("c"), Some("c")].map(|id| id.map(str::to_owned)));
    });
}

#[test]
fn session_that_ended_while_the_get_stream_was_broken_is_lost() {
    run(async {
        let get = |number, _: &Got| match number {
            0 => events("retry: 5\ndata: {\"method\":\"n\"}\n\n"),
            _ => reply(
                404,
                &[],
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"exited with status 3"}}"#,
            ),
        };
        let mut play = start(get, || unreachable!()).await;
        play.expect(r#"{"method":"n"}"#).await;
        let reason = "the session of the server is lost: HTTP 404 Not Found: exited with status 3";
        assert_eq!(play.end().await, FrontEnd::SessionLost(reason.to_owned()));
    });
}

#[test]
fn answer_of_a_polled_stream_comes_by_get() {
    run(async {
        let get = |_, got: &Got| match got.header("last-event-id") {
            None => reply(405, &[], ""),
            Some("p-1") => broken("id: p-2\ndata: {\"method\":\"n\"}\n\nid: p-3\ndata: {\"id\""),
            Some("p-2") => events("id: p-2\ndata:\n\n"),
            // The wrong id would not be answered.
            Some(_) => reply(400, &[], ""),
        };
        let polls = Rc::new(Cell::new(0));
        let get = move |number, got: &Got| {
            if got.header("last-event-id") == Some("p-2") {
                polls.set(polls.get() + 1);
                if polls.get() == 3 {
                    // The event before is repeated, and so is the answer.
                    return events(&format!("id: p-4\ndata: {ANSWER}\n\nid: p-4\ndata: {ANSWER}\n\n"));
                }
            }
            get(number, got)
        };
        let mut play = start(get, || events("id: p-1\nretry: 5\ndata: \n\n")).await;
        play.write(CALL).await;
        play.expect(r#"{"method":"n"}"#).await;
        play.expect(ANSWER).await;
        let ids: Vec<_> = play.seen(|got| got.header("last-event-id").is_some());
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|got| got.header("mcp-session-id") == Some("s-1")));
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn stream_that_cannot_be_resumed_is_an_error() {
    run(async {
        let mut play = start(|_, _| reply(405, &[], ""), || events("id: p-1\nretry: 5\ndata: \n\n")).await;
        play.write(CALL).await;
        let reason = "the response ended without an answer; it cannot be resumed: HTTP 405 Method Not Allowed";
        play.expect(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32000,"message":"{reason}"}}}}"#)).await;
    });
}

#[test]
fn resuming_ends_after_attempts_that_bring_nothing() {
    run(async {
        let get = |_, got: &Got| {
            if got.header("last-event-id").is_none() { reply(405, &[], "") } else { reply(503, &[], "") }
        };
        let mut play = start(get, || events("id: p-1\nretry: 1\ndata: \n\n")).await;
        play.write(CALL).await;
        let line = play.read().await.unwrap();
        assert!(line.contains("\"message\":\"HTTP 503 Service Unavailable\""), "{line}");
        assert_eq!(play.seen(|got| got.header("last-event-id") == Some("p-1")).len(), 5);
    });
}

#[test]
fn initialize_may_be_answered_on_a_polled_stream() {
    run(async {
        let answer = r#"{"id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
        let mut play = Play::start(false, move |got: Got| async move {
            match (got.method.as_str(), got.header("last-event-id")) {
                ("POST", _) if got.body.contains("\"initialize\"") => {
                    let mut reply = events("id: i-1\nretry: 5\ndata: \n\n");
                    reply.headers_mut().insert("mcp-session-id", "s-9".parse().unwrap());
                    reply
                }
                ("GET", Some("i-1")) => events(&format!("data: {answer}\n\n")),
                ("GET", _) => reply(405, &[], ""),
                _ => reply(202, &[], ""),
            }
        })
        .await;
        // The second line waits for the answer to the first.
        play.write("{\"id\":0,\"method\":\"initialize\"}\n{\"method\":\"notifications/initialized\"}\n").await;
        play.expect(answer).await;
        let seen = play.wait_for(1, |got| got.body.contains("initialized")).await;
        assert_eq!(seen[0].header("mcp-session-id"), Some("s-9"));
        assert_eq!(seen[0].header("mcp-protocol-version"), Some("2025-11-25"));
        assert_eq!(play.seen(is_get)[0].header("mcp-session-id"), Some("s-9"));
    });
}

#[test]
fn end_of_the_input_is_seen_while_initialize_is_not_answered() {
    run(async {
        let mut play = Play::start(false, async |_| std::future::pending().await).await;
        play.write("{\"id\":0,\"method\":\"initialize\"}\n").await;
        play.wait_for(1, |_| true).await;
        play.end_input();
        let begun = std::time::Instant::now();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
}
