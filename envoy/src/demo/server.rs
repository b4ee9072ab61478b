//! The MCP server of the demo: a program on standard input and output, for all protocol versions.
//!
//! Up to 2025-11-25 a client begins with `initialize`, and the server accepts the version that it asks for. A request of
//! 2026-07-28 names its version itself. **What this does not do:** requests at the same time; each waits for the one before.

use super::tools::{Call, Outcome, TOOLS};
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};

/// The first protocol version without sessions.
pub(super) const STATELESS: &str = "2026-07-28";
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Serves until standard input ends.
///
/// # Errors
///
/// Standard input or output is closed.
pub fn serve() -> io::Result<()> {
    let mut output = io::stdout().lock();
    let mut calls = 0;
    for line in io::stdin().lock().lines() {
        let Ok(request) = serde_json::from_str::<Value>(&line?) else { continue };
        // Notifications have no id.
        let Some(id) = request.get("id") else { continue };
        let mut say = |message: &Value| writeln!(output, "{message}").and_then(|()| output.flush());
        let answer = answer(&request, &mut calls, &mut say);
        let (member, value) = match answer {
            Ok(result) => ("result", result),
            Err((code, message)) => ("error", json!({"code": code, "message": message})),
        };
        say(&json!({"jsonrpc": "2.0", "id": id, member: value}))?;
    }
    Ok(())
}

/// The result of a request, or its code and message.
fn answer(
    request: &Value,
    calls: &mut u64,
    say: &mut dyn FnMut(&Value) -> io::Result<()>,
) -> Result<Value, (i64, &'static str)> {
    let text = |path| request.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let info = json!({"name": "demo", "version": env!("CARGO_PKG_VERSION")});
    let capabilities = json!({"tools": {}});
    let mut result = match text("/method") {
        "initialize" => {
            let version = text("/params/protocolVersion");
            return Ok(json!({"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}));
        }
        "server/discover" => json!({"supportedVersions": [STATELESS], "capabilities": capabilities}),
        "ping" => json!({}),
        "tools/list" => json!({"tools": TOOLS.map(|tool| tool.definition())}),
        "tools/call" => call(request, text("/params/name"), calls, say)?,
        _ => return Err((METHOD_NOT_FOUND, "Method not found")),
    };
    let is_stateless = request.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").is_some();
    if let Some(result) = result.as_object_mut().filter(|_| is_stateless) {
        result.insert("resultType".to_owned(), json!("complete"));
        result.insert("_meta".to_owned(), json!({"io.modelcontextprotocol/serverInfo": info}));
    }
    Ok(result)
}

/// Calls a tool.
fn call(
    request: &Value,
    name: &str,
    calls: &mut u64,
    say: &mut dyn FnMut(&Value) -> io::Result<()>,
) -> Result<Value, (i64, &'static str)> {
    let tool = TOOLS.into_iter().find(|tool| tool.name == name).ok_or((INVALID_PARAMS, "Unknown tool"))?;
    let token = request.pointer("/params/_meta/progressToken");
    let mut progress = |done, of| {
        if let Some(token) = token {
            let params = json!({"progressToken": token, "progress": done, "total": of});
            // The answer fails too if this does.
            let _ = say(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        }
    };
    let arguments = request.pointer("/params/arguments").unwrap_or(&Value::Null);
    let outcome = (tool.run)(&mut Call { arguments, number: *calls, progress: &mut progress });
    *calls += 1;
    let content = |text| json!([{"type": "text", "text": text}]);
    match outcome {
        Outcome::Text(text) => Ok(json!({"content": content(text)})),
        Outcome::Failed(text) => Ok(json!({"content": content(text), "isError": true})),
        Outcome::Error(code, message) => Err((code, message)),
    }
}
