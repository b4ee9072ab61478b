//! Connects MCP servers and clients that use standard input and output to Streamable HTTP.

pub mod message;

mod front;

pub use front::{Front, FrontEnd, Upstream};
