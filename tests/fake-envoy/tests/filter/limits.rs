//! Limits for any traffic: imports, size of the module, memory, number of series.

use std::collections::BTreeSet;

use fake_envoy::{ALLOWED_IMPORTS, Exchange, Framing, Host, Step, Stream, Vm};

use crate::support::{self, borrow, scrape, worker};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn call(id: usize, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
}

fn result(id: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"isError":false}}}}"#)
}

#[test]
fn imports_equal_the_list() {
    let host = Host::new().unwrap();
    let imported: BTreeSet<(String, String)> = host.imports().into_iter().collect();
    let unused: Vec<_> = ALLOWED_IMPORTS
        .iter()
        .filter(|import| !imported.contains(&(import.module.to_owned(), import.name.to_owned())))
        .map(|import| import.name)
        .collect();
    assert!(unused.is_empty(), "on the list and not imported: {unused:?}");
}

#[test]
fn module_is_small() {
    let size = Host::new().unwrap().module_size();
    assert!(size < 510_000, "{size} bytes");
}

#[test]
fn memory_is_small_when_idle() {
    let (_host, vm) = worker("");
    assert!(vm.memory_bytes() < 3 * MIB, "{}", vm.memory_bytes());
}

#[test]
fn memory_is_flat_over_many_requests() {
    let (_host, vm) = worker("{\"filter_state\":true}");
    let run = |from: usize, count: usize| {
        for id in from..from + count {
            let tool = format!("tool_{}", id % 50);
            let post = Exchange::post(&call(id, &tool)).header("mcp-session-id", &format!("session-{id}"));
            let exchange = match id % 4 {
                0 => post.sse(&[&result(id)]),
                1 => post.json(&result(id)),
                2 => post.head(200, &[("content-type", "text/event-stream")]).chunk("data: {\"js"),
                _ => post,
            };
            vm.play(&exchange, Framing::Http1).unwrap();
            if id % 1000 == 0 {
                vm.tick().unwrap();
            }
        }
    };
    // Then the tables of the store are full, and their values have their maximum length.
    run(0, 20_000);
    let warm = vm.memory_bytes();
    run(20_000, 100_000);
    assert_eq!(vm.memory_bytes(), warm);
    assert!(warm < 3 * MIB, "{warm}");
}

/// Opens `count` exchanges, plays their steps and leaves them open; the growth of memory in bytes.
fn growth(vm: &Vm, count: usize, exchange: &Exchange) -> usize {
    let before = vm.memory_bytes();
    let mut open: Vec<Stream<'_>> = (0..count).map(|_| vm.open()).collect();
    for stream in &mut open {
        for step in &exchange.steps {
            play(stream, step);
        }
    }
    let after = vm.memory_bytes();
    for stream in open {
        stream.close().unwrap();
    }
    after - before
}

fn play(stream: &mut Stream<'_>, step: &Step) {
    match step {
        Step::RequestHeaders(headers) => stream.request_headers(&borrow(headers), false).unwrap(),
        Step::ResponseHeaders(headers) => stream.response_headers(&borrow(headers), false).unwrap(),
        Step::RequestBody(chunk) => stream.request_body(chunk, false).unwrap(),
        Step::ResponseBody(chunk) => stream.response_body(chunk, false).unwrap(),
        Step::RequestEnd => stream.request_body(&[], true).unwrap(),
        other => panic!("{other:?} has no place here"),
    }
}

#[test]
fn running_exchange_keeps_little() {
    let (_host, vm) = worker("{\"filter_state\":true}");
    let open = Exchange::post(&call(1, "get_weather"))
        .header("mcp-session-id", "95ad4d04-6a2e-4f0e-9c0e-5d2f7f7c1b11")
        .header("mcp-protocol-version", "2025-11-25")
        .head(200, &[("content-type", "text/event-stream")])
        .chunk("event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\ndata: {\"result\":{\"content\":[{\"type\":\"te");
    vm.play(&open, Framing::Http1).unwrap();
    let growth = growth(&vm, 1000, &open);
    println!("{} bytes per running exchange", growth / 1000);
    assert!(growth < 1000 * 4 * KIB, "{growth} bytes for 1000 running exchanges");
}

#[test]
fn running_exchange_keeps_at_most_64_kib() {
    let long = "x".repeat(200_000);
    let name = "n".repeat(500);
    let batch: Vec<String> = (0..2000).map(|id| call(id, &name)).collect();
    let hostile = [
        call(1, &long),
        format!(r#"{{"jsonrpc":"2.0","id":"{long}","method":"{long}","params":{{"{long}":"{long}","uri":"{long}"}}}}"#),
        format!("[{}]", batch.join(",")),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        format!("\"{long}"),
    ];
    for body in hostile {
        let (_host, vm) = worker("{\"filter_state\":true}");
        let open = Exchange::post(&body)
            .header("mcp-session-id", &long)
            .header("mcp-method", &long)
            .header("mcp-name", &long)
            .head(200, &[("content-type", "text/event-stream")])
            .chunk(format!("event: {long}\nid: {long}\ndata: {{\"id\":\"{long}\",\"result\":{{\"{long}\":\"{long}"));
        vm.play(&open, Framing::Http1).unwrap();
        let growth = growth(&vm, 100, &open);
        assert!(growth <= 100 * 64 * KIB, "{growth} bytes for 100 exchanges of {:.60}", body);
    }
}

/// Batches of 100 calls under names that no call used before.
fn many_names(vm: &Vm, batches: usize, is_error: bool) {
    for batch in 0..batches {
        let ids = batch * 100..batch * 100 + 100;
        let calls: Vec<String> = ids.clone().map(|id| call(id, &format!("tool_{is_error}_{id}"))).collect();
        let answers: Vec<String> = ids
            .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"isError":{is_error}}}}}"#))
            .collect();
        let exchange = Exchange::post(&format!("[{}]", calls.join(","))).json(&format!("[{}]", answers.join(",")));
        vm.play(&exchange, Framing::Http2).unwrap();
    }
}

