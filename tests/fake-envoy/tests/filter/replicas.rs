//! Two sidecars in front of one server and a load balancer without session affinity: each sees one half of a session. And two
//! workers of one sidecar, which see all of it.

use std::time::Duration;

use fake_envoy::{Exchange, Framing, Host, Plugin, SeriesTable, Vm};

use crate::support::scrape;

const ENDPOINT: &str = "event: endpoint\ndata: /message?sessionId=5c99c753\n\n";
const EVENT_STREAM: [(&str, &str); 1] = [("content-type", "text/event-stream")];

/// A process with one worker.
struct Sidecar {
    host: Host,
    vm: Vm,
}

impl Sidecar {
    fn start() -> Self {
        let host = Host::new().unwrap();
        let vm = host.start(&Plugin::new("")).unwrap();
        Self { host, vm }
    }

    fn play(&self, exchange: &Exchange) {
        self.vm.play(exchange, Framing::Http1).unwrap();
    }

    /// More than five minutes later.
    fn later(&self) -> SeriesTable {
        self.host.advance(Duration::from_secs(301));
        (0..32).for_each(|_| self.vm.tick().unwrap());
        scrape(&self.host, &[&self.vm])
    }
}

fn message(id: u32, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"a"}}}}"#)
}

fn event(id: &str, data: &str) -> String {
    if id.is_empty() { format!("data: {data}\n\n") } else { format!("id: {id}\ndata: {data}\n\n") }
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const REPLY: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"action":"accept"}}"#;

/// The counts of requests in the table, by status.
fn requests(table: &SeriesTable) -> Vec<String> {
    let lines = table.non_zero().into_iter().filter(|line| line.starts_with("mcp_requests_total"));
    lines.filter_map(|line| Some(line.split_once("status=")?.1.to_owned())).collect()
}

#[test]
fn stream_and_posts_through_different_replicas() {
    let [one, other] = [Sidecar::start(), Sidecar::start()];
    let initialized = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2024-11-05"}}"#;
    let stream = Exchange::bodiless("GET", "/sse").head(200, &EVENT_STREAM).chunk(ENDPOINT);
    let stream = [initialized, ANSWER, &message(0, "elicitation/create")]
        .into_iter()
        .fold(stream, |stream, data| stream.chunk(event("", data)))
        .wait_ms(301_000)
        .end();
    one.play(&stream);
    for body in [&message(0, "initialize"), &message(1, "tools/call"), REPLY] {
        let post = Exchange::post(body).header(":path", "/message?sessionId=5c99c753");
        other.play(&post.answer(202, "text/plain", "Accepted"));
    }
    assert_eq!(scrape(&other.host, &[&other.vm]).sum("mcp_requests_in_flight"), 2);
    for (sidecar, ends) in [(one, vec![]), (other, vec!["unknown,server_name=upstream} 1"; 2])] {
        let table = sidecar.later();
        let ended: Vec<_> = requests(&table).iter().map(|line| line.replace("server_name=upstream,", "")).collect();
        assert_eq!(ended.len(), ends.len(), "{ended:?}");
        assert!(ended.iter().all(|line| line.starts_with("unknown")), "{ended:?}");
        let none = ["mcp_unmatched_responses_total", "mcp_requests_in_flight", "mcp_sessions_active"];
        assert_eq!(none.map(|family| table.sum(family)), [0; 3]);
    }
}

#[test]
fn stream_resumed_through_another_replica() {
    let [one, other] = [Sidecar::start(), Sidecar::start()];
    let call = Exchange::post(&message(1, "tools/call")).header("mcp-session-id", "s");
    one.play(&call.head(200, &EVENT_STREAM).chunk("id: 1\nretry: 500\ndata: \n\n").end());
    let get = || Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").header("last-event-id", "1");
    other.play(&get().head(200, &EVENT_STREAM).chunk(event("2", ANSWER)).end());
    let tables = [one.later(), other.later()];
    let [ended, none] = tables.each_ref().map(requests);
    assert!(ended.len() == 1 && ended[0].starts_with("unknown"), "{ended:?}");
    assert!(none.is_empty(), "{none:?}");
    for table in tables {
        assert_eq!(table.sum("mcp_unmatched_responses_total"), 0);
    }
}

