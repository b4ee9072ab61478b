//! Failures of HTTP and of the client's lines.

use super::peer::{Play, Reply, events, json, open_reply, reply, run, session};
use crate::front::{FrontEnd, LINE_BYTES};
use bytes::Bytes;
use hyper::Method;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::spawn_local;

/// The line that a request with id 7 is answered with, if the server replies so.
async fn answer_to_call(answer: impl Fn() -> Reply + 'static) -> String {
    let answer = Rc::new(answer);
    let mut play = Play::start(false, move |got| {
        let answer = Rc::clone(&answer);
        async move { session(&got).unwrap_or_else(|| answer()) }
    })
    .await;
    play.handshake().await;
    play.write("{\"method\":\"tools/call\",\"id\" : 7e0}\n").await;
    let line = play.read().await.unwrap();
    // It is answered once.
    play.end_input();
    assert_eq!(play.end().await, FrontEnd::InputEnded);
    line
}

fn error(message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7e0,"error":{{"code":-32000,"message":"{message}"}}}}"#)
}

#[test]
fn error_bodies_pass_with_the_id_of_their_request() {
    run(async {
        let json_type = [("content-type", "application/json")];
        let body =
            |id: &str| format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32600,"message":"no", "data":1e1}}}}"#);
        for (id, expected) in [
            ("\"id\":7,", body("\"id\":7,")),
            ("\"id\":null,", body("\"id\":7e0,")),
            ("\"id\":\"server-error\",", body("\"id\":7e0,")),
            ("", body("").replacen('{', "{\"id\":7e0,", 1)),
        ] {
            let text = body(id);
            assert_eq!(answer_to_call(move || reply(400, &json_type, &text)).await, expected, "{id}");
        }
        let text = body("\"id\":null,");
        assert_eq!(answer_to_call(move || events(&format!("data: {text}\n\n"))).await, body("\"id\":7e0,"));
    });
}

