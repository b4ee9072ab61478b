//! The cost of every recorded exchange against the committed table.
//!
//! `UPDATE_COST=1 scripts/cost.sh` rewrites `cost.tsv`. A commit with a rise gives the reason.

use std::path::Path;

use fake_envoy::{Cost, CostTable, Footprint, Framing, Host, Plugin, measure, measure_all};

use crate::support;

#[test]
fn no_exchange_costs_more_than_the_table() {
    let mut now = CostTable::default();
    for measured in measure_all().unwrap() {
        now.insert(&measured.name, &measured.cost, &measured.footprint);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.tsv");
    let kept = CostTable::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    println!("{}", now.aligned(&kept));
    let problems = now.problems(&kept);
    assert!(problems.is_empty(), "{}\nUPDATE_COST=1 scripts/cost.sh accepts this as it is.", problems.join("\n"));
}

#[test]
fn every_exchange_is_measured_the_same_twice() {
    for (name, exchange) in support::recorded() {
        let [first, first_tick] = measure(&name, &exchange).unwrap();
        let [second, second_tick] = measure(&name, &exchange).unwrap();
        assert!(first == second, "{name}: {:?} {:?}", first.footprint, second.footprint);
        assert!(first_tick == second_tick, "tick after {name}");
        assert!(first.footprint.functions > 0 && first.footprint.pages <= first.footprint.lines, "{name}");
    }
}

#[test]
fn traced_copy_does_what_the_filter_does() {
    let (plain, traced) = (Host::new().unwrap(), Host::traced().unwrap());
    let vms = [&plain, &traced].map(|host| host.start(&Plugin::default()).unwrap());
    for (name, exchange) in support::recorded() {
        let [one, copy] = [&vms[0], &vms[1]].map(|vm| vm.play(&exchange, Framing::Http1).unwrap());
        assert_eq!(one.filter_state, copy.filter_state, "{name}");
        assert_eq!(one.cost.calls, copy.cost.calls, "{name}");
        assert_eq!(one.cost.host_allocations, copy.cost.host_allocations, "{name}");
        assert_eq!(vms[0].memory_bytes(), vms[1].memory_bytes(), "{name}");
    }
    assert_eq!(support::scrape(&plain, &[&vms[0]]), support::scrape(&traced, &[&vms[1]]));
    assert_eq!(plain.log(), traced.log());
}

#[test]
fn allocations_include_those_for_the_host() {
    let exchanges = support::recorded();
    let (name, exchange) = exchanges.iter().find(|(name, _)| name == "small_json").unwrap();
    let [measured, _] = measure(name, exchange).unwrap();
    // Envoy's own allocations end in the module's allocator too.
    assert!(measured.cost.host_allocations > 0);
    assert!(measured.footprint.allocations >= measured.cost.host_allocations, "{:?}", measured.footprint);
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
            // Another worker may have seen another list.
            "tools_list" => assert_eq!(look_ups, [1, 0], "{name}: {calls:?}"),
            "small_sse" | "sse_20_ids" => assert_eq!(look_ups, [1, 1], "{name}: {calls:?}"),
            _ => assert_eq!(look_ups, [0, 0], "{name}: {calls:?}"),
        }
    }
}

/// A table of one exchange with these counts.
fn table(cost: &Cost, footprint: &Footprint) -> CostTable {
    let mut table = CostTable::default();
    table.insert("one", cost, footprint);
    table
}

/// A cost whose counts are all the same.
fn all(count: u64) -> (Cost, Footprint) {
    let cost = Cost { fuel: count, calls: [("get_header", 3), ("log", 1)].into(), host_allocations: count };
    let footprint = Footprint { functions: count, code: count, lines: count, pages: count, allocations: count };
    (cost, footprint)
}

