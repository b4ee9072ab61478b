//! Label values that peers choose: budgets, cleaning, forms and initial series.

use fake_envoy::{Exchange, Framing, Host, Plugin};

use super::{BYTES, CALL, check_with, ended};
use crate::support::{self, scrape};

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

fn call(tool: &str, is_error: bool) -> Exchange {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
    Exchange::post(&body).json(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"isError":{is_error}}}}}"#))
}

/// `tool_name` values with their count of calls, after these exchanges.
fn tools(configuration: &str, exchanges: &[Exchange]) -> Vec<String> {
    let (host, vm) = support::worker(configuration);
    for exchange in exchanges {
        vm.play(exchange, Framing::Http1).unwrap();
    }
    let table = scrape(&host, &[&vm]);
    let moved = table.family("mcp_tool_calls_total").filter(|(_, value)| !value.is_zero());
    moved.map(|(series, value)| format!("{} {value}", series.label("tool_name").unwrap())).collect()
}

#[test]
fn names_of_successful_calls_have_the_whole_budget() {
    let calls: Vec<Exchange> = ["a", "b", "c", "a"].map(|tool| call(tool, false)).into();
    assert_eq!(tools(r#"{"limits":{"tool_names":2}}"#, &calls), ["a 2", "b 1", "other 1"]);
}

#[test]
fn unconfirmed_names_share_a_budget_of_twenty() {
    let calls: Vec<Exchange> = (0..30).map(|number| call(&format!("t{number:02}"), true)).collect();
    let found = tools("", &calls);
    assert_eq!(found.len(), 21, "{found:?}");
    assert!(found.contains(&"other 10".to_owned()), "{found:?}");
}

#[test]
fn listed_names_come_first() {
    let list = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"listed"}]}}"#);
    let mut exchanges: Vec<Exchange> = (0..25).map(|number| call(&format!("t{number:02}"), true)).collect();
    exchanges.push(list);
    exchanges.push(call("listed", true));
    assert!(tools("", &exchanges).contains(&"listed 1".to_owned()));
}

#[test]
fn overflow_is_counted() {
    let (host, vm) = support::worker(r#"{"limits":{"tool_names":1}}"#);
    for tool in ["a", "b", "b"] {
        vm.play(&call(tool, false), Framing::Http1).unwrap();
    }
    vm.play(&Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"made/up"}"#).json(RESULT), Framing::Http1).unwrap();
    let lines = support::non_zero(&scrape(&host, &[&vm]));
    assert!(lines.contains(&"mcp_labels_overflowed_total{label=tool_name} 2".to_owned()), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("mcp_labels_overflowed")).count(), 1, "{lines:?}");
}

#[test]
fn label_values_are_cleaned_and_cut() {
    for (sent, shown) in [
        ("x;.;status=.=ok", "x_._status_._ok"),
        (r#"quote\"and\\slash"#, "quote_and_slash"),
        (r"line\nbreak\u0000\u0007", "line_break__"),
        ("café 😀", "café 😀"),
        ("cache.get.x", "cache.get.x"),
    ] {
        assert_eq!(tools("", &[call(sent, false)]), [format!("{shown} 1")]);
    }
    let long = "é".repeat(100);
    assert_eq!(tools("", &[call(&long, false)]), [format!("{} 1", "é".repeat(64))]);
    assert_eq!(tools(r#"{"limits":{"label_bytes":17}}"#, &[call(&long, false)]), [format!("{} 1", "é".repeat(8))]);
}

#[test]
fn invalid_utf8_becomes_underscores() {
    let mut exchange = call("X", false);
    for step in &mut exchange.steps {
        if let fake_envoy::Step::RequestBody(bytes) = step {
            let at = bytes.iter().position(|byte| *byte == b'X').unwrap();
            bytes.splice(at..=at, [b'a', 0xff, b'b']);
        }
    }
    assert_eq!(tools("", &[exchange]), ["a_b 1"]);
}

#[test]
fn resource_uri_has_the_configured_form() {
    let read = |uri: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"{uri}"}}}}"#);
        Exchange::post(&body).wait_ms(3).json(RESULT)
    };
    for (mode, uri, label) in [
        ("scheme", "USERS://42/profile?token=1", "users:"),
        ("scheme", "no scheme", "other"),
        ("authority", "postgres://me:secret@db:5432/t", "postgres://db:5432/*"),
        ("authority", "file:///etc/passwd", "file:///*"),
        ("authority", "urn:isbn:1", "urn:*"),
        ("full", "users://42/profile?token=1", "users://42/profile?token_1"),
    ] {
        let counted = format!("mcp_resource_reads_total{{resource_uri={label},status=ok}} 1");
        let fields = format!(r#""labels":{{"resource_uri":"{mode}"}}"#);
        check_with(&fields, uri, &[read(uri)], &[&ended("resources/read", "ok", ""), &counted, BYTES]);
    }
    let off = "mcp_resource_reads_total{status=ok} 1";
    let fields = r#""labels":{"resource_uri":"off"}"#;
    check_with(fields, "off", &[read("users://1")], &[&ended("resources/read", "ok", ""), off, BYTES]);
}

