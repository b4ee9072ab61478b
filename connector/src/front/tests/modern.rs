//! Requests of 2026-07-28, which name their protocol version themselves.

use super::peer::{Play, events, json, open_reply, reply, run, session, within};
use crate::front::FrontEnd;
use bytes::Bytes;
use hyper::Method;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// A request of 2026-07-28, as a line.
fn request(id: u32, method: &str, params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{params}{meta}}}}}\n")
}

#[test]
fn request_has_the_headers_of_its_revision_and_no_session() {
    run(async {
        let mut play = Play::start(true, async |_| json(r#"{"id":1,"result":{}}"#)).await;
        play.write(&request(1, "resources/read", r#""uri":"file:///ä","#)).await;
        play.expect(r#"{"id":1,"result":{}}"#).await;
        play.end_input();
        let seen = Rc::clone(&play.all);
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        let [got] = seen.borrow().clone().try_into().unwrap();
        assert_eq!(got.header("mcp-protocol-version"), Some("2026-07-28"));
        assert_eq!(got.header("mcp-method"), Some("resources/read"));
        assert_eq!(got.header("mcp-name"), Some("=?base64?ZmlsZTovLy/DpA==?="));
        assert_eq!(got.header("mcp-session-id"), None);
    });
}

#[test]
fn requests_do_not_wait_for_each_other() {
    run(async {
        let go_on = Rc::new(Notify::new());
        let mut play = Play::sharing(&go_on, true, async |got, go_on| {
            if got.body.contains("\"id\":1,") {
                go_on.notified().await;
                return json(r#"{"id":1,"result":{}}"#);
            }
            json(r#"{"id":2,"result":{}}"#)
        })
        .await;
        play.write(&(request(1, "tools/list", "") + &request(2, "tools/list", ""))).await;
        play.expect(r#"{"id":2,"result":{}}"#).await;
        go_on.notify_one();
        play.expect(r#"{"id":1,"result":{}}"#).await;
    });
}

#[test]
fn cancel_closes_the_response_and_is_not_posted() {
    run(async {
        let closed = Rc::new(Notify::new());
        let mut play = Play::sharing(&closed, true, async |got, closed| {
            if got.body.contains("\"id\":2,") {
                return json(r#"{"id":2,"result":{}}"#);
            }
            let (parts, reply) = open_reply(200, &[("content-type", "text/event-stream")]);
            spawn_local(async move {
                let event = Bytes::from_static(b"data: {\"method\":\"notifications/progress\"}\n\n");
                parts.send(Ok(event)).await.unwrap();
                parts.closed().await;
                closed.notify_one();
            });
            reply
        })
        .await;
        play.write(&request(1, "tools/call", r#""name":"slow","#)).await;
        play.expect(r#"{"method":"notifications/progress"}"#).await;
        play.write("{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n").await;
        within(closed.notified()).await;
        play.write(&request(2, "tools/list", "")).await;
        play.expect(r#"{"id":2,"result":{}}"#).await;
        assert_eq!(play.seen(|_| true).len(), 2);
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn cancel_before_the_response_closes_the_connection() {
    run(async {
        struct Dropped(Rc<Notify>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let closed = Rc::new(Notify::new());
        let mut play = Play::sharing(&closed, true, async |_, closed| {
            let _dropped = Dropped(closed);
            std::future::pending().await
        })
        .await;
        play.write(&request(1, "tools/call", r#""name":"slow","#)).await;
        play.wait_for(1, |_| true).await;
        play.write("{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n").await;
        within(closed.notified()).await;
        assert_eq!(play.seen(|_| true).len(), 1);
    });
}

#[test]
fn annotated_parameters_of_a_listed_tool_are_sent_as_headers() {
    run(async {
        let tools =
            r#"[{"name":"sql","inputSchema":{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]"#;
        let list = format!(r#"{{"id":1,"result":{{"tools":{tools}}}}}"#);
        let answer = list.clone();
        let mut play = Play::start(true, move |got| {
            let answer = answer.clone();
            async move { json(if got.body.contains("tools/list") { &answer } else { r#"{"id":2,"result":{}}"# }) }
        })
        .await;
        play.write(&request(1, "tools/list", "")).await;
        play.expect(&list).await;
        play.write(&request(2, "tools/call", r#""name":"sql","arguments":{"region":"eu"},"#)).await;
        play.expect(r#"{"id":2,"result":{}}"#).await;
        let call = &play.seen(|got| got.body.contains("tools/call"))[0];
        assert_eq!(call.header("mcp-param-region"), Some("eu"));
        assert_eq!(call.header("mcp-name"), Some("sql"));
    });
}

#[test]
fn stream_is_not_resumed() {
    run(async {
        let mut play = Play::start(true, async |_| events("id: 1\nretry: 1\ndata: \n\n")).await;
        play.write(&request(1, "tools/list", "")).await;
        let line = play.read().await.unwrap();
        assert!(line.contains("-32000") && line.contains("the response ended without an answer"), "{line}");
        assert_eq!(play.seen(|got| got.method == Method::GET).len(), 0);
    });
}

#[test]
fn subscription_is_not_waited_for_at_the_end() {
    run(async {
        let mut play = Play::start(true, async |_| {
            let (parts, reply) = open_reply(200, &[("content-type", "text/event-stream")]);
            parts.try_send(Ok(Bytes::from_static(b"data: {\"method\":\"n\"}\n\n"))).unwrap();
            spawn_local(async move { parts.closed().await });
            reply
        })
        .await;
        play.write(&request(1, "subscriptions/listen", "")).await;
        play.expect(r#"{"method":"n"}"#).await;
        let begun = Instant::now();
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
        // An open request would be waited for 5 s.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

/// A client of both eras tries the new one first.
#[test]
fn initialize_may_follow_a_refused_discovery() {
    run(async {
        let refusal = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}"#;
        let mut play = Play::start(true, async move |got| {
            if got.body.contains("discover") {
                return reply(400, &[("content-type", "application/json")], refusal);
            }
            session(&got).unwrap()
        })
        .await;
        play.write(&request(7, "server/discover", "")).await;
        play.expect(&refusal.replace("null", "7")).await;
        play.handshake().await;
        play.wait_for(1, |got| got.method == Method::GET).await;
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}
