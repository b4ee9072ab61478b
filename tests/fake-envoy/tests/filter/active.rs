//! `mcp_sessions_active`: a session counts once on any number of workers, and the gauge is never below zero.

use std::time::Duration;

use fake_envoy::{Exchange, Framing, Host, Plugin, Vm};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;

fn initialize(session: &str) -> Exchange {
    let exchange = Exchange::post(INITIALIZE);
    exchange.head(200, &[("content-type", "application/json"), ("mcp-session-id", session)]).chunk(INITIALIZED).end()
}

fn ping(session: &str) -> Exchange {
    let exchange = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).header("mcp-session-id", session);
    exchange.json(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
}

fn delete(session: &str) -> Exchange {
    Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", session).answer(200, "", "")
}

fn play(vm: &Vm, exchange: &Exchange) {
    vm.play(exchange, Framing::Http1).unwrap();
}

/// The gauge at the host, without changes that the workers have not flushed.
fn active(host: &Host) -> u64 {
    host.series().unwrap().sum("mcp_sessions_active")
}

fn after_ticks(host: &Host, workers: &[&Vm]) -> u64 {
    for _ in 0..64 {
        workers.iter().for_each(|vm| vm.tick().unwrap());
    }
    active(host)
}

#[test]
fn session_begun_on_one_worker_ends_on_another() {
    let host = Host::new().unwrap();
    let [one, other] = [0, 1].map(|_| host.start(&Plugin::new("")).unwrap());
    play(&one, &initialize("a"));
    play(&one, &initialize("b"));
    // The other worker may lower it before the first one ticks.
    assert_eq!(active(&host), 2);
    play(&other, &delete("a"));
    other.tick().unwrap();
    assert_eq!(active(&host), 1);
    play(&other, &initialize("b"));
    assert_eq!(after_ticks(&host, &[&one, &other]), 1);
    play(&one, &delete("b"));
    play(&other, &delete("b"));
    assert_eq!(after_ticks(&host, &[&one, &other]), 0);
}

#[test]
fn idle_session_becomes_active_again() {
    let host = Host::new().unwrap();
    let [one, other] = [0, 1].map(|_| host.start(&Plugin::new("")).unwrap());
    play(&one, &initialize("a"));
    assert_eq!(after_ticks(&host, &[&one, &other]), 1);
    // Only the worker that sees the exchanges can know of them.
    for _ in 0..4 {
        host.advance(Duration::from_secs(20 * 60));
        play(&other, &ping("a"));
        assert_eq!(after_ticks(&host, &[&other, &one]), 1);
        host.advance(Duration::from_secs(61));
        assert_eq!(after_ticks(&host, &[&other, &one]), 1);
    }
    host.advance(Duration::from_secs(30 * 60));
    assert_eq!(after_ticks(&host, &[&one, &other]), 0);
    play(&one, &ping("a"));
    play(&other, &ping("a"));
    one.tick().unwrap();
    other.tick().unwrap();
    assert_eq!(active(&host), 1);
    play(&one, &delete("a"));
    assert_eq!(after_ticks(&host, &[&one, &other]), 0);
    host.advance(Duration::from_secs(60));
    play(&one, &ping("a"));
    assert_eq!(after_ticks(&host, &[&one, &other]), 0);
}

#[test]
fn replaced_plugin_keeps_its_sessions_and_removed_plugin_drops_them() {
    let host = Host::new().unwrap();
    let first = host.start(&Plugin::new("")).unwrap();
    play(&first, &initialize("a"));
    let next = host.start(&Plugin::new(r#"{"limits":{"error_codes":31}}"#)).unwrap();
    first.end().unwrap();
    assert_eq!(after_ticks(&host, &[&next]), 1);
    play(&next, &initialize("b"));
    let renamed = host.start(&Plugin::new(r#"{"server_name":"another"}"#)).unwrap();
    next.end().unwrap();
    assert_eq!(after_ticks(&host, &[&renamed]), 0);
}

#[test]
fn each_server_has_its_own_sessions() {
    let host = Host::new().unwrap();
    let vm = host.start(&Plugin::new(r#"{"server_name_from":"cluster"}"#)).unwrap();
    for cluster in ["first", "second"] {
        let mut stream = vm.open();
        stream.set_property("xds.cluster_name", cluster.as_bytes());
        let request: [(&str, &[u8]); 2] = [(":method", b"POST"), ("content-type", b"application/json")];
        let response: [(&str, &[u8]); 3] =
            [(":status", b"200"), ("content-type", b"application/json"), ("mcp-session-id", b"the same")];
        stream.request_headers(&request, false).unwrap();
        stream.request_body(INITIALIZE.as_bytes(), true).unwrap();
        stream.response_headers(&response, false).unwrap();
        stream.response_body(INITIALIZED.as_bytes(), true).unwrap();
        stream.close().unwrap();
    }
    vm.tick().unwrap();
    let lines: Vec<_> = host.series().unwrap().non_zero();
    let lines: Vec<_> = lines.iter().filter(|line| line.starts_with("mcp_sessions_active")).collect();
    assert_eq!(
        lines,
        [
            "mcp_sessions_active{transport=streamable_http,server_name=first} 1",
            "mcp_sessions_active{transport=streamable_http,server_name=second} 1",
        ]
    );
    host.advance(Duration::from_secs(31 * 60));
    assert_eq!(after_ticks(&host, &[&vm]), 0);
}
