//! Counts and samples reach Envoy at a tick, and none are lost without one: with many calls, at the end of a plugin, at a change
//! of its configuration.

use fake_envoy::{Exchange, Framing, Host, SeriesTable, Stream, Vm};

use crate::support::worker;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
/// The families that have one count or one sample of each call.
const FAMILIES: [&str; 5] = [
    "mcp_requests_total",
    "mcp_tool_calls_total",
    "mcp_request_duration_microseconds",
    "mcp_tool_duration_microseconds",
    "mcp_tool_result_bytes",
];

fn play(vm: &Vm, calls: usize) {
    let exchange = Exchange::post(CALL).answer(200, "application/json", ANSWER);
    (0..calls).for_each(|_| {
        vm.play(&exchange, Framing::Http1).unwrap();
    });
}

/// A call whose response did not come yet.
fn begin(vm: &Vm) -> Stream<'_> {
    let mut stream = vm.open();
    let headers =
        [(":method", "POST"), (":path", "/mcp"), ("content-type", "application/json"), ("mcp-session-id", "s")];
    stream.request_headers(&headers.map(|(name, value)| (name, value.as_bytes())), false).unwrap();
    stream.request_body(CALL.as_bytes(), true).unwrap();
    stream
}

fn answer(mut stream: Stream<'_>) {
    stream.response_headers(&[(":status", b"200"), ("content-type", b"application/json")], false).unwrap();
    stream.response_body(ANSWER.as_bytes(), true).unwrap();
    stream.close().unwrap();
}

fn sums(table: &SeriesTable) -> [u64; 5] {
    FAMILIES.map(|family| table.sum(family))
}

fn flushed(host: &Host) -> [u64; 5] {
    sums(&host.series().unwrap())
}

#[test]
fn tick_flushes_counts_and_samples() {
    let (host, vm) = worker("");
    play(&vm, 3);
    assert_eq!(flushed(&host), [0; 5]);
    vm.tick().unwrap();
    assert_eq!(flushed(&host), [3; 5]);
    vm.tick().unwrap();
    assert_eq!(flushed(&host), [3; 5], "nothing is flushed twice");
}

#[test]
fn full_buffer_is_flushed_without_a_tick() {
    let (host, vm) = worker("");
    let mut last = 0;
    for _ in 0..400 {
        play(&vm, 1);
        let [calls, others @ ..] = flushed(&host);
        assert_eq!(others, [calls; 4], "counts and samples of a call are flushed together");
        last = calls;
    }
    assert!(last > 300, "{last}");
    vm.tick().unwrap();
    assert_eq!(flushed(&host), [400; 5]);
}

#[test]
fn samples_survive_the_end_of_the_plugin() {
    let (host, vm) = worker("");
    let late = begin(&vm);
    play(&vm, 7);
    vm.end().unwrap();
    assert_eq!(flushed(&host), [7; 5]);
    answer(late);
    assert_eq!(flushed(&host), [8; 5], "no tick comes");
}

#[test]
fn samples_survive_a_configuration_change() {
    let (host, vm) = worker("");
    let late = begin(&vm);
    play(&vm, 5);
    vm.configure(br#"{"server_name":"next"}"#).unwrap();
    assert!(vm.is_configured());
    assert_eq!(flushed(&host), [5; 5]);
    play(&vm, 2);
    answer(late);
    assert_eq!(flushed(&host), [6; 5], "the stream has the plugin that it began with");
    vm.tick().unwrap();
    let table = host.series().unwrap();
    assert_eq!(sums(&table), [8; 5]);
    let next = table.family("mcp_tool_calls_total").filter(|(series, _)| series.label("server_name") == Some("next"));
    assert_eq!(next.filter(|(_, value)| !value.is_zero()).count(), 1);
}
