//! A server that is a program, and a client of it over HTTP.

use super::client::{Answer, send};
use serde_json::{Value, json};
use std::fs;

/// A server whose tools misbehave; its file lists them.
pub(crate) const MISBEHAVING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/connector/programs/misbehaving.py");
/// The first message of a session.
pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A session over HTTP.
pub(crate) struct Session {
    port: u16,
    id: String,
}

impl Session {
    /// Begins a session.
    pub(crate) fn begin(port: u16) -> Self {
        let answer = Self::initialize(port);
        let id = answer.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        assert!(id.is_some(), "{answer:?}");
        Self { port, id: id.unwrap().to_owned() }
    }

    pub(crate) fn initialize(port: u16) -> Answer {
        send(port, "POST", "/mcp", &[ACCEPT, JSON], INITIALIZE)
    }

    /// The response to a call of a tool.
    pub(crate) fn call(&self, tool: &str) -> Answer {
        let call =
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        send(self.port, "POST", "/mcp", &[ACCEPT, JSON, ("mcp-session-id", &self.id)], &call.to_string())
    }

    /// The result's text, which is JSON.
    pub(crate) fn json(&self, tool: &str) -> Value {
        let answer = self.call(tool);
        let data = answer.body.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| !data.is_empty()));
        let message: Value = serde_json::from_str(data.unwrap_or(&answer.body)).unwrap_or_default();
        let text = message.pointer("/result/content/0/text").and_then(Value::as_str);
        assert!(text.is_some(), "{answer:?}");
        serde_json::from_str(text.unwrap()).unwrap()
    }

    /// The process id of the session's program.
    pub(crate) fn program_id(&self) -> u64 {
        self.json("who")["pid"].as_u64().unwrap()
    }
}

/// Whether a process has ended, even if its parent has not waited for it.
pub(crate) fn is_gone(id: u64) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).map_or(true, |stat| stat.contains(") Z "))
}