#[test]
fn table_survives_a_round_trip() {
    let (mut cost, _) = all(7);
    cost.fuel = 1;
    let footprint = Footprint { functions: 2, code: 3, lines: 4, pages: 5, allocations: 6 };
    let table = table(&cost, &footprint);
    let text = table.render();
    assert_eq!(
        text,
        "exchange\tfuel\tfunctions\tcode\tlines\tpages\tallocations\thost allocations\tcalls\tby call\n\
         one\t1\t2\t3\t4\t5\t6\t7\t4\tget_header 3, log 1\n"
    );
    assert_eq!(CostTable::parse(&text).unwrap(), table);
}

#[test]
fn table_without_a_column_is_refused() {
    let (cost, footprint) = all(1);
    let text = table(&cost, &footprint).render();
    let shorter = text.replace("one\t1\t", "one\t");
    assert!(CostTable::parse(&shorter).is_err());
    assert!(CostTable::parse(&text.replace("one\t1\t", "one\t1\t1\t")).is_err());
}

#[test]
fn each_count_may_fall_and_rise_a_little() {
    let ((small, few), (kept, kept_few), (high, many)) = (all(10), all(1000), all(1050));
    assert!(table(&high, &many).problems(&table(&kept, &kept_few)).is_empty());
    assert!(table(&small, &few).problems(&table(&kept, &kept_few)).is_empty());
}

#[test]
fn rise_of_each_count_is_reported() {
    let ((kept, few), (high, many)) = (all(1000), all(1051));
    let kept = table(&kept, &few);
    let columns = ["fuel", "functions", "code", "lines", "pages", "allocations", "host allocations"];
    let expected = columns.map(|column| format!("one: {column} 1051 was 1000"));
    assert_eq!(table(&high, &many).problems(&kept), expected);
    // Each alone.
    let (base, base_few) = all(1000);
    let rises: [(Cost, Footprint); 7] = [
        (Cost { fuel: 1051, ..base.clone() }, base_few.clone()),
        (base.clone(), Footprint { functions: 1051, ..base_few.clone() }),
        (base.clone(), Footprint { code: 1051, ..base_few.clone() }),
        (base.clone(), Footprint { lines: 1051, ..base_few.clone() }),
        (base.clone(), Footprint { pages: 1051, ..base_few.clone() }),
        (base.clone(), Footprint { allocations: 1051, ..base_few.clone() }),
        (Cost { host_allocations: 1051, ..base }, base_few),
    ];
    for ((cost, footprint), expected) in rises.iter().zip(expected) {
        assert_eq!(table(cost, footprint).problems(&kept), [expected]);
    }
}

#[test]
fn first_allocation_of_an_exchange_is_reported() {
    let (kept, few) = all(0);
    let more = Footprint { allocations: 1, ..few.clone() };
    assert_eq!(table(&kept, &more).problems(&table(&kept, &few)), ["one: allocations 1 was 0"]);
}

#[test]
fn additional_host_call_fails() {
    let table = |calls: u64| {
        let cost = Cost { fuel: 1000, calls: [("get_header", calls)].into(), host_allocations: 0 };
        table(&cost, &Footprint::default())
    };
    assert_eq!(table(3).problems(&table(2)), ["one: host calls get_header 3 were get_header 2"]);
    assert_eq!(table(1).problems(&table(2)).len(), 1);
    assert_eq!(table(1).problems(&CostTable::default()), ["one: not in the table"]);
    assert_eq!(CostTable::default().problems(&table(1)), ["one: only in the table"]);
}

#[test]
fn aligned_table_shows_what_changed() {
    let ((kept, few), (mut now, many)) = (all(1000), all(1020));
    now.fuel = 1000;
    now.calls.insert("log", 2);
    let text = table(&now, &many).aligned(&table(&kept, &few));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let cells: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[..4], ["one", "1000", "1020 +2.0%", "1020 +2.0%"]);
    assert_eq!(cells[8], "5 +25.0%");
    assert_eq!(lines[2], "one: host calls get_header 3, log 2 were get_header 3, log 1");
    assert_eq!(lines[0].len(), lines[1].len(), "{text}");
}
