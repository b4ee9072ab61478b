#[cfg(not(target_arch = "wasm32"))]
mod allocations;
mod clients;
mod every_family;
mod flushes;
mod tools;

use super::Metrics;
use super::Recorder;
use crate::config::{ClientNameLabel, Config, ServerNameFrom};
use crate::host::{Failure, SharedData, Versioned};
use crate::label::ResourceUriLabel;
use crate::observation::{Observation, Observer, PublishedLabels};
use crate::recorder::family::MetricKind;
use crate::shared_data::InMemory;
use crate::test;
use crate::testing::{Proxy, Script};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A host that stores the stats and refuses what Envoy refuses.
#[derive(Default)]
struct Memory {
    stats: RefCell<Vec<(MetricKind, String)>>,
    values: RefCell<BTreeMap<String, i64>>,
    shared: InMemory,
}

impl SharedData for Memory {
    fn read(&self, key: &str) -> Option<Versioned> {
        self.shared.read(key)
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        self.shared.write(key, value, version)
    }
}

impl Metrics for Memory {
    fn define(&self, kind: MetricKind, family: &str, labels: &[(&str, &str)]) -> Option<u32> {
        let mut stats = self.stats.borrow_mut();
        let labels = labels.iter().map(|(label, value)| format!("{label}={value} "));
        let stat = labels.collect::<String>() + family;
        let before = self.values.borrow_mut().insert(stat.clone(), 0);
        assert_eq!(before, None, "{stat} is defined twice");
        stats.push((kind, stat));
        u32::try_from(stats.len() - 1).ok()
    }

    fn add(&self, id: u32, amount: i64) {
        let (kind, name) = &self.stats.borrow()[id as usize];
        assert!(*kind == MetricKind::Gauge || (*kind == MetricKind::Counter && amount > 0), "{name} by {amount}");
        *self.values.borrow_mut().get_mut(name).unwrap() += amount;
    }

    fn record(&self, id: u32, value: u64) {
        let (kind, name) = &self.stats.borrow()[id as usize];
        let mut values = self.values.borrow_mut();
        let slot = values.get_mut(name).unwrap();
        match kind {
            MetricKind::Counter => panic!("{name} is set"),
            MetricKind::Gauge => *slot = value as i64,
            MetricKind::Histogram => *slot += 1,
        }
    }
}

struct Recording<'a> {
    recorder: &'a mut Recorder,
    memory: &'a Memory,
    server: &'a str,
}

impl PublishedLabels for Recording<'_> {}

impl Observer for Recording<'_> {
    fn observe(&mut self, observation: Observation<'_>) {
        let server = self.recorder.server(self.server.as_bytes());
        self.recorder.record(server, &observation, self.memory);
    }
}

/// Plays the scripts. Returns the series that are not 0 in a readable form, and the number of all series.
fn play(config: &Config, scripts: &[Script]) -> (Vec<String>, usize) {
    let memory = Memory::default();
    let mut recorder = Recorder::new(Rc::new(config.clone()));
    let proxy = Proxy::default();
    for script in scripts {
        let script = Script { config: config.clone(), ..script.clone() };
        script.play_to(&proxy, &mut Recording { recorder: &mut recorder, memory: &memory, server: "weather" });
        recorder.flush(&memory);
    }
    let values = memory.values.borrow();
    let shown = |name: &String| name.replace("server_name=weather ", "");
    let set = values.iter().filter(|(_, value)| **value != 0).map(|(name, value)| format!("{} {value}", shown(name)));
    (set.collect(), values.len())
}

fn config() -> Config {
    Config { server_name: "weather".to_owned(), ..Config::default() }
}

fn call(tool: &str) -> Script {
    Script::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#))
}

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const TOOL_ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true}}"#;

#[test]
fn tool_call_counts_in_all_its_families() {
    let (series, _) = play(&config(), &[call("add").json(OK)]);
    assert_eq!(
        series,
        [
            "client_name=unknown status=ok mcp_client_requests_total 1",
            "direction=in mcp_message_bytes_total 70",
            "direction=out mcp_message_bytes_total 36",
            &format!("filter_version={} mcp_filter_info 1", env!("CARGO_PKG_VERSION")),
            "method=tools/call status=ok error_type= mcp_requests_total 1",
            "method=tools/call status=ok mcp_request_duration_microseconds 1",
            "mcp_filter_streams_total 1",
            "mcp_upstream_available 1",
            "tool_name=add mcp_tool_duration_microseconds 1",
            "tool_name=add mcp_tool_request_bytes_total 70",
            "tool_name=add mcp_tool_result_bytes 1",
            "tool_name=add status=ok error_type= mcp_tool_calls_total 1",
        ]
    );
}

#[test]
fn initial_series_are_zero() {
    let (_, before) = play(&config(), &[Script::get().without("mcp-protocol-version")]);
    assert!(before > 100, "{before}");
    let memory = Memory::default();
    let mut recorder = Recorder::new(Rc::new(config()));
    recorder.flush(&memory);
    let values = memory.values.borrow();
    for name in [
        "method=tools/call server_name=weather status=error error_type=tool_error mcp_requests_total",
        "method=initialize server_name=weather status=ok error_type= mcp_requests_total",
        "label=tool_name server_name=weather mcp_labels_overflowed_total",
        "direction=out reason=too_deep server_name=weather mcp_parse_skipped_total",
        "server_name=weather mcp_active_connections",
    ] {
        assert_eq!(values.get(name), Some(&0), "{name}");
    }
}

