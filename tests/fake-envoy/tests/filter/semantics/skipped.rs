//! Messages that are not read, with their reason.

use fake_envoy::{Exchange, Step};

use super::check;
use crate::support;

fn skipped(reason: &str) -> String {
    format!("mcp_parse_skipped_total{{direction=in,reason={reason}}} 1")
}

#[test]
fn each_unread_body_has_its_skip_reason() {
    for (body, reason) in [
        ("", "not_json_rpc"),
        ("[]", "not_json_rpc"),
        ("{}", "not_json_rpc"),
        ("7", "not_json_rpc"),
        (r#"{"method":"ping","id":1}"#, "not_json_rpc"),
        (r#"{"jsonrpc":"1.0","method":"ping","id":1}"#, "not_json_rpc"),
        ("{\"jsonrpc\":", "truncated"),
        ("{jsonrpc}", "invalid_json"),
        ("\0\0", "invalid_json"),
        ("<xml/>", "invalid_json"),
    ] {
        check(body, &[Exchange::post(body).answer(400, "text/plain", "")], &[&skipped(reason)]);
    }
    let deep = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    check("deep", &[Exchange::post(&deep).answer(400, "text/plain", "")], &[&skipped("too_deep")]);
}

#[test]
fn compressed_request_is_skipped() {
    let mut exchange = Exchange::post("").header("content-encoding", "gzip");
    exchange.steps.insert(1, Step::RequestBody(vec![0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0]));
    check("gzip", &[exchange.answer(415, "text/plain", "no")], &[&skipped("content_encoding")]);
}

#[test]
fn request_cut_by_the_client_is_truncated() {
    let mut exchange = Exchange::post(r#"{"jsonrpc":"2.0","id":1,"meth"#);
    exchange.steps.retain(|step| !matches!(step, Step::RequestEnd));
    check("cut", &[exchange.flags(fake_envoy::flags::DC)], &[&skipped("truncated")]);
}

#[test]
fn invalid_member_of_batch_is_skipped() {
    let body = r#"[{"jsonrpc":"2.0","method":"notifications/initialized"},7,{"jsonrpc":"2.0"}]"#;
    check(
        "stranger",
        &[Exchange::post(body).head(202, &[]).end()],
        &[
            "mcp_notifications_total{method=notifications/initialized,direction=in} 1",
            "mcp_parse_skipped_total{direction=in,reason=not_json_rpc} 2",
            "mcp_message_bytes_total{direction=in} IN",
        ],
    );
}

#[test]
fn batch_above_limit_is_skipped() {
    let calls: Vec<String> = (0..1000).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).collect();
    let exchange = Exchange::post(&format!("[{}]", calls.join(","))).answer(500, "text/plain", "");
    let lines = support::observed("{\"availability\":\"off\"}", &[exchange]).unwrap();
    let value = |start: &str| -> u64 {
        let found = lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {lines:#?}"));
        found.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let followed = value("mcp_requests_total{method=ping,status=error,error_type=http_error}");
    let unread = value("mcp_parse_skipped_total{direction=in,reason=too_long}");
    assert_eq!((followed + unread, followed >= 100), (1000, true), "{lines:#?}");
}
