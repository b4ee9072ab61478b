//! Responses without JSON-RPC: the HTTP status gives the outcome.

use super::{end, error, event, result};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy, Script};

fn request(method: &str) -> Script {
    Script::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).without("mcp-protocol-version")
}

fn brief(script: &Script, proxy: &Proxy) -> String {
    let lines = script.play_in(proxy);
    let ends = Log::ends(&lines);
    assert_eq!(ends.len(), 1, "{lines:?}");
    ends[0].split(" in ").next().unwrap().to_owned()
}

/// A stream of HTTP+SSE at this path, from its start to its end.
fn stream(path: &str, proxy: &Proxy) {
    let get = Script::get().without("mcp-protocol-version").header(":path", path);
    get.sse("event: endpoint\ndata: /messages?session_id=1\n\n").play_in(proxy);
}

#[test]
fn redirect_without_json_rpc_is_redirected() {
    for status in [301, 302, 303, 304, 307, 308] {
        for method in ["tools/call", "initialize", "server/discover"] {
            assert_eq!(end(&request(method).answered(status, "text/html", "moved")), format!("{method} redirected"));
            assert_eq!(end(&request(method).answered(status, "", "")), format!("{method} redirected"));
        }
        let said = request("tools/list").answered(status, "application/json", &error("-32000", ""));
        assert_eq!(end(&said), "tools/list error/rpc_error");
    }
    // A page for people or browsers is no broken message.
    for body in [r#"{"detail":"moved"}"#, "{moved", r#"{"jsonrpc":"2.0"#] {
        let lines = request("tools/list").answered(307, "application/json", body).play();
        assert!(!lines.iter().any(|line| line.starts_with("skip")), "{lines:?}");
        assert!(Log::ends(&lines)[0].starts_with("tools/list redirected"), "{lines:?}");
    }
    // The proxy itself may send them.
    let mut local = request("tools/list").answered(301, "", "");
    local.is_from_upstream = false;
    assert_eq!(end(&local), "tools/list redirected");
    // A response that fails is not a redirect.
    assert_eq!(
        end(&request("tools/list").answered(307, "text/html", "mo").broken(Failure::UpstreamReset)),
        "tools/list error/reset"
    );
}

#[test]
fn initialize_refused_by_405_is_negotiation() {
    let proxy = Proxy::default();
    assert_eq!(brief(&request("initialize").answered(405, "text/plain", "no"), &proxy), "initialize negotiation");
    assert_eq!(brief(&request("initialize").answered(405, "", ""), &proxy), "initialize negotiation");
    assert_eq!(brief(&request("tools/list").answered(405, "", ""), &proxy), "tools/list error/http_error");
    let said = request("initialize").answered(405, "application/json", &error("-32000", ""));
    assert_eq!(brief(&said, &proxy), "initialize error/rpc_error");
    assert_eq!(brief(&request("initialize").answered(401, "", ""), &proxy), "initialize error/unauthorized");
}

#[test]
fn initialize_at_http_sse_server_is_negotiation() {
    for status in [400, 404] {
        let (proxy, probe) = (Proxy::default(), request("initialize").answered(status, "text/plain", "no"));
        let at = |path: &str, cluster: &'static str| {
            let mut script = probe.clone().header(":path", path);
            script.cluster = cluster;
            brief(&script, &proxy)
        };
        assert_eq!(at("/sse", "cluster"), "initialize error/http_error");
        stream("/sse?token=a", &proxy);
        assert_eq!(at("/sse", "cluster"), "initialize negotiation");
        assert_eq!(at("/sse?token=b", "cluster"), "initialize negotiation");
        assert_eq!(at("/mcp", "cluster"), "initialize error/http_error");
        let call = request("tools/list").header(":path", "/sse").answered(status, "text/plain", "no");
        assert_eq!(brief(&call, &proxy), "tools/list error/http_error");
    }
    let proxy = Proxy::default();
    stream("/sse", &proxy);
    let broken = request("initialize").header(":path", "/sse").answered(500, "text/plain", "no");
    assert_eq!(brief(&broken, &proxy), "initialize error/http_error");
    let long = format!("/{}", "x".repeat(1000));
    stream(&long, &proxy);
    let probe = request("initialize").header(":path", &long).answered(404, "", "");
    assert_eq!(brief(&probe, &proxy), "initialize error/http_error", "longer than what is remembered");
}

#[test]
fn error_pages_are_not_skipped_messages() {
    for (content_type, body) in [
        ("application/json", r#"{"error":"invalid_token"}"#.to_owned()),
        ("application/problem+json", r#"{"title":"no"}"#.to_owned()),
        ("application/json", "[]".to_owned()),
        ("application/json", r#""Not Found""#.to_owned()),
        ("application/json", "[[1]]".to_owned()),
        ("application/json", "{oops".to_owned()),
        ("application/json", r#"{"detail":"cut"#.to_owned()),
        ("application/json", "[".repeat(2000)),
        ("text/event-stream", event("{oops")),
    ] {
        for (status, outcome) in [(400, "http_error"), (401, "unauthorized"), (404, "http_error"), (500, "http_error")]
        {
            for script in [Script::tool_call(), Script::get(), Script::get().header(":method", "DELETE")] {
                let lines = script.answered(status, content_type, &body).play();
                assert!(!lines.iter().any(|line| line.starts_with("skip ")), "{status} {body}: {lines:?}");
                if let [ended] = Log::ends(&lines)[..] {
                    assert!(ended.starts_with(&format!("tools/call error/{outcome} ")), "{ended}");
                }
            }
        }
        let lines = Script::tool_call().answered(200, content_type, &body).play();
        assert!(lines.iter().any(|line| line.starts_with("skip ")), "{body}: {lines:?}");
    }
}

#[test]
fn error_outranks_result_in_one_object() {
    let both = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]},"error":{"code":-32603,"message":""}}"#;
    let lines = Script::tool_call().json(both).play();
    assert!(Log::ends(&lines)[0].starts_with("tools/call error/rpc_error"), "{lines:?}");
    assert!(lines.contains(&"error Some(-32603) of tools/call".to_owned()), "{lines:?}");
    let turned = r#"{"error":{"code":-32602},"result":{"content":[]},"id":1,"jsonrpc":"2.0"}"#;
    assert_eq!(end(&Script::tool_call().json(turned)), "tools/call error/invalid_request");
    for none in
        [r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, r#"{"error":null,"jsonrpc":"2.0","id":1,"result":{}}"#]
    {
        let lines = Script::tool_call().json(none).play();
        assert!(Log::ends(&lines)[0].starts_with("tools/call ok"), "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("error ")), "{lines:?}");
    }
    let begins = request("initialize").json(
        r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"},"error":{"code":-32000,"message":""}}"#,
    );
    assert!(!begins.play().iter().any(|line| line.starts_with("session ")));
    assert_eq!(end(&Script::tool_call().json(&result(r#""error":{"code":1}"#))), "tools/call ok");
}
