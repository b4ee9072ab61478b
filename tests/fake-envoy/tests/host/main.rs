//! Tests of the host itself: it must report what a filter must not do; the other tests depend on it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod trace;

use fake_envoy::{Exchange, Fault, Framing, Host, Plugin, Step, Value, Vm};

/// A module in the text format: the exports every module needs, and what the test adds.
fn module(imports: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {imports}
             (memory (export "memory") 1)
             (func (export "proxy_abi_version_0_2_1"))
             (func (export "proxy_on_context_create") (param i32 i32))
             (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
             {body})"#
    );
    wat::parse_str(text).unwrap()
}

fn start(imports: &str, body: &str) -> (Host, Vm) {
    let host = Host::from_bytes(&module(imports, body)).unwrap();
    let vm = host.start(&Plugin::default()).unwrap();
    (host, vm)
}

fn play(imports: &str, body: &str) -> Result<(), Fault> {
    let (_host, vm) = start(imports, body);
    vm.play(&Exchange::post("{}").json("{}"), Framing::Http1).map(drop)
}

const METRICS: &str = r#"
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))"#;

/// A metric named `a=.=b;.;name` of this kind, defined with the stream; then `action` runs in the log phase.
fn metric(kind: u8, action: &str) -> String {
    format!(
        r#"(data (i32.const 0) "a=.=b;.;name")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $define (i32.const {kind}) (i32.const 0) (i32.const 12) (i32.const 100)))
           (func (export "proxy_on_log") (param i32) {action})"#
    )
}

#[test]
fn import_outside_the_list_fails() {
    let wasm = module(r#"(import "env" "proxy_make_coffee" (func (param i32) (result i32)))"#, "");
    let fault = Host::from_bytes(&wasm).err();
    assert_eq!(fault, Some(Fault::ForbiddenImports(vec!["env.proxy_make_coffee".to_owned()])));
}

#[test]
fn call_that_changes_traffic_fails() {
    let imports = r#"(import "env" "proxy_remove_header_map_value"
        (func $remove (param i32 i32 i32) (result i32)))"#;
    let body = r#"(func (export "proxy_on_log") (param i32)
        (drop (call $remove (i32.const 0) (i32.const 0) (i32.const 1))))"#;
    let expected = Fault::BadCall("proxy_remove_header_map_value is not for an observer".to_owned());
    assert_eq!(play(imports, body), Err(expected));
}

#[test]
fn pause_fails() {
    let body = r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    assert_eq!(play("", body), Err(Fault::Paused { callback: "proxy_on_response_body", action: 1 }));
}

#[test]
fn trap_fails() {
    let body = r#"(func (export "proxy_on_log") (param i32) unreachable)"#;
    assert!(matches!(play("", body), Err(Fault::Trap { callback: "proxy_on_log", .. })));
}

#[test]
fn endless_loop_fails() {
    let body = r#"(func (export "proxy_on_log") (param i32) (loop $again (br $again)))"#;
    assert!(matches!(play("", body), Err(Fault::Trap { callback: "proxy_on_log", .. })));
}

#[test]
fn counter_that_does_not_rise_fails() {
    let action = "(drop (call $increment (i32.load (i32.const 100)) (i64.const 0)))";
    assert!(matches!(play(METRICS, &metric(0, action)), Err(Fault::BadCall(_))));
}

#[test]
fn gauge_below_zero_fails() {
    let action = "(drop (call $increment (i32.load (i32.const 100)) (i64.const -1)))";
    assert!(matches!(play(METRICS, &metric(1, action)), Err(Fault::BadCall(_))));
}

#[test]
fn incremented_histogram_fails() {
    let action = "(drop (call $increment (i32.load (i32.const 100)) (i64.const 1)))";
    assert!(matches!(play(METRICS, &metric(2, action)), Err(Fault::BadCall(_))));
}

#[test]
fn undefined_metric_fails() {
    let action = "(drop (call $record (i32.const 400) (i64.const 1)))";
    assert!(matches!(play(METRICS, &metric(2, action)), Err(Fault::BadCall(_))));
}

#[test]
fn response_headers_before_they_exist_fail() {
    let imports = r#"(import "env" "proxy_get_header_map_value"
        (func $get (param i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $get (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 104)))"#;
    assert!(matches!(play(imports, body), Err(Fault::BadCall(_))));
}

#[test]
fn metrics_are_shared_by_name_and_ids_are_not() {
    let action = "(drop (call $increment (i32.load (i32.const 100)) (i64.const 2)))";
    let host = Host::from_bytes(&module(METRICS, &metric(0, action))).unwrap();
    for _ in 0..2 {
        let worker = host.start(&Plugin::default()).unwrap();
        worker.play(&Exchange::post("{}").json("{}"), Framing::Http2).unwrap();
    }
    let table = host.series().unwrap();
    assert_eq!(table.non_zero(), ["name{a=b} 4"]);
    assert!(matches!(table.0.values().next(), Some(Value::Counter(4))));
}

