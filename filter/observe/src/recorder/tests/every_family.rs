//! Every family of the table is recorded: plays exchanges that together make all observations, and collects the families of
//! the series that are not 0. Initial series are 0, so a family that is never recorded is missing.

use super::{Memory, Recording, call, config};
use crate::config::{ClientNameLabel, Config};
use crate::recorder::Recorder;
use crate::recorder::families::FAMILIES;
use crate::test;
use crate::testing::{Proxy, Script};
use std::collections::BTreeSet;
use std::rc::Rc;

#[test]
fn every_family_is_recorded() {
    let mut config = Config { semconv: true, client_name: ClientNameLabel::Tools, ..config() };
    config.limits.error_codes = 1;
    let limited = br#"{"rate_limit":{"rules":[{"method":"tools/call","requests":1,"interval_ms":1000}]}}"#;
    config.rate_limit = Config::from_json(limited, &|_| None).unwrap().rate_limit;
    let (memory, proxy) = (Memory::default(), Proxy::default());
    let mut recorder = Recorder::new(Rc::new(config.clone()));
    let mut found = BTreeSet::new();
    for script in scripts() {
        let script = Script { config: config.clone(), ..script };
        // Gauges rise while the exchange is open, and may be 0 after it.
        let mut playing = proxy.begin(&script, &mut recording(&mut recorder, &memory));
        playing.with(&mut recording(&mut recorder, &memory), |exchange, context| _ = exchange.charge_unread(context));
        recorder.flush(&memory);
        found.extend(families_above_zero(&memory));
        playing.respond(&mut recording(&mut recorder, &memory));
        recorder.flush(&memory);
        found.extend(families_above_zero(&memory));
        playing.end(&mut recording(&mut recorder, &memory));
        recorder.flush(&memory);
        found.extend(families_above_zero(&memory));
    }
    let missing: Vec<_> = FAMILIES.iter().map(|family| family.name).filter(|name| !found.contains(*name)).collect();
    assert_eq!(missing, [""; 0], "no exchange of this test records these families");
}

fn recording<'a>(recorder: &'a mut Recorder, memory: &'a Memory) -> Recording<'a> {
    Recording { recorder, memory, server: "weather" }
}

/// The name of a series ends with its family.
fn families_above_zero(memory: &Memory) -> Vec<String> {
    let values = memory.values.borrow();
    let set = values.iter().filter(|(_, value)| **value > 0);
    set.filter_map(|(name, _)| Some(name.rsplit(' ').next()?.to_owned())).collect()
}

/// Exchanges of one session of 2025-11-25, and one of 2026-07-28.
fn scripts() -> Vec<Script> {
    let post = |body: &str| Script::post(body).header("mcp-session-id", "5c99c753");
    let request = |method: &str, params: &str| {
        post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#))
    };
    let result = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{members}}}}}"#);
    let error = |code: i64| format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"x"}}}}"#);
    let server_request = r#"data: {"jsonrpc":"2.0","id":0,"method":"roots/list"}"#;
    let mismatch = call("add").header("mcp-protocol-version", "2026-07-28").header("mcp-method", "prompts/get");
    vec![
        request("initialize", "").without("mcp-protocol-version").json(&result(r#""protocolVersion":"2025-11-25""#)),
        request("tools/list", "").json(&result(r#""tools":[{"name":"add"}]"#)),
        request("tools/list", "").json(&result(r#""tools":[{"name":"add","title":"changed"}]"#)),
        request("resources/list", "").json(&result(r#""resources":[]"#)),
        request("prompts/list", "").json(&result(r#""prompts":[]"#)),
        request("tools/call", r#""name":"add""#).sse(&format!("data: {}\n\n", result(""))),
        request("tools/call", r#""name":"made_up""#).json(&error(-32602)),
        request("resources/read", r#""uri":"file:///a""#).json(&result("")),
        request("prompts/get", r#""name":"p""#).json(&error(-32000)),
        request("prompts/get", r#""name":"p""#).json(&error(-32001)),
        request("tasks/get", r#""taskId":"t""#).json(&result(r#""taskId":"t","status":"completed""#)),
        Script::get().header("mcp-session-id", "5c99c753").sse(&format!("id: 1\n{server_request}\n\n")).open(),
        post(r#"{"jsonrpc":"2.0","id":0,"result":{"roots":[]}}"#).answered(202, "", ""),
        post(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#).answered(202, "", ""),
        post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).answered(202, "", ""),
        post("{").answered(400, "", ""),
        mismatch.json(&result("")),
        Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(204, "", ""),
    ]
}
