//! Neighbours in the process: VMs that start and end, another version of the module, plugins that write to the same map.

use std::time::Duration;

use fake_envoy::{Exchange, Framing, Host, Plugin, SeriesTable, Value, Vm};

use crate::support::scrape;

/// What all keys of this version begin with, and those of another.
const LAYOUT: &[u8] = b"mcp_observability/5/";
const OTHER_LAYOUT: &[u8] = b"mcp_observability/9/";

fn call(id: u32) -> Exchange {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a"}}}}"#);
    Exchange::post(&body).header("mcp-session-id", "one")
}

/// An operation that is answered elsewhere.
fn pending(id: u32) -> Exchange {
    call(id).answer(202, "", "")
}

fn answer(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#)
}

fn get() -> Exchange {
    Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "one")
}

fn play(vm: &Vm, exchange: &Exchange) {
    vm.play(exchange, Framing::Http1).unwrap();
}

/// A session that uses every table of the store; nothing is open at its end.
fn session() -> Vec<Exchange> {
    let event = |id: u32, data: &str| format!("id: {id}\ndata: {data}\n\n");
    let initialize = Exchange::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#);
    let initialized = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
    let asked = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
    let replied = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).header("mcp-session-id", "one");
    let task = r#"{"jsonrpc":"2.0","id":3,"result":{"task":{"taskId":"t","status":"working"}}}"#;
    let ask = r#"{"jsonrpc":"2.0","id":4,"method":"tasks/get","params":{"taskId":"t"}}"#;
    let ended = r#"{"jsonrpc":"2.0","id":4,"result":{"taskId":"t","status":"failed"}}"#;
    let stream = |events: String| get().head(200, &[("content-type", "text/event-stream")]).chunk(events).end();
    let resumed = || get().header("last-event-id", "1").head(200, &[("content-type", "text/event-stream")]);
    vec![
        initialize
            .head(200, &[("content-type", "application/json"), ("mcp-session-id", "one")])
            .chunk(initialized)
            .end(),
        pending(1),
        stream(event(1, &answer(1))),
        // Its answer and a replay of it.
        call(2).head(200, &[("content-type", "text/event-stream")]).chunk("id: 2\ndata: \n\n").end(),
        resumed().chunk(event(3, &answer(2))).end(),
        resumed().chunk(event(3, &answer(2))).end(),
        stream(event(4, asked)),
        replied.answer(202, "", ""),
        call(3).json(task),
        Exchange::post(ask).header("mcp-session-id", "one").json(ended),
        Exchange::bodiless("GET", "/sse")
            .head(200, &[("content-type", "text/event-stream")])
            .chunk("event: endpoint\ndata: /messages/7\n\n")
            .end(),
        Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "one").answer(200, "", ""),
    ]
}

/// Counts, without what two runs do not have twice.
fn counts(table: &SeriesTable) -> Vec<(String, u64)> {
    let series = table.0.iter().filter_map(|(series, value)| match value {
        Value::Counter(count) => Some((series.to_string(), *count)),
        Value::Histogram(values) => Some((series.to_string(), values.len() as u64)),
        Value::Gauge(_) => None,
    });
    series.collect()
}

fn doubled(table: &SeriesTable) -> Vec<(String, u64)> {
    counts(table).into_iter().map(|(series, count)| (series, 2 * count)).collect()
}

/// What one session alone counts.
fn alone() -> SeriesTable {
    let host = Host::new().unwrap();
    let vm = host.start(&Plugin::new("")).unwrap();
    session().iter().for_each(|exchange| play(&vm, exchange));
    let table = scrape(&host, &[&vm]);
    for family in ["mcp_tasks_total", "mcp_server_requests_total", "mcp_sessions_total"] {
        assert_eq!(table.sum(family), 1, "{family}");
    }
    assert_eq!((table.sum("mcp_session_duration_microseconds"), table.sum("mcp_unmatched_responses_total")), (1, 0));
    assert_eq!((table.sum("mcp_requests_total"), table.sum("mcp_requests_in_flight")), (5, 0));
    table
}

#[test]
fn filters_with_different_layouts_do_not_share_data() {
    let host = Host::new().unwrap();
    let other = host.other_version(LAYOUT, OTHER_LAYOUT).unwrap();
    let [ours, theirs] = [&host, &other].map(|host| host.start(&Plugin::new("")).unwrap());
    // The same ids at the same time, and nothing that one of them keeps is found by the other.
    for exchange in session() {
        play(&ours, &exchange);
        play(&theirs, &exchange);
    }
    assert_eq!(counts(&scrape(&host, &[&ours, &theirs])), doubled(&alone()));
    let keys = host.shared_data_keys();
    let of = |layout: &[u8]| keys.iter().filter(|key| key.starts_with(layout)).count();
    assert!(of(LAYOUT) > 5, "{keys:?}");
    assert_eq!(of(LAYOUT), of(OTHER_LAYOUT));
    assert_eq!(of(b"mcp_observability/"), keys.len());
}

#[test]
fn foreign_shared_data_counts_as_missing() {
    let garbage = |value: &[u8]| [Vec::new(), vec![0x81], vec![0xff; 5000], value[..value.len() / 2].to_vec()];
    let alone = alone();
    for kind in 0..garbage(b"").len() {
        let host = Host::new().unwrap();
        let [one, other] = [0, 1].map(|_| host.start(&Plugin::new("")).unwrap());
        session().iter().for_each(|exchange| play(&one, exchange));
        one.tick().unwrap();
        for key in host.shared_data_keys() {
            let value = host.shared_data(&key).unwrap();
            host.set_shared_data(&key, &garbage(&value)[kind]);
        }
        session().iter().for_each(|exchange| play(&other, exchange));
        // Every slot is swept.
        host.advance(Duration::from_secs(301));
        (0..32).for_each(|_| one.tick().unwrap());
        let table = scrape(&host, &[&one, &other]);
        assert_eq!(counts(&table), doubled(&alone), "kind {kind}");
        assert_eq!(table.sum("mcp_requests_in_flight"), 0);
    }
}

#[test]
fn last_vm_ends_waiting_operations() {
    let host = Host::new().unwrap();
    let plugin = Plugin::new("");
    let [one, other] = [0, 1].map(|_| host.start(&plugin).unwrap());
    let in_flight = || host.series().unwrap().sum("mcp_requests_in_flight");
    [1, 2].iter().for_each(|&id| play(&one, &pending(id)));
    one.end().unwrap();
    // It is configured before the last of the other VMs ends, as in any update.
    let next = host.start(&plugin).unwrap();
    other.end().unwrap();
    assert_eq!(in_flight(), 2);
    let answered = get().sse(&[&answer(1)]);
    play(&next, &answered);
    // A VM that was dropped without an end counts until its lease expires.
    drop(host.start(&plugin).unwrap());
    host.advance(Duration::from_secs(3));
    next.end().unwrap();
    assert_eq!(in_flight(), 0);
    let ended: Vec<_> = host.series().unwrap().non_zero();
    let ended: Vec<_> = ended.iter().filter(|line| line.starts_with("mcp_requests_total")).collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert!(ended.iter().any(|line| line.contains("status=unknown")), "{ended:?}");
}
