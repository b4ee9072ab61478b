//! State that exchanges share: each test plays several exchanges in one proxy.

mod before_response;
mod bounds;
mod clients;
mod early_answers;
mod http_sse;
mod orders;
mod resumed;
mod server_requests;
mod sessions;
mod tasks;

use crate::testing::{Log, Playing, Proxy, Script};

fn call(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"add"}}}}"#)
}

fn answer(id: u32) -> String {
    format!(r#"{{"result":{{"content":[]}},"jsonrpc":"2.0","id":{id}}}"#)
}

fn event(id: &str, data: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("id: {id}\n") };
    format!("event: message\n{id}data: {data}\n\n")
}

fn in_session(body: &str) -> Script {
    Script::post(body).header("mcp-session-id", "5c99c753")
}

fn stream() -> Script {
    Script::get().header("mcp-session-id", "5c99c753").sse(":\n").open()
}

fn legacy(body: &str) -> Script {
    let script = Script::post(body).header(":path", "/message?sessionId=5c99c753");
    script.without("mcp-protocol-version").answered(202, "", "Accepted")
}

fn legacy_stream() -> Script {
    Script::get().header(":path", "/sse").without("mcp-protocol-version").sse(": hello\n\n").open()
}

const ENDPOINT: &str = "event: endpoint\ndata: /message?sessionId=5c99c753\n\n";

/// The lines of operations, server requests, sessions, tasks and unmatched responses.
fn telling(lines: Vec<String>) -> Vec<String> {
    const WORDS: [&str; 7] = ["end ", "asked ", "session ", "task ", "unmatched ", "notification ", "error "];
    lines.into_iter().filter(|line| WORDS.iter().any(|word| line.starts_with(word))).collect()
}

fn play(proxy: &Proxy, script: &Script) -> Vec<String> {
    telling(script.play_in(proxy))
}

/// The same lines without durations and sizes.
fn brief(lines: Vec<String>) -> Vec<String> {
    telling(lines)
        .into_iter()
        .map(|line| {
            line.split(" in Some").next().unwrap_or_default().split(" in None").next().unwrap_or_default().to_owned()
        })
        .collect()
}

fn delete(status: u16) -> Script {
    Script::get().header(":method", "DELETE").header("mcp-session-id", "5c99c753").answered(status, "", "")
}

/// An exchange whose response has begun.
fn open<'a>(proxy: &'a Proxy, script: &'a Script) -> Playing<'a> {
    let mut playing = proxy.begin(script, &mut Log::default());
    playing.respond(&mut Log::default());
    playing
}

/// A stream of HTTP+SSE whose `endpoint` event has come.
fn open_session<'a>(proxy: &'a Proxy, script: &'a Script) -> Playing<'a> {
    let mut get = open(proxy, script);
    get.event(ENDPOINT);
    get
}