#[test]
fn other_failures_become_errors_that_name_status_and_reason() {
    run(async {
        type Case = (u16, &'static [(&'static str, &'static str)], &'static str, &'static str);
        let cases: [Case; 10] = [
            (307, &[("location", "/mcp/")], "", "HTTP 307 Temporary Redirect; location: /mcp/"),
            (
                503,
                &[("content-type", "text/plain")],
                "no healthy upstream",
                "HTTP 503 Service Unavailable: no healthy upstream",
            ),
            (502, &[], "", "HTTP 502 Bad Gateway"),
            (504, &[], "upstream request\n timeout", "HTTP 504 Gateway Timeout: upstream request timeout"),
            (500, &[("content-type", "text/html; charset=utf-8")], "<html>no</html>", "HTTP 500 Internal Server Error"),
            (401, &[("www-authenticate", "Bearer x=1")], "", "HTTP 401 Unauthorized; www-authenticate: Bearer x=1"),
            (403, &[("content-type", "application/json")], "{\"a\":1}", "HTTP 403 Forbidden: {\\\"a\\\":1}"),
            (202, &[], "", "no JSON-RPC answer, but HTTP 202 Accepted"),
            (200, &[("content-type", "application/json")], "{}", "no JSON-RPC answer, but HTTP 200 OK: {}"),
            (299, &[], "hello", "no JSON-RPC answer, but HTTP 299: hello"),
        ];
        for (status, headers, body, expected) in cases {
            assert_eq!(answer_to_call(move || reply(status, headers, body)).await, error(expected), "{status}");
        }
    });
}

#[test]
fn answers_that_belong_to_other_requests_are_dropped() {
    run(async {
        let other = || json(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#);
        let line = answer_to_call(other).await;
        assert!(line.contains("no JSON-RPC answer, but HTTP 200 OK"), "{line}");
        let line = answer_to_call(|| events("data: {\"id\":8,\"result\":{}}\n\ndata: no JSON\n\n")).await;
        assert_eq!(line, error("the response ended without an answer"));
    });
}

#[test]
fn response_that_breaks_off_is_an_error() {
    run(async {
        let line = answer_to_call(|| {
            let (parts, reply) = open_reply(200, &[("content-type", "application/json"), ("content-length", "100")]);
            parts.try_send(Ok(Bytes::from_static(b"{\"id\":7"))).unwrap();
            spawn_local(async move { parts.send(Err(io::Error::other("broken"))).await });
            reply
        })
        .await;
        assert!(line.contains("\"id\":7e0,\"error\":{\"code\":-32000,\"message\":\"the response broke off"), "{line}");
    });
}

#[test]
fn unknown_session_ends_the_front_and_answers_everything_open() {
    run(async {
        let mut play = Play::start(false, async |got| {
            if got.body.contains("late") {
                return reply(404, &[], r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"gone"}}"#);
            }
            match session(&got) {
                Some(reply) => reply,
                None => std::future::pending().await,
            }
        })
        .await;
        play.handshake().await;
        play.write("{\"id\":\"a\",\"method\":\"slow\"}\n{\"id\":\"b\",\"method\":\"late\"}\n").await;
        let mut lines = [play.read().await.unwrap(), play.read().await.unwrap()];
        lines.sort();
        let reason = "the session of the server is lost: HTTP 404 Not Found: gone";
        let error =
            |id: &str| format!(r#"{{"jsonrpc":"2.0","id":"{id}","error":{{"code":-32000,"message":"{reason}"}}}}"#);
        assert_eq!(lines, [error("a"), error("b")]);
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::SessionLost(reason.to_owned()));
        assert!(!seen.borrow().iter().any(|got| got.method == Method::DELETE));
    });
}

#[test]
fn unknown_path_without_a_session_is_an_error_of_the_request() {
    run(async {
        let mut play = Play::start(false, async |_| reply(404, &[], "")).await;
        play.write("{\"id\":0,\"method\":\"initialize\"}\n").await;
        play.expect(r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"HTTP 404 Not Found"}}"#).await;
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn lines_that_are_no_messages_are_answered() {
    run(async {
        let mut play = Play::start(false, async |_| reply(500, &[], "")).await;
        play.write("hello\n\n{\"id\":1}\n").await;
        let line = play.read().await.unwrap();
        assert!(
            line.starts_with(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"not JSON: "#),
            "{line}"
        );
        let line = play.read().await.unwrap();
        assert!(
            line.starts_with(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC"#),
            "{line}"
        );
        assert_eq!(play.seen(|_| true).len(), 0);
    });
}

#[test]
fn line_over_the_limit_ends_the_front() {
    run(async {
        let mut play = Play::start(false, async |got| session(&got).unwrap()).await;
        play.handshake().await;
        let mut input = play.take_input();
        spawn_local(async move {
            let part = vec![b'x'; 1 << 20];
            while input.write_all(&part).await.is_ok() {}
        });
        let deleted = play.wait_for(1, |got| got.method == Method::DELETE).await;
        assert_eq!(deleted[0].header("mcp-session-id"), Some("s-1"));
        let reason = format!("standard input: a line of more than {LINE_BYTES} bytes");
        assert_eq!(play.end().await, FrontEnd::SessionLost(reason));
    });
}

/// A server that closes each connection after one response, without saying so before.
#[test]
fn closed_connection_loses_no_message() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn_local(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = vec![0; 10_000];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0);
                let body = format!("{{\"id\":{number},\"result\":{{}}}}");
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        let mut play = Play::connect(false, address);
        for number in 0..20 {
            play.write(&format!("{{\"id\":{number},\"method\":\"ping\"}}\n")).await;
            play.expect(&format!("{{\"id\":{number},\"result\":{{}}}}")).await;
        }
    });
}

#[test]
fn server_that_is_not_there_is_an_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut play = Play::connect(false, address);
        play.write("{\"id\":1,\"method\":\"ping\"}\n").await;
        let line = play.read().await.unwrap();
        assert!(line.contains("-32000") && line.contains("no connection to Envoy: "), "{line}");
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}
