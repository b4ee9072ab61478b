//! The name of the client that a session's `initialize` had is that of its operations, on whichever worker they are.

use super::{answer, call, delete, event, in_session, legacy, legacy_stream, open_session};
use crate::config::{ClientNameLabel, Config};
use crate::observation::{Observation, Observer, PublishedLabels};
use crate::test;
use crate::testing::{Proxy, Script};

/// The operations that ended: method, status, client.
#[derive(Default)]
struct Ends(Vec<String>);

impl PublishedLabels for Ends {}

impl Observer for Ends {
    fn observe(&mut self, observation: Observation<'_>) {
        if let Observation::OperationEnded(ended) = observation {
            let (method, status) = (ended.operation.method().as_str(&[]), ended.status().as_str());
            self.0.push(format!("{method} {status} {}", ended.operation.client_name.as_deref().unwrap_or("-")));
        }
    }
}

fn play(proxy: &Proxy, script: &Script) -> Vec<String> {
    let mut ends = Ends::default();
    script.play_to(proxy, &mut ends);
    ends.0
}

const INITIALIZE: &str =
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"desk/1.4","version":"1.4"}}}"#;
const STARTED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}"#;

fn initialize() -> Script {
    let mut script = Script::post(INITIALIZE).without("mcp-protocol-version").json(STARTED);
    script.response.insert("mcp-session-id", "5c99c753".to_owned());
    script
}

#[test]
fn operation_has_the_client_of_its_session_on_any_worker() {
    let proxy = Proxy::default();
    let other = proxy.other_worker();
    assert_eq!(play(&proxy, &initialize()), ["initialize ok desk"]);
    for worker in [&proxy, &other, &other] {
        assert_eq!(play(worker, &in_session(&call(1)).json(&answer(1))), ["tools/call ok desk"]);
    }
}

#[test]
fn store_is_read_once_for_a_session() {
    let proxy = Proxy::default();
    play(&proxy, &initialize());
    let call = in_session(&call(1)).json(&answer(1));
    let reads = || {
        let before = proxy.shared.reads();
        assert_eq!(play(&proxy, &call), ["tools/call ok desk"]);
        proxy.shared.reads() - before
    };
    assert_eq!([reads(), reads(), reads()], [1, 0, 0]);
}

#[test]
fn session_without_seen_start_has_an_unknown_client() {
    let proxy = Proxy::default();
    assert_eq!(play(&proxy, &in_session(&call(1)).json(&answer(1))), ["tools/call ok -"]);
    let before = proxy.shared.reads();
    assert_eq!(play(&proxy, &in_session(&call(2)).json(&answer(2))), ["tools/call ok -"]);
    assert_eq!(proxy.shared.reads(), before);
}

#[test]
fn name_in_meta_that_is_no_string_counts_as_missing() {
    let proxy = Proxy::default();
    play(&proxy, &initialize());
    let info = "io.modelcontextprotocol/clientInfo";
    for (name, in_its_session) in [
        ("7", "desk"),
        ("true", "desk"),
        ("null", "desk"),
        (r#"{"name":"x"}"#, "desk"),
        (r#"["x"]"#, "desk"),
        (r#""x","name":7"#, "desk"),
        (r#""""#, "-"),
        (r#"7,"name":"x""#, "x"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"{info}":{{"name":{name}}}}}}}}}"#
        );
        let session = in_session(&body).json(&answer(1));
        assert_eq!(play(&proxy, &session), [format!("ping ok {in_its_session}")], "{name}");
        // 2026-07-28 has no sessions.
        let modern = Script::post(&body).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "ping");
        let given = if in_its_session == "desk" { "-" } else { in_its_session };
        assert_eq!(
            play(&proxy, &modern.header("mcp-session-id", "5c99c753").json(&answer(1))),
            [format!("ping ok {given}")]
        );
    }
}

#[test]
fn name_is_not_read_if_the_label_is_off() {
    let proxy = Proxy::default();
    let config = || Config { client_name: ClientNameLabel::Off, ..Config::default() };
    assert_eq!(play(&proxy, &Script { config: config(), ..initialize() }), ["initialize ok -"]);
    let before = proxy.shared.reads();
    let call = Script { config: config(), ..in_session(&call(1)).json(&answer(1)) };
    assert_eq!(play(&proxy, &call), ["tools/call ok -"]);
    assert_eq!(proxy.shared.reads(), before);
}

#[test]
fn refused_initialize_has_the_name_it_gives() {
    let refused = Script::post(INITIALIZE).without("mcp-protocol-version").answered(401, "text/plain", "no");
    assert_eq!(play(&Proxy::default(), &refused), ["initialize error desk"]);
}

#[test]
fn operation_without_body_has_the_client_of_its_session() {
    let proxy = Proxy::default();
    play(&proxy, &initialize());
    let mut script = in_session(&call(1)).header("mcp-method", "tools/call").answered(503, "text/plain", "no");
    (script.request_body, script.request_end) = (Vec::new(), crate::testing::End::Never);
    assert_eq!(play(&proxy, &script), ["tools/call error desk"]);
}

#[test]
fn http_sse_operation_has_the_client_of_the_later_initialize() {
    let proxy = Proxy::default();
    let (other, script) = (proxy.other_worker(), legacy_stream());
    let mut ends = Ends::default();
    let mut get = open_session(&proxy, &script);
    // This worker looks for the name before it is there.
    play(&other, &legacy(&call(7)));
    get.chunk(event("", &answer(7)).as_bytes(), false, &mut ends);
    play(&other, &legacy(INITIALIZE));
    get.chunk(event("", STARTED).as_bytes(), false, &mut ends);
    for (id, worker) in [(1, &other), (2, &proxy), (3, &other)] {
        play(worker, &legacy(&call(id)));
        get.chunk(event("", &answer(id)).as_bytes(), false, &mut ends);
    }
    assert_eq!(ends.0[..2], ["tools/call ok -", "initialize ok desk"]);
    assert_eq!(ends.0[2..], ["tools/call ok desk", "tools/call ok desk", "tools/call ok desk"]);
}

#[test]
fn operation_that_ends_later_has_its_client() {
    let proxy = Proxy::default();
    play(&proxy, &initialize());
    let waits = |id| in_session(&call(id)).answered(202, "", "");
    // The session's end ends it, on another worker.
    assert!(play(&proxy, &waits(1)).is_empty());
    assert_eq!(play(&proxy.other_worker(), &delete(200)), ["tools/call error desk"]);
    // A tick ends it.
    play(&proxy, &initialize());
    assert!(play(&proxy, &waits(2)).is_empty());
    proxy.wait(6);
    let mut ends = Ends::default();
    (0..32).for_each(|_| proxy.tick_to(&mut ends));
    assert_eq!(ends.0, ["tools/call unknown desk"]);
}

#[test]
fn cancelled_operation_has_its_client() {
    let proxy = Proxy::default();
    play(&proxy, &initialize());
    let left = in_session(&call(1)).broken(crate::host::Failure::ClientReset);
    assert_eq!(play(&proxy, &left), ["tools/call cancelled desk"]);
}