#[test]
fn families_with_fixed_labels_have_initial_series() {
    let (host, vm) = support::worker("");
    vm.open().close().unwrap();
    let zero = scrape(&host, &[&vm]).zero();
    for family in mcp_observe::FAMILIES {
        let counted = family.kind != mcp_observe::MetricKind::Histogram
            && family.labels == ["server_name"]
            && !["mcp_upstream_available", "mcp_filter_streams_total"].contains(&family.name);
        let series = format!("{}{{server_name=upstream}}", family.name);
        assert!(!counted || zero.contains(&series), "{series} is missing");
    }
    for series in [
        "mcp_requests_total{method=tools/call,server_name=upstream,status=ok}",
        "mcp_requests_total{method=tools/call,server_name=upstream,status=error,error_type=timeout}",
        "mcp_message_bytes_total{direction=in,server_name=upstream}",
        "mcp_parse_skipped_total{direction=out,reason=truncated,server_name=upstream}",
    ] {
        assert!(zero.iter().any(|line| line == series), "{series} is missing in {zero:#?}");
    }
}

#[test]
fn admitted_names_have_initial_series() {
    let (host, vm) = support::worker("");
    vm.play(&call("a", false), Framing::Http1).unwrap();
    vm.play(&call("b", true), Framing::Http1).unwrap();
    let zero = scrape(&host, &[&vm]).zero();
    for series in [
        "mcp_tool_calls_total{tool_name=a,server_name=upstream,status=error,error_type=tool_error}",
        "mcp_tool_calls_total{tool_name=b,server_name=upstream,status=ok}",
    ] {
        assert!(zero.iter().any(|line| line == series), "{series} is missing in {zero:#?}");
    }
}

#[test]
fn server_name_comes_from_cluster_configuration_or_workload() {
    let name = |configuration: &str, workload: Option<&[u8]>| {
        let host = Host::new().unwrap();
        if let Some(workload) = workload {
            host.set_property("xds.node.metadata.WORKLOAD_NAME", workload);
        }
        let vm = host.start(&Plugin::new(configuration)).unwrap();
        vm.play(&Exchange::post(CALL).json(RESULT), Framing::Http1).unwrap();
        let table = scrape(&host, &[&vm]);
        let moved = table.family("mcp_tool_calls_total").find(|(_, value)| !value.is_zero());
        moved.unwrap().0.label("server_name").unwrap().to_owned()
    };
    assert_eq!(name("", None), "upstream");
    assert_eq!(name(r#"{"server_name":"weather"}"#, None), "weather");
    assert_eq!(name(r#"{"server_name_from":"cluster"}"#, None), "upstream");
    assert_eq!(name(r#"{"server_name_from":"workload"}"#, Some(b"my app/1")), "my_app_1");
    assert_eq!(name(r#"{"server_name_from":"workload"}"#, None), "sidecar");
}

#[test]
fn foreign_shared_data_is_ignored() {
    for value in [&b""[..], b"x", &[0xff; 1000]] {
        let host = Host::new().unwrap();
        let plugin = Plugin::new("{\"filter_state\":true}");
        let vm = host.start(&plugin).unwrap();
        drop(vm);
        for key in host.shared_data_keys() {
            host.set_shared_data(&key, value);
        }
        let vm = host.start(&plugin).unwrap();
        vm.play(&Exchange::post(CALL).header("mcp-session-id", "s").json(RESULT), Framing::Http1).unwrap();
    }
}
