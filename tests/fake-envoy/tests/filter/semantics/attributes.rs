//! Filter state: what access logs and spans can show of each exchange.

use std::collections::BTreeMap;

use fake_envoy::{Exchange, Framing, Host, Plugin, Step};

use super::{CALL, error};
use crate::support;

const ON: &str = r#"{"filter_state":true}"#;
const PLAIN_USER: &str = r#"{"filter_state":true,"identity":{"header":"x-user","form":"plain"}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The attributes of an exchange on a new worker.
fn state_with(configuration: &str, exchange: &Exchange) -> BTreeMap<String, String> {
    let (_host, vm) = support::worker(configuration);
    vm.play(exchange, Framing::Http1).unwrap().filter_state
}

fn state(exchange: &Exchange) -> BTreeMap<String, String> {
    state_with(ON, exchange)
}

/// The attributes as lines.
fn lines(exchange: &Exchange) -> Vec<String> {
    state(exchange).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// One attribute; empty if it is absent.
fn one(configuration: &str, exchange: &Exchange, key: &str) -> String {
    state_with(configuration, exchange).remove(key).unwrap_or_default()
}

/// A `tools/call` whose `_meta` has these members.
fn call_with_meta(members: &str) -> Exchange {
    Exchange::post(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","_meta":{{{members}}}}}}}"#
    ))
}

fn trace_parent(exchange: &Exchange) -> String {
    one(ON, &exchange.clone().json(RESULT), "mcp.trace_parent")
}

#[test]
fn call_is_described_with_its_outcome() {
    let exchange = Exchange::post(CALL).header("mcp-protocol-version", "2025-11-25").wait_ms(3);
    let size = CALL.len();
    assert_eq!(
        lines(&exchange.clone().json(RESULT)),
        [
            "mcp.duration_us=3000",
            "mcp.method=tools/call",
            "mcp.operation=tools/call add",
            "mcp.protocol_version=2025-11-25",
            &format!("mcp.request_bytes={size}"),
            "mcp.request_id=1",
            &format!("mcp.response_bytes={}", RESULT.len()),
            "mcp.status=ok",
            "mcp.tool=add",
            "mcp.transport=streamable_http",
        ]
    );
    let failed = lines(&exchange.json(&error("-32603")));
    assert!(failed.contains(&"mcp.error_code=-32603".to_owned()), "{failed:?}");
    assert!(failed.contains(&"mcp.error_type=rpc_error".to_owned()), "{failed:?}");
}

