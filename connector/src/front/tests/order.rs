//! Sessions up to 2025-11-25: lines that come close together arrive in their order.

use super::peer::{Play, events, json, reply, run, session};
use crate::front::FrontEnd;
use hyper::Method;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const LIST_ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;

#[test]
fn event_streams_are_preferred_if_headers_are_waited_for() {
    for (headers_at_once, accept) in
        [(true, "text/event-stream, application/json;q=0.9"), (false, "application/json, text/event-stream")]
    {
        run(async move {
            let answer = async |got| session(&got).unwrap_or_else(|| json(LIST_ANSWER));
            let mut play = Play::start(headers_at_once, answer).await;
            play.handshake().await;
            let other = LIST.replace("\"id\":1", "\"id\":2");
            play.write(&format!("{LIST}\n[{other}]\n")).await;
            let posts = play.wait_for(4, |got| got.method == Method::POST).await;
            assert!(posts.iter().all(|got| got.header("accept") == Some(accept)), "{posts:?}");
        });
    }
}

/// The order in which a server gets lines that the client writes at once. The server takes some of them later than others.
async fn order_of_arrival(headers_at_once: bool) -> Vec<usize> {
    let arrived = Rc::new(RefCell::new(Vec::new()));
    let mut play = Play::sharing(&arrived, headers_at_once, async |got, arrived| {
        if let Some(reply) = session(&got) {
            return reply;
        }
        let number: usize = got.body.split(&[':', ','][..]).nth(1).unwrap().parse().unwrap();
        sleep(Duration::from_millis(if number % 2 == 1 { 20 } else { 0 })).await;
        arrived.borrow_mut().push(number);
        events(&format!("data: {{\"id\":{number},\"result\":{{}}}}\n\n"))
    })
    .await;
    play.write("{\"id\":0,\"method\":\"initialize\"}\n{\"method\":\"notifications/initialized\"}\n").await;
    for number in 1..=10 {
        play.write(&format!("{{\"id\":{number},\"method\":\"ping\"}}\n")).await;
    }
    for _ in 0..=10 {
        play.read().await.unwrap();
    }
    arrived.take()
}

#[test]
fn lines_arrive_in_order_at_a_server_that_sends_headers_at_once() {
    run(async {
        let sorted: Vec<_> = (1..=10).collect();
        assert_eq!(order_of_arrival(true).await, sorted);
        // Others are not waited for.
        assert_ne!(order_of_arrival(false).await, sorted);
    });
}

#[test]
fn slow_call_of_a_server_that_answers_in_json_holds_up_nothing() {
    run(async {
        let answered = Rc::new(Notify::new());
        let mut play = Play::sharing(&answered, false, async |got, answered| {
            if got.body.contains("slow") {
                answered.notified().await;
                return json(r#"{"jsonrpc":"2.0","id":5,"result":{"slow":true}}"#);
            }
            if got.body.contains("\"result\"") {
                // The answer that the slow call waits for.
                answered.notify_one();
                return reply(202, &[], "");
            }
            session(&got).unwrap_or_else(|| json(r#"{"jsonrpc":"2.0","id":6,"result":{}}"#))
        })
        .await;
        play.handshake().await;
        play.write("{\"id\":5,\"method\":\"slow\"}\n{\"id\":6,\"method\":\"ping\"}\n").await;
        play.expect(r#"{"jsonrpc":"2.0","id":6,"result":{}}"#).await;
        play.write("{\"id\":0,\"result\":{}}\n").await;
        play.expect(r#"{"jsonrpc":"2.0","id":5,"result":{"slow":true}}"#).await;
    });
}

#[test]
fn cancel_comes_after_its_request() {
    run(async {
        let mut play = Play::start(false, async |got| match session(&got) {
            Some(reply) => reply,
            None => std::future::pending().await,
        })
        .await;
        play.handshake().await;
        let cancel = r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#;
        play.write(&format!("{{\"id\":7,\"method\":\"slow\"}}\n{cancel}\n")).await;
        let posts = play.wait_for(4, |got| got.method == Method::POST).await;
        assert!(posts[2].body.contains("slow"), "{posts:?}");
        assert_eq!(posts[3].body, cancel);
        // A cancelled request is not waited for.
        play.end_input();
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}

#[test]
fn open_requests_are_answered_before_the_end() {
    run(async {
        let mut play = Play::start(true, async |got| {
            if let Some(reply) = session(&got) {
                return reply;
            }
            sleep(Duration::from_millis(100)).await;
            json(LIST_ANSWER)
        })
        .await;
        play.handshake().await;
        play.write(LIST).await;
        play.end_input();
        play.expect(LIST_ANSWER).await;
        assert_eq!(play.end().await, FrontEnd::InputEnded);
    });
}
