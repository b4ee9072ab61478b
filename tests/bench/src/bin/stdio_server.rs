//! A small MCP server on standard input and output, the program behind every bridge that `scripts/bench-stdio.sh` compares.
//!
//! It has one tool and responds at once, so what is measured is the bridge. It knows the methods that bridges and the load send, takes
//! any protocol version, and checks nothing.

#[path = "../stdio/forecast.rs"]
mod forecast;

use anyhow::Result;
use forecast::FORECAST;
use serde_json::{Value, json};
use std::io::{BufRead, Write, stdin, stdout};

fn main() -> Result<()> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        // A notification has no id, and a response to a request of this server does not come.
        if let Some(id) = message.get("id") {
            let (member, value) = response(&message);
            let mut line = json!({"jsonrpc": "2.0", "id": id, (member): value}).to_string();
            line.push('\n');
            output.write_all(line.as_bytes())?;
            output.flush()?;
        }
    }
    Ok(())
}

/// The member of a response that is not fixed: its name and value.
fn response(request: &Value) -> (&'static str, Value) {
    let result = match request.get("method").and_then(Value::as_str) {
        Some("initialize") => json!({
            "protocolVersion": request.pointer("/params/protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "forecast", "version": "1.0.0"},
        }),
        Some("tools/list") => json!({"tools": [{"name": "get_forecast", "inputSchema": {"type": "object"}}]}),
        Some("tools/call") => json!({"content": [{"type": "text", "text": FORECAST}], "isError": false}),
        Some("ping") => json!({}),
        _ => return ("error", json!({"code": -32601, "message": "method not found"})),
    };
    ("result", result)
}