/// Where both halves pass, nothing is excused: on one worker the stream, on the other the requests.
#[test]
fn workers_of_one_process_share_what_they_know() {
    let host = Host::new().unwrap();
    let [one, other] = [0, 1].map(|_| host.start(&Plugin::new("")).unwrap());
    let in_session = |exchange: Exchange| exchange.header("mcp-session-id", "s");
    let get = || in_session(Exchange::bodiless("GET", "/mcp")).head(200, &EVENT_STREAM);
    one.play(&get().chunk(": hello\n\n").end(), Framing::Http1).unwrap();
    let pending = in_session(Exchange::post(&message(1, "tools/call"))).answer(202, "", "");
    other.play(&pending, Framing::Http1).unwrap();
    other.play(&in_session(Exchange::post(REPLY)).answer(202, "", ""), Framing::Http1).unwrap();
    let stray = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    one.play(&get().chunk(event("", stray)).end(), Framing::Http1).unwrap();
    host.advance(Duration::from_secs(301));
    (0..32).for_each(|_| one.tick().unwrap());
    let table = scrape(&host, &[&one, &other]);
    let ended = requests(&table);
    assert!(ended.len() == 1 && ended[0].contains("error_type=no_response"), "{ended:?}");
    assert_eq!(table.sum("mcp_unmatched_responses_total"), 2, "{:?}", table.non_zero());
}

/// What passes one worker or the other, in which order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    OwnAnswer,
    OtherAnswer,
    OwnStreamEnds,
    Tick,
}

/// The answer to a call comes on its own stream, on the GET stream of its session through another worker, or on both.
#[test]
fn answer_on_any_stream_of_any_worker_counts_once() {
    use Step::{OtherAnswer, OwnAnswer, OwnStreamEnds, Tick};
    let orders: [&[Step]; 10] = [
        &[OwnAnswer, OwnStreamEnds],
        &[OtherAnswer, OwnStreamEnds],
        &[OwnAnswer, OtherAnswer, OwnStreamEnds],
        &[OtherAnswer, OwnAnswer, OwnStreamEnds],
        &[OwnAnswer, OwnStreamEnds, OtherAnswer],
        &[OwnStreamEnds, OtherAnswer],
        &[Tick, OtherAnswer, OwnStreamEnds],
        &[OtherAnswer, Tick, OwnStreamEnds],
        &[OtherAnswer, Tick, OwnAnswer, OwnStreamEnds],
        &[OwnAnswer, Tick, OtherAnswer, Tick, OwnStreamEnds],
    ];
    for steps in orders {
        let host = Host::new().unwrap();
        let workers = [0, 1].map(|_| host.start(&Plugin::new("")).unwrap());
        play_steps(&workers, steps);
        for _ in 0..2 {
            workers.iter().for_each(|vm| vm.tick().unwrap());
            host.advance(Duration::from_secs(301));
        }
        (0..32).for_each(|_| workers[1].tick().unwrap());
        let table = scrape(&host, &[&workers[0], &workers[1]]);
        let ended = requests(&table);
        assert!(ended.len() == 1 && ended[0].starts_with("ok") && ended[0].ends_with(" 1"), "{steps:?}: {ended:?}");
        let is_answer = |step: &&Step| matches!(step, OwnAnswer | OtherAnswer);
        let unmatched =
            table.non_zero().into_iter().filter(|line| line.starts_with("mcp_unmatched")).collect::<Vec<_>>();
        let second = steps.iter().filter(is_answer).count() - 1;
        assert_eq!(table.sum("mcp_unmatched_responses_total"), second as u64, "{steps:?}: {unmatched:?}");
        assert!(unmatched.iter().all(|line| line.contains("reason=duplicate")), "{steps:?}: {unmatched:?}");
        assert_eq!(table.sum("mcp_requests_in_flight"), 0, "{steps:?}");
    }
}

fn play_steps(workers: &[Vm; 2], steps: &[Step]) {
    let head: [(&str, &[u8]); 2] = [(":status", b"200"), ("content-type", b"text/event-stream")];
    let request: [(&str, &[u8]); 4] = [
        (":method", b"POST"),
        ("content-type", b"application/json"),
        ("accept", b"application/json, text/event-stream"),
        ("mcp-session-id", b"s"),
    ];
    let mut get = workers[1].open();
    get.request_headers(&[(":method", b"GET"), (":path", b"/mcp"), ("mcp-session-id", b"s")], true).unwrap();
    get.response_headers(&head, false).unwrap();
    let mut post = workers[0].open();
    post.request_headers(&request, false).unwrap();
    post.request_body(message(1, "tools/call").as_bytes(), true).unwrap();
    post.response_headers(&head, false).unwrap();
    post.response_body(event("1", "").as_bytes(), false).unwrap();
    let mut post = Some(post);
    for step in steps {
        match (step, &mut post) {
            (Step::OwnAnswer, Some(post)) => post.response_body(event("2", ANSWER).as_bytes(), false).unwrap(),
            (Step::OtherAnswer, _) => get.response_body(event("3", ANSWER).as_bytes(), false).unwrap(),
            (Step::OwnStreamEnds, _) => {
                let mut post = post.take().unwrap();
                post.response_body(&[], true).unwrap();
                post.close().unwrap();
            }
            (Step::Tick, _) => workers.iter().for_each(|vm| vm.tick().unwrap()),
            (Step::OwnAnswer, None) => panic!("the stream has ended"),
        }
    }
    get.close().unwrap();
}
