//! Fuel and host calls of every recorded exchange against the committed table.
//!
//! `UPDATE_COST=1` rewrites `cost.tsv`. A commit with a rise gives the reason.

use std::path::Path;

use fake_envoy::{Cost, CostTable, Exchange, Framing};

use crate::support;

#[test]
fn no_exchange_costs_more_than_the_table() {
    let mut now = CostTable::default();
    for (name, exchange) in support::recorded() {
        let [cost, tick] = measure(&exchange);
        now.insert(&name, &cost);
        if name == "small_json" {
            now.insert("tick after small_json", &tick);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.tsv");
    if std::env::var_os("UPDATE_COST").is_some() {
        std::fs::write(&path, now.render()).unwrap();
    }
    let kept = CostTable::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    println!("{}", now.aligned(&kept));
    let problems = now.problems(&kept);
    assert!(problems.is_empty(), "{}\nUPDATE_COST=1 accepts this as it is.", problems.join("\n"));
}

/// Cost of the second run of an exchange on a worker, and of the tick after it: the first one defines the
/// series it meets, which happens once in the life of a worker.
fn measure(exchange: &Exchange) -> [Cost; 2] {
    let (_host, vm) = support::worker("{\"availability\":\"off\"}");
    vm.play(exchange, Framing::Http1).unwrap();
    vm.tick().unwrap();
    let cost = vm.play(exchange, Framing::Http1).unwrap().cost;
    let before = vm.cost();
    vm.tick().unwrap();
    [cost, vm.cost().since(&before)]
}

#[test]
fn exchange_without_mcp_reads_no_body() {
    let (_host, vm) = support::worker("");
    for (name, exchange) in support::recorded() {
        // A worker looks up a name in the shared data once, when it first occurs.
        vm.play(&exchange, Framing::Http1).unwrap();
        let calls = vm.play(&exchange, Framing::Http1).unwrap().cost.calls;
        assert!(name != "not_mcp_get" || !calls.contains_key("get_buffer"), "{name}: {calls:?}");
        // Only an exchange without a response looks up its outcome.
        let unanswered = ["get_stream", "local_reply_timeout", "notification_202"].contains(&name.as_str());
        assert!(unanswered || !calls.contains_key("get_property"), "{name}: {calls:?}");
        // Except the gauge of a session that another worker may end.
        let at_once = calls.get("increment_metric").copied().unwrap_or_default();
        let gauges = if name == "initialize" { 2 } else { 0 };
        assert!(at_once <= gauges, "{name}: counters wait for the tick, {calls:?}");
        // A stream in a session that is answered on itself shares the ids of its events, if it has any.
        let look_ups = ["get_shared_data", "set_shared_data"].map(|call| calls.get(call).copied().unwrap_or_default());
        match name.as_str() {
            "initialize" => assert!(look_ups[0] <= 5 && look_ups[1] <= 4, "{name}: {calls:?}"),
            "small_sse" | "sse_20_ids" => assert_eq!(look_ups, [1, 1], "{name}: {calls:?}"),
            _ => assert_eq!(look_ups, [0, 0], "{name}: {calls:?}"),
        }
    }
}

#[test]
fn table_survives_a_round_trip() {
    let mut table = CostTable::default();
    let cost = Cost { fuel: 1000, calls: [("get_header", 3), ("log", 1)].into() };
    table.insert("one", &cost);
    assert_eq!(CostTable::parse(&table.render()).unwrap(), table);
}

#[test]
fn fuel_may_fall_and_rise_a_little() {
    let table = |fuel| {
        let mut table = CostTable::default();
        table.insert("one", &Cost { fuel, calls: [("get_header", 3)].into() });
        table
    };
    assert!(table(1050).problems(&table(1000)).is_empty());
    assert!(table(10).problems(&table(1000)).is_empty());
    assert_eq!(table(1051).problems(&table(1000)), ["one: fuel 1051 was 1000"]);
}

#[test]
fn additional_host_call_fails() {
    let table = |calls: u64| {
        let mut table = CostTable::default();
        table.insert("one", &Cost { fuel: 1000, calls: [("get_header", calls)].into() });
        table
    };
    assert_eq!(table(3).problems(&table(2)), ["one: host calls get_header 3 were get_header 2"]);
    assert_eq!(table(1).problems(&table(2)).len(), 1);
    assert_eq!(table(1).problems(&CostTable::default()), ["one: not in the table"]);
    assert_eq!(CostTable::default().problems(&table(1)), ["one: only in the table"]);
}