#[test]
fn million_tool_names_stay_within_budget() {
    let (host, vm) = worker("{\"availability\":\"off\"}");
    many_names(&vm, 50, true);
    many_names(&vm, 50, false);
    vm.tick().unwrap();
    let (series, memory) = (host.series_count(), vm.memory_bytes());
    many_names(&vm, 5_000, true);
    many_names(&vm, 5_000, false);
    let table = scrape(&host, &[&vm]);
    assert_eq!(table.sum("mcp_tool_calls_total"), 1_010_000);
    assert_eq!((host.series_count(), vm.memory_bytes()), (series, memory));
    let names: BTreeSet<&str> =
        table.family("mcp_tool_calls_total").filter_map(|(series, _)| series.label("tool_name")).collect();
    assert!(names.contains("other"));
    assert!(names.len() <= 221, "{} names: 200 admitted, 20 unconfirmed, other", names.len());
    assert!(table.sum("mcp_labels_overflowed_total") > 0);
}

#[test]
fn three_thousand_tools_are_no_overflow() {
    let (host, vm) = worker("");
    let tools: Vec<String> = (0..3000).map(|index| format!(r#"{{"name":"t{index}"}}"#)).collect();
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, tools.join(","));
    let ask = || Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    for exchange in [ask().sse(&[&list]), ask().json(&list)] {
        vm.play(&exchange.in_chunks_of(16 * KIB), Framing::Http1).unwrap();
    }
    let table = scrape(&host, &[&vm]);
    assert_eq!((table.sum("mcp_tools_listed_total"), table.sum("mcp_labels_overflowed_total")), (2, 0));
    // Those that have a place keep it; of the others each call is one value that was replaced.
    for id in [0, 199, 600, 2999] {
        vm.play(&Exchange::post(&call(id, &format!("t{id}"))).json(&result(id)), Framing::Http1).unwrap();
    }
    assert_eq!(scrape(&host, &[&vm]).sum("mcp_labels_overflowed_total"), 2);
}

#[test]
fn hostile_bodies_are_bounded() {
    let ten = "y".repeat(10 * MIB);
    let bodies: Vec<Vec<u8>> = vec![
        call(1, &ten).into_bytes(),
        format!(r#"{{"jsonrpc":"2.0","method":"{ten}","id":1}}"#).into_bytes(),
        format!(r#"{{"jsonrpc":"2.0","id":"{ten}","method":"ping"}}"#).into_bytes(),
        format!(r#"{{"{ten}":1,"jsonrpc":"2.0","id":1,"method":"ping"}}"#).into_bytes(),
        format!(r#"{{"jsonrpc":"2.0","id":{},"method":"ping"}}"#, "9".repeat(MIB)).into_bytes(),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(),
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        )
        .into_bytes(),
        "{\"a\":".repeat(100_000).into_bytes(),
        vec![0; MIB],
        vec![0xff; MIB],
        b"\\".repeat(MIB),
        b"\"".repeat(MIB),
        b"\xef\xbb\xbf".repeat(1000),
        call(1, "a\\u0000b").into_bytes(),
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"\xff\xfe\"}}".to_vec(),
        call(1, "x;.;status=.=ok").into_bytes(),
        call(1, "\\ud800").into_bytes(),
        call(1, "a\\u001b[31m").into_bytes(),
    ];
    let (host, vm) = worker("{\"filter_state\":true}");
    for body in &bodies {
        for answer in [&bodies[0], body] {
            for content_type in ["application/json", "text/event-stream", "text/plain", ""] {
                let mut exchange = Exchange::post("").header("mcp-method", "tools/call");
                exchange.steps.insert(1, Step::RequestBody(body.clone()));
                let exchange = exchange.head(200, &[("content-type", content_type)]).chunk(answer).end();
                vm.play(&exchange.in_chunks_of(64 * KIB), Framing::Http1).unwrap();
            }
        }
    }
    // The scrape itself fails on a series that is not of the family table.
    let table = scrape(&host, &[&vm]);
    let names: Vec<&str> =
        table.family("mcp_tool_calls_total").filter_map(|(series, _)| series.label("tool_name")).collect();
    assert!(names.contains(&"x_._status_._ok"), "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 128));
    assert!(vm.memory_bytes() < 3 * MIB, "{}", vm.memory_bytes());
}

#[test]
fn workers_share_series() {
    let host = Host::new().unwrap();
    let workers: Vec<Vm> = (0..2).map(|_| host.start(&fake_envoy::Plugin::default()).unwrap()).collect();
    for (id, vm) in workers.iter().enumerate() {
        vm.play(&Exchange::post(&call(id, "add")).json(&result(id)), Framing::Http1).unwrap();
    }
    let table = scrape(&host, &[&workers[0], &workers[1]]);
    assert!(support::non_zero(&table).contains(&"mcp_tool_calls_total{tool_name=add,status=ok} 2".to_owned()));
}
