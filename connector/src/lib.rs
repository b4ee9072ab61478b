//! Connects MCP servers and clients that use standard input and output to Streamable HTTP.

pub mod message;
#[allow(dead_code, unused_imports, reason = "the bridge uses it")]
mod program;

pub use program::{Command, Errors};