#[test]
fn cost_counts_host_calls() {
    let action = "(drop (call $increment (i32.load (i32.const 100)) (i64.const 1)))";
    let (_host, vm) = start(METRICS, &metric(0, action));
    let played = vm.play(&Exchange::post("{}").json("{}"), Framing::Http1).unwrap();
    assert_eq!(played.cost.total_calls(), 2);
    assert!(played.cost.fuel > 0);
}

#[test]
fn label_value_with_separator_fails() {
    use fake_envoy::Series;
    let broken = b"tool_name=.=x;.;status=.=ok;.;status=.=error;.;family";
    assert!(Series::from_stat_name(broken).is_err());
    assert!(Series::from_stat_name(b"tool_name=.=a\"b;.;family").is_err());
    assert!(Series::from_stat_name(b"a=.=\xff;.;family").is_err());
    assert_eq!(Series::from_stat_name(b"a=.=;.;b=.=c;.;family").unwrap().to_string(), "family{b=c}");
}

/// Records the end flag of every body callback as a digit of a counter.
const END_FLAGS: &str = r#"
    (data (i32.const 0) "a=.=b;.;name")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $define (i32.const 2) (i32.const 0) (i32.const 12) (i32.const 100)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
      (call $record (i32.load (i32.const 100)) (i64.extend_i32_u (local.get 2))))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
      (call $record (i32.load (i32.const 100))
        (i64.add (i64.mul (i64.extend_i32_u (local.get 1)) (i64.const 10))
                 (i64.extend_i32_u (local.get 2)))))"#;

/// Samples of the module above for one response: `size * 10 + end`.
fn seen(exchange: &Exchange, framing: Framing) -> Vec<String> {
    let (host, vm) = start(METRICS, END_FLAGS);
    vm.play(exchange, framing).unwrap();
    host.series().unwrap().non_zero()
}

#[test]
fn end_of_stream_follows_the_framing() {
    let two = Exchange::post("{}").head(200, &[]).chunk("abc").chunk("de").end();
    assert_eq!(seen(&two, Framing::Http1), ["name{a=b} [0, 30, 20, 1]"]);
    assert_eq!(seen(&two, Framing::Http2), ["name{a=b} [0, 30, 21]"]);
    let none = Exchange::post("{}").head(202, &[]).end();
    assert_eq!(seen(&none, Framing::Http1), ["name{a=b} [1]"]);
    let trailers = Exchange::post("{}").head(200, &[]).chunk("abc").then(Step::ResponseTrailers(Vec::new())).end();
    assert_eq!(seen(&trailers, Framing::Http1), ["name{a=b} [0, 30]"]);
    let broken = Exchange::post("{}").head(200, &[]).chunk("abc");
    assert_eq!(seen(&broken, Framing::Http2), ["name{a=b} [0, 30]"]);
}

#[test]
fn fixture_equals_the_builder() {
    let text = "# a comment\n=== request headers\n:method: POST\n=== request body\n{{text 5}}\n=== request end\n\
                === wait 3ms\n=== flags 0x4\n=== response headers\n:status: 200\n=== response events\ndata: 1\n\n\
                === response end\n";
    let parsed = fake_envoy::parse_exchange(text).unwrap();
    let built = Exchange {
        steps: vec![
            Step::RequestHeaders(vec![(":method".to_owned(), b"POST".to_vec())]),
            Step::RequestBody(b"The q".to_vec()),
            Step::RequestEnd,
        ],
    };
    assert_eq!(parsed, built.wait_ms(3).flags(4).head(200, &[]).chunk("data: 1\n\n").end());
    assert!(fake_envoy::parse_exchange("=== reply\n").is_err());
}

/// Writes `x` under `k` with this version in the log phase, and records the host's answer.
fn answers_to_writes(versions: &[u32]) -> Vec<String> {
    let imports = format!(
        r#"{METRICS}(import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))"#
    );
    let writes: String = versions
        .iter()
        .map(|version| {
            format!(
                "(drop (call $record (i32.load (i32.const 100)) (i64.extend_i32_u \
                 (call $set (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const {version})))))"
            )
        })
        .collect();
    let (host, vm) = start(&imports, &metric(2, &writes));
    vm.play(&Exchange::post("{}").json("{}"), Framing::Http1).unwrap();
    host.series().unwrap().non_zero()
}

#[test]
fn shared_data_write_needs_the_read_version_or_no_value() {
    // A version that Envoy never gave out writes only a new key; 0 is no version. 8 is a mismatch.
    let never = u32::MAX;
    assert_eq!(answers_to_writes(&[never, never, 1, 1, 2, 0, 0]), ["name{a=b} [0, 8, 0, 8, 0, 0, 0]"]);
}