#[test]
fn unconfirmed_names_are_bounded() {
    let mut scripts: Vec<_> = (0..500).map(|index| call(&format!("invented{index}")).json(TOOL_ERROR)).collect();
    scripts.push(
        Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
            .json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"real"}]}}"#),
    );
    scripts.push(call("real").json(TOOL_ERROR));
    let (series, _) = play(&config(), &scripts);
    let tools: Vec<_> = series.iter().filter(|line| line.contains("mcp_tool_calls_total")).collect();
    assert_eq!(tools.len(), 22, "20 unconfirmed, other, and the one that was published: {tools:?}");
    assert!(series.contains(&"label=tool_name mcp_labels_overflowed_total 480".to_owned()));
    assert!(series.contains(&"tool_name=other status=error error_type=tool_error mcp_tool_calls_total 480".to_owned()));
    assert!(series.contains(&"tool_name=real status=error error_type=tool_error mcp_tool_calls_total 1".to_owned()));
}

fn lists(method: &str, member: &str, naming: &str, names: &[String]) -> Script {
    let items: Vec<_> = names.iter().map(|name| format!(r#"{{"{naming}":"{name}"}}"#)).collect();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[{}]}}}}"#, items.join(","));
    Script::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).json(&answer)
}

#[test]
fn listed_name_without_room_is_no_overflow() {
    let names: Vec<_> = (0..300).map(|index| format!("n{index}")).collect();
    let uris: Vec<_> = (0..300).map(|index| format!("s{index}://{index}")).collect();
    let lists = [
        lists("tools/list", "tools", "name", &names),
        lists("prompts/list", "prompts", "name", &names),
        lists("resources/list", "resources", "uri", &uris),
        lists("resources/templates/list", "resourceTemplates", "uriTemplate", &uris),
    ];
    for by_list in [ResourceUriLabel::Published, ResourceUriLabel::Scheme] {
        let config = Config { resource_uri: by_list, ..config() };
        let overflowed = |scripts: &[Script]| {
            let (series, _) = play(&config, scripts);
            series.into_iter().filter(|line| line.contains("overflowed")).collect::<Vec<_>>()
        };
        assert_eq!(overflowed(&lists), [""; 0]);
        let replaced = [&lists[..1], &[call("n299").json(OK), call("n0").json(OK)]].concat();
        assert_eq!(overflowed(&replaced), ["label=tool_name mcp_labels_overflowed_total 1"]);
    }
}

#[test]
fn overflow_counts_once_per_operation() {
    let config = Config { semconv: true, ..config() };
    let codes = (0..40).map(|code| {
        call("add").json(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"x"}}}}"#))
    });
    let (series, _) = play(&config, &codes.collect::<Vec<_>>());
    let code = format!("label=error_code mcp_labels_overflowed_total {}", 40 - config.limits.error_codes);
    assert!(series.contains(&code), "{series:?}");
}

#[test]
fn server_without_room_overflows_with_each_operation() {
    let memory = Memory::default();
    let config = Config { server_name_from: ServerNameFrom::Cluster, ..config() };
    let mut recorder = Recorder::new(Rc::new(config.clone()));
    let proxy = Proxy::default();
    for number in 0..260 {
        let server = format!("cluster-{number}");
        for script in [call("add").json(OK), Script::get().without("mcp-protocol-version")] {
            let script = Script { config: config.clone(), ..script };
            script.play_to(&proxy, &mut Recording { recorder: &mut recorder, memory: &memory, server: &server });
        }
    }
    recorder.flush(&memory);
    let overflowed = "label=server_name server_name=other mcp_labels_overflowed_total";
    assert_eq!(memory.values.borrow().get(overflowed), Some(&4));
}

#[test]
fn task_has_the_tool_name_of_its_call() {
    let mut config = config();
    config.limits.tool_names = 1;
    let begun = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t"}}"#;
    let ended = r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"t","status":"completed"}}"#;
    let get = Script::post(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#).json(ended);
    let (series, _) = play(&config, &[call("first").json(OK), call("second").json(begun), get]);
    assert!(series.contains(&"tool_name=other status=completed mcp_tasks_total 1".to_owned()), "{series:?}");
    assert!(series.contains(&"label=tool_name mcp_labels_overflowed_total 1".to_owned()), "{series:?}");
}

#[test]
fn hostile_name_stays_in_its_label() {
    let (series, _) = play(&config(), &[call("x;.;status=.=ok\\u0000").json(OK)]);
    assert!(
        series.contains(&"tool_name=x_._status_._ok_ status=ok error_type= mcp_tool_calls_total 1".to_owned()),
        "{series:?}"
    );
}

