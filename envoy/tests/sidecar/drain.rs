//! The drain: running exchanges finish, new connections are refused, streams that only listen are not waited for.

use crate::support::{
    LOOPBACK, Request, Sidecar, Upstream, begin_events, end_events, get, open, read_answer, read_until, say, say_event,
    until, until_closed,
};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

/// A server that answers by path; `/json` and `/events` end when the test sends on the channel.
fn upstream(go_on: Receiver<()>) -> Upstream {
    let go_on = Mutex::new(go_on);
    Upstream::start(move |request: &Request, stream: &mut TcpStream| match request.line.split(' ').nth(1) {
        Some("/json") => {
            let _ = go_on.lock().unwrap().recv();
            say(stream, "the whole answer");
        }
        Some("/events") => {
            begin_events(stream);
            let _ = go_on.lock().unwrap().recv();
            say_event(stream, "data: the last event\n\n");
            end_events(stream);
        }
        _ => {
            begin_events(stream);
            until_closed(stream);
        }
    })
}

fn is_refused(port: u16) -> bool {
    TcpStream::connect((LOOPBACK, port)).is_err()
}

#[test]
fn running_exchanges_finish_and_idle_streams_are_not_waited_for() {
    let (go_on, gate) = mpsc::channel();
    let upstream = upstream(gate);
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let port = sidecar.port;
    let mut idle = open(port, "GET", "/mcp", &[("Accept", "text/event-stream")], "");
    read_until(&mut idle, ": begin");
    let mut listen = open(port, "POST", "/listen", &[("Mcp-Method", "subscriptions/listen")], "{}");
    read_until(&mut listen, ": begin");
    let mut events = open(port, "POST", "/events", &[], "{}");
    read_until(&mut events, ": begin");
    let json = open(port, "POST", "/json", &[], "{}");
    until("four exchanges are open", || sidecar.stat("http.mcp.downstream_rq_active") == 4);
    until("the server is known to be there", || sidecar.probe("/health") == 200);

    sidecar.signal("TERM");
    until("new connections are refused", || is_refused(port));
    assert_eq!(sidecar.probe("/ready"), 503);
    assert_eq!(sidecar.probe("/health"), 200, "the server is still there");
    assert_eq!(sidecar.probe("/metrics"), 200);
    assert_eq!(sidecar.stat("http.mcp.downstream_rq_active"), 4);

    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    let answer = read_answer(json);
    assert_eq!((answer.status, answer.body.as_str()), (200, "the whole answer"));
    assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{answer:?}");
    let last = read_until(&mut events, "\r\n0\r\n\r\n");
    assert!(last.contains("data: the last event\n\n"), "{last:?}");
    assert_eq!(sidecar.ended().code(), Some(0));
    drop((idle, listen));
}

#[test]
fn idle_sidecar_ends_at_once_on_either_signal() {
    let (_go_on, gate) = mpsc::channel();
    let upstream = upstream(gate);
    for signal in ["TERM", "INT"] {
        let mut sidecar = Sidecar::start(&upstream.url(), &[]);
        sidecar.signal(signal);
        assert_eq!(sidecar.ended().code(), Some(0), "{signal}");
        assert_eq!(sidecar.all_errors(), "", "no warning of a usual end");
    }
}

#[test]
fn response_that_the_client_has_not_read_yet_is_not_lost() {
    let body = "x".repeat(16 << 20);
    let expected = body.len();
    let upstream = Upstream::start(move |_, stream| say(stream, &body));
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let mut client = open(sidecar.port, "POST", "/", &[], "{}");
    read_until(&mut client, "\r\n\r\n");
    sidecar.signal("TERM");
    until("new connections are refused", || is_refused(sidecar.port));
    let rest = read_answer(client);
    // The head and at most 4 KiB were read before.
    assert!(rest.head.len() + rest.body.len() >= expected - 4096, "{}", rest.head.len() + rest.body.len());
    assert_eq!(sidecar.ended().code(), Some(0));
}

#[test]
fn second_signal_ends_envoy_at_once() {
    let (_go_on, gate) = mpsc::channel();
    let upstream = upstream(gate);
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let json = open(sidecar.port, "POST", "/json", &[], "{}");
    until("the exchange is open", || sidecar.stat("http.mcp.downstream_rq_active") == 1);
    sidecar.signal("TERM");
    until("it drains", || get(sidecar.probe_port, "/ready").status == 503);
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(128 + 15));
    drop(json);
}

#[test]
fn drain_command_leaves_the_sidecar_running() {
    let (go_on, gate) = mpsc::channel();
    let upstream = upstream(gate);
    let mut sidecar = Sidecar::start(&upstream.url(), &[]);
    let json = open(sidecar.port, "POST", "/json", &[], "{}");
    until("the exchange is open", || sidecar.stat("http.mcp.downstream_rq_active") == 1);

    let mut command = sidecar.drain(&upstream.url());
    until("it drains", || sidecar.probe("/ready") == 503);
    assert!(!is_refused(sidecar.port), "the listener still accepts connections");
    until("new connections are refused", || is_refused(sidecar.port));
    assert_eq!(command.try_wait().unwrap(), None, "it waits for the open exchange");
    go_on.send(()).unwrap();
    assert_eq!(read_answer(json).body, "the whole answer");
    assert_eq!(command.wait().unwrap().code(), Some(0));

    assert_eq!(sidecar.probe("/metrics"), 200, "metrics can still be scraped");
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
}
