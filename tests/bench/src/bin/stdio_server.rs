//! A small MCP server on standard input and output, the program behind every bridge that `scripts/bench-stdio.sh` compares.
//!
//! It has one tool and responds at once, so what is measured is the bridge. It knows the methods that bridges and the load send, takes
//! any protocol version, and checks nothing.

use anyhow::Result;
use serde_json::{Value, json};
use std::io::{BufRead, Write, stdin, stdout};

/// What a call of the tool returns.
const FORECAST: &str = "Lisbon: sunny, 9 degrees, wind 12 km/h from the west, no rain expected until Sunday night.";

fn main() -> Result<()> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        // A notification has no id, and a response to a request of this server does not come.
        if let Some(id) = message.get("id") {
            let mut response = response(&message);
            response["jsonrpc"] = json!("2.0");
            response["id"] = id.clone();
            let mut line = response.to_string();
            line.push('\n');
            output.write_all(line.as_bytes())?;
            output.flush()?;
        }
    }
    Ok(())
}

/// The member `result` or `error`.
fn response(request: &Value) -> Value {
    match request.get("method").and_then(Value::as_str) {
        Some("initialize") => json!({"result": {
            "protocolVersion": request.pointer("/params/protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "forecast", "version": "1.0.0"},
        }}),
        Some("tools/list") => json!({"result": {"tools": [{"name": "get_forecast", "inputSchema": {"type": "object"}}]}}),
        Some("tools/call") => json!({"result": {"content": [{"type": "text", "text": FORECAST}], "isError": false}}),
        Some("ping") => json!({"result": {}}),
        _ => json!({"error": {"code": -32601, "message": "method not found"}}),
    }
}
