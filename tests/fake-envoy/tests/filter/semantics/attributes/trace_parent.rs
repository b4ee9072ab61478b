//! Filter state: the trace context in `_meta` of a request (`mcp.trace_parent`; W3C Trace Context, 3.2).

use fake_envoy::Exchange;

use super::{CALL, ON, RESULT, TRACE, call_with_meta, one};

fn trace_parent(exchange: &Exchange) -> String {
    one(ON, &exchange.clone().json(RESULT), "mcp.trace_parent")
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