#[test]
fn request_id_that_is_not_plain_is_absent() {
    let odd = Exchange::post(r#"{"jsonrpc":"2.0","id":"a b","method":"ping"}"#).json(RESULT);
    assert!(!state(&odd).contains_key("mcp.request_id"));
}

#[test]
fn operation_is_the_method_and_the_tool_or_prompt() {
    for (method, params, operation) in [
        ("tools/call", r#"{"name":"a b"}"#, "tools/call a b"),
        ("prompts/get", r#"{"name":"greet"}"#, "prompts/get greet"),
        ("tools/call", "{}", "tools/call"),
        ("resources/read", r#"{"uri":"users://1"}"#, "resources/read"),
        ("ping", "{}", "ping"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let exchange = Exchange::post(&body).json(RESULT);
        assert_eq!(one(ON, &exchange, "mcp.operation"), operation);
        assert_eq!(one(ON, &exchange, "mcp.method"), method);
    }
}

#[test]
fn session_is_a_keyed_hash_of_an_id_of_any_length() {
    for id in ["secret".to_owned(), "secret".repeat(100)] {
        let hash = one(ON, &Exchange::post(CALL).header("mcp-session-id", &id).json(RESULT), "mcp.session");
        assert_eq!(hash.len(), 16, "{hash}");
        assert!(!hash.contains("secret"));
    }
}

#[test]
fn initialize_has_the_session_that_it_starts() {
    let (_host, vm) = support::worker(ON);
    let initialize = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#)
        .head(200, &[("content-type", "application/json"), ("mcp-session-id", "s")])
        .chunk(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#)
        .end();
    let call = Exchange::post(CALL).header("mcp-session-id", "s").json(RESULT);
    let [first, second] = [initialize, call].map(|exchange| vm.play(&exchange, Framing::Http1).unwrap().filter_state);
    assert!(first.contains_key("mcp.session"), "{first:?}");
    assert_eq!(first.get("mcp.session"), second.get("mcp.session"));
    assert_eq!(first["mcp.protocol_version"], "2025-11-25");
}

#[test]
fn exchanges_without_operation_are_named_and_have_no_status() {
    let get = || Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s");
    let accepted = |body: &str| Exchange::post(body).header("mcp-session-id", "s").answer(202, "text/plain", "");
    for (exchange, name) in [
        (accepted(INITIALIZED), "notifications/initialized"),
        (accepted(r#"{"jsonrpc":"2.0","method":"made/up"}"#), "notification"),
        (accepted(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), "response"),
        (
            accepted(&format!(r#"[{{"jsonrpc":"2.0","id":7,"result":{{}}}},{INITIALIZED}]"#)),
            "notifications/initialized",
        ),
        (get().sse(&[r#"{"jsonrpc":"2.0","method":"notifications/message"}"#]), "stream"),
        (get().answer(405, "text/plain", "no"), "stream"),
        (Exchange::bodiless("DELETE", "/mcp").header("mcp-session-id", "s").answer(200, "", ""), "delete_session"),
    ] {
        let mut found = state(&exchange);
        assert!(found.remove("mcp.session").is_some(), "{name}");
        let expected = [("mcp.method", name), ("mcp.operation", name), ("mcp.transport", "streamable_http")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), "{name}");
    }
}

#[test]
fn exchange_without_operation_has_the_protocol_version_of_its_header() {
    let with = |exchange: Exchange| exchange.header("mcp-session-id", "s").header("mcp-protocol-version", "2025-06-18");
    for exchange in [
        with(Exchange::post(INITIALIZED)).answer(202, "text/plain", ""),
        with(Exchange::post(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)).answer(202, "text/plain", ""),
        with(Exchange::bodiless("GET", "/mcp")).sse(&[]),
        with(Exchange::bodiless("DELETE", "/mcp")).answer(200, "", ""),
        Exchange::bodiless("GET", "/mcp").header("mcp-protocol-version", "2025-06-18").sse(&[]),
    ] {
        assert_eq!(one(ON, &exchange, "mcp.protocol_version"), "2025-06-18");
    }
    let unknown = with(Exchange::bodiless("GET", "/mcp")).header("mcp-protocol-version", "SECRET").sse(&[]);
    assert_eq!(one(ON, &unknown, "mcp.protocol_version"), "other");
}

#[test]
fn protocol_version_of_a_session_stream_is_read_for_filter_state_only() {
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").sse(&[]);
    let headers = |configuration| {
        let (_host, vm) = support::worker(configuration);
        vm.play(&stream, Framing::Http1).unwrap().cost.calls["get_header"]
    };
    assert_eq!(headers(ON), headers("") + 1);
}

#[test]
fn post_refused_before_its_body_is_described_by_its_headers() {
    let headers = || Exchange { steps: Exchange::post("").steps.into_iter().take(1).collect() };
    let refused = |exchange: Exchange| exchange.details("ext_authz_denied").answer(403, "text/plain", "denied");
    for (named, method, status) in [
        (headers().header("mcp-method", "notifications/initialized"), "notifications/initialized", None),
        (headers().header("mcp-method", "notifications/made/up"), "notification", None),
        (headers().header("mcp-method", "ping"), "ping", Some("error")),
        (headers(), "unseen", Some("error")),
    ] {
        let found = state(&refused(named));
        assert_eq!(found.get("mcp.method").map(String::as_str), Some(method), "{found:?}");
        assert_eq!(found.get("mcp.status").map(String::as_str), status, "{found:?}");
        assert_eq!(found["mcp.transport"], "streamable_http");
    }
}

#[test]
fn exchange_without_operation_has_the_client_of_its_session() {
    let (host, vm) = support::worker(ON);
    let other = host.start(&Plugin::new(ON)).unwrap();
    let initialize = Exchange::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"desk","version":"1"}}}"#,
    )
    .head(200, &[("content-type", "application/json"), ("mcp-session-id", "s")])
    .chunk(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}"#)
    .end();
    vm.play(&initialize, Framing::Http1).unwrap();
    let in_session = |exchange: Exchange| exchange.header("mcp-session-id", "s");
    for exchange in [
        in_session(Exchange::post(INITIALIZED)).answer(202, "text/plain", ""),
        in_session(Exchange::bodiless("GET", "/mcp")).answer(405, "text/plain", "no"),
        in_session(Exchange::bodiless("DELETE", "/mcp")).answer(200, "", ""),
    ] {
        assert_eq!(other.play(&exchange, Framing::Http1).unwrap().filter_state["mcp.client"], "desk");
    }
    let off = r#"{"filter_state":true,"labels":{"client_name":"off"}}"#;
    assert_eq!(one(off, &initialize, "mcp.client"), "");
}

#[test]
fn request_precedes_notification_and_response() {
    let response = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let exchange = Exchange::post(&format!("[{response},{INITIALIZED},{CALL}]")).json(RESULT);
    let found = state(&exchange);
    assert_eq!((found["mcp.operation"].as_str(), found["mcp.status"].as_str()), ("tools/call add", "ok"));
    assert!(!found.contains_key("mcp.batch_size"), "{found:?}");
}

#[test]
fn batch_shows_its_first_request_and_its_size() {
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    let answers = format!(r#"[{},{RESULT}]"#, r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"no"}}"#);
    let found = state(&Exchange::post(&format!("[{CALL},{ping}]")).json(&answers));
    assert_eq!(found["mcp.batch_size"], "2");
    assert_eq!((found["mcp.operation"].as_str(), found["mcp.status"].as_str()), ("tools/call add", "ok"));
    assert!(!found.contains_key("mcp.error_code"), "{found:?}");
}

#[test]
fn outcome_on_another_stream_is_elsewhere() {
    let accepted = Exchange::post(CALL).header("mcp-session-id", "s").answer(202, "text/plain", "");
    let found = state(&accepted);
    assert_eq!(found["mcp.status"], "elsewhere");
    assert!(!found.contains_key("mcp.duration_us") && !found.contains_key("mcp.response_bytes"), "{found:?}");
    let event = "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
    let resumable = Exchange::post(CALL)
        .header("mcp-session-id", "s")
        .head(200, &[("content-type", "text/event-stream")])
        .chunk(event)
        .end();
    assert_eq!(state(&resumable)["mcp.status"], "elsewhere");
}

#[test]
fn answer_on_a_stream_does_not_describe_the_stream() {
    let (_host, vm) = support::worker(ON);
    let accepted = Exchange::post(CALL).header("mcp-session-id", "s").answer(202, "text/plain", "");
    vm.play(&accepted, Framing::Http1).unwrap();
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").sse(&[RESULT]);
    let found = vm.play(&stream, Framing::Http1).unwrap().filter_state;
    assert_eq!(found["mcp.method"], "stream");
    assert!(!found.contains_key("mcp.status"), "{found:?}");
}

#[test]
fn traffic_that_is_not_mcp_has_no_attributes() {
    let user = |exchange: Exchange| exchange.header("x-user", "ann").header("traceparent", TRACE);
    let health = Exchange::bodiless("GET", "/health").answer(200, "text/plain", "ok");
    let other = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_call"}"#).without("accept").json(RESULT);
    for exchange in [health, other, Exchange::bodiless("DELETE", "/x").answer(200, "", "")] {
        assert_eq!(state_with(PLAIN_USER, &user(exchange)), BTreeMap::new());
    }
}

#[test]
fn filter_state_is_off_by_default() {
    let (_host, vm) = support::worker("");
    let played = vm.play(&call_with_meta(&format!(r#""traceparent":"{TRACE}""#)).json(RESULT), Framing::Http1).unwrap();
    assert!(played.filter_state.is_empty());
    assert!(!played.cost.calls.contains_key("set_property"));
}

#[test]
fn workers_agree_on_the_session_hash() {
    let host = Host::new().unwrap();
    let exchange = Exchange::post(CALL).header("mcp-session-id", "s").json(RESULT);
    let hashes: Vec<_> = (0..3)
        .map(|_| {
            let vm = host.start(&Plugin::new(ON)).unwrap();
            vm.play(&exchange, Framing::Http1).unwrap().filter_state.remove("mcp.session")
        })
        .collect();
    assert!(hashes[0].is_some());
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    let keys = host.shared_data_keys();
    assert!(keys.iter().all(|key| key.starts_with(b"mcp_observability/")), "{keys:?}");
}

#[test]
fn valid_trace_parent_is_shown() {
    assert_eq!(trace_parent(&call_with_meta(&format!(r#""traceparent":"{TRACE}""#))), TRACE);
    let later = TRACE.replacen("00", "01", 1);
    assert_eq!(trace_parent(&call_with_meta(&format!(r#""traceparent":"{later}-more""#))), later);
    let twice = format!(r#""traceparent":"{later}","traceparent":"{TRACE}""#);
    assert_eq!(trace_parent(&call_with_meta(&twice)), TRACE);
    let two_metas = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"traceparent":"{TRACE}"}},"_meta":{{}}}}}}"#
    );
    assert_eq!(trace_parent(&Exchange::post(&two_metas)), "");
    let chunked = call_with_meta(&format!(r#""traceparent":"{TRACE}""#)).in_chunks_of(1);
    assert_eq!(trace_parent(&chunked), TRACE);
}

#[test]
fn invalid_trace_parent_is_absent() {
    let zeros = "0".repeat(32);
    for value in [
        format!("\"{}\"", TRACE.trim_end_matches('1')),
        format!("\"{TRACE}0\""),
        format!("\"{TRACE}-more\""),
        format!("\"{}\"", TRACE.to_uppercase()),
        format!("\"{}\"", TRACE.replacen("00", "ff", 1)),
        format!("\"{}\"", TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros)),
        format!("\"{}\"", TRACE.replace("00f067aa0ba902b7", &"0".repeat(16))),
        format!("\"{}\"", "0".repeat(1 << 20)),
        "7".to_owned(),
        format!("[\"{TRACE}\"]"),
        format!("{{\"traceparent\":\"{TRACE}\"}}"),
        format!("\"{TRACE}\",\"traceparent\":7"),
    ] {
        let exchange = call_with_meta(&format!("\"traceparent\":{value}"));
        assert_eq!(trace_parent(&exchange), "", "{value:.99}");
    }
    let elsewhere = CALL.replace("\"a\":1", &format!("\"traceparent\":\"{TRACE}\""));
    assert_eq!(trace_parent(&Exchange::post(&elsewhere)), "");
}

#[test]
fn trace_parent_of_the_trace_of_the_http_request_is_absent() {
    let call = call_with_meta(&format!(r#""traceparent":"{TRACE}""#));
    let same_trace = TRACE.replace("00f067aa0ba902b7", "b7ad6b7169203331");
    assert_eq!(trace_parent(&call.clone().header("traceparent", &same_trace)), "");
    let other_trace = TRACE.replace("4bf9", "4bf8");
    assert_eq!(trace_parent(&call.clone().header("traceparent", &other_trace)), TRACE);
    // Envoy cannot read these, so they begin no trace.
    for unread in ["broken", &format!("{}-x", same_trace.replacen("00", "01", 1))] {
        assert_eq!(trace_parent(&call.clone().header("traceparent", unread)), TRACE, "{unread}");
    }
}

#[test]
fn trace_parent_is_that_of_the_first_request() {
    let second =
        format!(r#"{{"jsonrpc":"2.0","id":2,"method":"ping","params":{{"_meta":{{"traceparent":"{TRACE}"}}}}}}"#);
    assert_eq!(trace_parent(&Exchange::post(&format!("[{CALL},{second}]"))), "");
    assert_eq!(trace_parent(&Exchange::post(&format!("[{second},{CALL}]"))), TRACE);
}

#[test]
fn plain_user_is_cleaned_and_bounded() {
    let call = || Exchange::post(CALL).json(RESULT);
    let user = |exchange: &Exchange| one(PLAIN_USER, exchange, "mcp.user");
    assert_eq!(user(&call()), "");
    for (sent, shown) in [
        ("", String::new()),
        ("ann@example.com", "ann@example.com".to_owned()),
        ("a\"b;c=d\\", "a_b_c_d_".to_owned()),
        (&"x".repeat(100_000), "x".repeat(128)),
    ] {
        assert_eq!(user(&call().header("x-user", sent)), shown, "{sent:.99}");
    }
    assert_eq!(user(&call().header("x-user", "ann").another("x-user", "ben")), "ann");
    let mut invalid = call().header("x-user", "");
    if let Some(Step::RequestHeaders(headers)) = invalid.steps.first_mut() {
        headers.push(("x-user".to_owned(), vec![b'a', 0xff, b'b']));
        headers.retain(|(name, value)| name != "x-user" || !value.is_empty());
    }
    assert_eq!(user(&invalid), "a_b");
    assert_eq!(one(ON, &call().header("x-user", "ann"), "mcp.user"), "");
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").header("x-user", "ann").sse(&[]);
    assert_eq!(user(&stream), "ann");
}

#[test]
fn hashed_user_depends_on_the_key_and_on_the_whole_value() {
    let user = |key: &str, value: &str| {
        let configuration =
            format!(r#"{{"filter_state":true,"identity":{{"header":"x-user"}},"labels":{{"hash_key":"{key}"}}}}"#);
        one(&configuration, &Exchange::post(CALL).header("x-user", value).json(RESULT), "mcp.user")
    };
    let [one_key, other_key] = ["0123456789abcdef", "fedcba9876543210"];
    let ann = user(one_key, "ann");
    assert_eq!(ann.len(), 16, "{ann}");
    assert_eq!(ann, user(one_key, "ann"));
    assert_ne!(ann, user(other_key, "ann"));
    assert_ne!(ann, user(one_key, "ben"));
    let long = "x".repeat(100_000);
    assert_ne!(user(one_key, &long), user(one_key, &format!("{long}y")));
}

#[test]
fn secrets_are_in_no_attribute() {
    let body = r#"{"jsonrpc":"2.0","id":"SECRET 1","method":"tools/call","SECRET":"SECRET","params":{"name":"add",
        "uri":"x://SECRET","arguments":{"SECRET":"SECRET","name":"SECRET"},"_meta":{"progressToken":"SECRET",
        "tracestate":"SECRET","baggage":"SECRET","traceparent":"SECRET"}}}"#;
    let answer = r#"{"jsonrpc":"2.0","id":"SECRET 1","error":{"code":-1,"message":"SECRET","data":"SECRET"}}"#;
    let mut call = Exchange::post(body).header(":path", "/mcp?token=SECRET").header("traceparent", "SECRET");
    for header in ["authorization", "cookie", "x-api-key", "mcp-session-id", "tracestate", "baggage", "x-user"] {
        call = call.header(header, "SECRET");
    }
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"users://SECRET?SECRET"}}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"SECRET/made/up","params":{"SECRET":"SECRET"}}"#;
    let hashed = r#"{"filter_state":true,"identity":{"header":"x-user"},"labels":{"hash_key":"0123456789abcdef"}}"#;
    for exchange in [
        call.json(answer),
        Exchange::post(read).json(RESULT),
        Exchange::post(notification).answer(202, "text/plain", "SECRET"),
    ] {
        let found = state_with(hashed, &exchange);
        assert!(found.contains_key("mcp.method"), "{found:?}");
        assert!(found.values().all(|value| !value.contains("SECRET")), "{found:?}");
    }
}