#[test]
fn settings_add_client_name_and_semconv_histogram() {
    let initialize = Script::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"cli=1"},"protocolVersion":"x"}}"#,
    )
    .json(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#);
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000}}"#;
    let config = Config { client_name: ClientNameLabel::Requests, semconv: true, ..config() };
    let (series, _) = play(&config, &[initialize.without("mcp-protocol-version"), call("add").json(error)]);
    assert!(
        series.contains(
            &"protocol_version=2025-11-25 transport=streamable_http client_name=cli_1 mcp_sessions_total 1".to_owned()
        ),
        "{series:?}"
    );
    let semconv = "method=tools/call tool_name=add error_type=rpc_error error_code=-32000 protocol_version=2025-11-25 \
                 mcp_server_operation_duration_microseconds 1";
    assert!(series.contains(&semconv.to_owned()), "{series:?}");
    let semconv = "method=initialize tool_name= error_type= error_code= protocol_version=2025-11-25 \
                 mcp_server_operation_duration_microseconds 1";
    assert!(series.contains(&semconv.to_owned()), "{series:?}");
}

#[test]
fn errors_of_the_caller_have_no_error_type_in_the_semconv_histogram() {
    let config = Config { semconv: true, ..config() };
    let error = |code: i64| call("add").json(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code}}}}}"#));
    for (code, error_type) in [
        (-32700, ""),
        (-32600, ""),
        (-32601, ""),
        (-32602, ""),
        (-32002, ""),
        (-32603, "rpc_error"),
        (-32000, "rpc_error"),
        (-32022, "rpc_error"),
    ] {
        let (series, _) = play(&config, &[error(code)]);
        let semconv = format!(
            "method=tools/call tool_name=add error_type={error_type} error_code={code} protocol_version=2025-11-25 \
             mcp_server_operation_duration_microseconds 1"
        );
        assert!(series.contains(&semconv), "{series:?}");
        let kind = if error_type.is_empty() { "invalid_request" } else { error_type };
        let ended = format!("method=tools/call status=error error_type={kind} mcp_requests_total 1");
        assert!(series.contains(&ended), "{series:?}");
    }
}

#[test]
fn series_of_an_outage_are_initial_series() {
    let (memory, mut recorder) = (Memory::default(), Recorder::new(Rc::new(config())));
    recorder.flush(&memory);
    let initial = |series: &str| assert_eq!(memory.values.borrow().get(series), Some(&0), "{series}");
    for error_type in ["http_error", "upstream_unavailable"] {
        initial(&format!("method=unseen server_name=weather status=error error_type={error_type} mcp_requests_total"));
    }
    for status in ["ok", "unsupported", "error"] {
        initial(&format!("status={status} server_name=weather mcp_stream_opens_total"));
    }
}

#[test]
fn semconv_histogram_has_the_protocol_version_of_the_session() {
    let config = Config { semconv: true, ..config() };
    let initialize = Script::post(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#)
        .without("mcp-protocol-version")
        .header("mcp-session-id", "5c99c753")
        .json(r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-03-26"}}"#);
    let call = call("add").without("mcp-protocol-version").header("mcp-session-id", "5c99c753").json(OK);
    let (series, _) = play(&config, &[initialize, call]);
    let semconv = "method=tools/call tool_name=add error_type= error_code= protocol_version=2025-03-26 \
                 mcp_server_operation_duration_microseconds 1";
    assert!(series.contains(&semconv.to_owned()), "{series:?}");
}

#[test]
fn semconv_histogram_is_bounded() {
    let config = Config { semconv: true, ..config() };
    let tools = || (0..100).map(|index| call(&format!("tool{index}")));
    let mut scripts: Vec<_> = tools().map(|call| call.json(OK)).collect();
    for code in 1..=12 {
        let error = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code}}}}}"#);
        scripts.extend(tools().map(|call| call.json(&error)));
    }
    // Combinations that were admitted keep their place.
    scripts.extend(tools().map(|call| call.json(OK)));
    let (series, _) = play(&config, &scripts);
    let semconv = |line: &&String| line.contains("mcp_server_operation_duration");
    let total: i64 =
        series.iter().filter(semconv).filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).sum();
    assert_eq!(total, 1400);
    assert_eq!(series.iter().filter(semconv).count(), 1001);
    let rest = "method=other tool_name= error_type=rpc_error error_code= protocol_version= \
                mcp_server_operation_duration_microseconds 300";
    assert!(series.contains(&rest.to_owned()), "{series:?}");
    assert!(series.contains(&"label=semconv mcp_labels_overflowed_total 300".to_owned()), "{series:?}");
}

#[test]
fn availability_follows_the_traffic() {
    let gauge = |scripts: &[Script], config: &Config| {
        play(config, scripts).0.into_iter().any(|line| line == "mcp_upstream_available 1")
    };
    let down = call("add").answered(503, "text/plain", "x").broken(Failure::Unavailable);
    assert!(!gauge(&[call("add").json(OK), down.clone()], &config()));
    assert!(gauge(&[down, call("add").json(OK)], &config()));
    let off = Config { availability: crate::config::Availability::Off, ..config() };
    assert!(!gauge(&[call("add").json(OK)], &off));
}
