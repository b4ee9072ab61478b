//! GET requests that are MCP, and how they are refused.

use super::{error, event};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy, Script};

/// The lines about the opening of a stream.
fn opens(script: &Script) -> Vec<String> {
    script.play().into_iter().filter(|line| line.starts_with("stream ")).collect()
}

#[test]
fn stream_opens_or_is_refused() {
    let note = event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    assert_eq!(opens(&Script::get().sse(&note)), ["stream ok"]);
    assert_eq!(opens(&Script::get().sse("")), ["stream ok"]);
    assert_eq!(opens(&Script::get().sse(":\n\n").broken(Failure::UpstreamReset)), ["stream ok"]);
    assert_eq!(opens(&Script::get().header("last-event-id", "7").sse(&note)), ["stream ok"]);
    assert_eq!(opens(&Script::get().answered(405, "text/plain", "no")), ["stream unsupported"]);
    assert_eq!(opens(&Script::get().answered(405, "", "")), ["stream unsupported"]);
    for status in [200, 202, 204, 400, 401, 404, 500, 503] {
        assert_eq!(opens(&Script::get().answered(status, "application/json", "{}")), ["stream error"], "{status}");
        assert_eq!(opens(&Script::get().answered(status, "", "")), ["stream error"], "{status}");
    }
    assert_eq!(opens(&Script::get().answered(503, "text/event-stream", &note)), ["stream error"]);
    for status in [301, 304, 307] {
        assert_eq!(opens(&Script::get().answered(status, "", "")), [""; 0], "{status}");
    }
    // The client disconnected first.
    assert_eq!(opens(&Script::get().broken(Failure::ClientReset)), [""; 0]);
    assert_eq!(opens(&Script::get().header(":method", "DELETE").answered(200, "", "")), [""; 0]);
    assert_eq!(opens(&Script::tool_call().sse(&note)), [""; 0]);
}

#[test]
fn stream_recognised_by_first_event_opens_at_that_event() {
    let bare = || Script::get().without("mcp-protocol-version");
    let note = event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    assert_eq!(opens(&bare().sse(&note.repeat(3))), ["stream ok"]);
    assert_eq!(opens(&bare().sse("event: endpoint\ndata: /m?sessionId=1\n\n")), ["stream ok"]);
    assert_eq!(opens(&bare().sse("data: 1\n\n")), [""; 0]);
    assert_eq!(opens(&bare().answered(405, "text/plain", "no")), [""; 0]);
}

#[test]
fn well_known_paths_are_never_mcp() {
    let note = event(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    let opened = |path: &str, name: &'static str| {
        Script::get().header(":path", path).header(name, "2025-11-25").sse(&note).play().len() > 1
    };
    for name in ["mcp-protocol-version", "mcp-session-id", "last-event-id", "x-other"] {
        assert!(!opened("/.well-known/oauth-protected-resource", name));
        assert!(!opened("/.well-known/oauth-authorization-server/mcp?x=1", name));
        assert!(!opened("/tenant/.well-known/openid-configuration", name));
        assert!(opened("/mcp?resource=/.well-known/x", name));
    }
    let refused = Script::get().header(":path", "/.well-known/x").answered(404, "application/json", "{}");
    assert_eq!(refused.play(), ["StreamSeen"]);
}

#[test]
fn error_that_refuses_get_answers_no_operation() {
    for id in [r#""id":"server-error","#, r#""id":null,"#, "", r#""id":7,"#] {
        let get = || Script::get().header("mcp-session-id", "s");
        let answer = error("-32600", id);
        for script in [
            get().answered(400, "application/json", &answer),
            get().sse(&event(&answer)),
            get().header(":method", "DELETE").answered(400, "application/json", &answer),
            Script::post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
                .header("mcp-session-id", "s")
                .answered(400, "application/json", &answer),
        ] {
            let proxy = Proxy::default();
            let mut lines = script.play_in(&proxy);
            // An event on a stream of a session may answer an operation of another worker, so it is counted by a tick.
            proxy.wait(1);
            lines.extend(proxy.tick());
            assert!(lines.contains(&"error Some(-32600) of none".to_owned()), "{lines:?}");
            assert!(!lines.iter().any(|line| line.starts_with("unmatched")), "{lines:?}");
        }
    }
    // A result, unlike an error, is unmatched.
    let stray = event(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
    assert!(Script::get().sse(&stray).play().contains(&"unmatched unknown_id".to_owned()));
}

#[test]
fn error_on_stream_answers_operation_of_another_exchange() {
    let proxy = Proxy::default();
    let call = Script::tool_call().header("mcp-session-id", "s").answered(202, "", "");
    assert!(Log::ends(&call.play_in(&proxy)).is_empty());
    let stream = Script::get().header("mcp-session-id", "s").sse(&event(&error("-32603", r#""id":1,"#)));
    let lines = stream.play_in(&proxy);
    assert!(Log::ends(&lines)[0].starts_with("tools/call error/rpc_error"), "{lines:?}");
}
