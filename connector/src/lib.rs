//! Connects MCP servers and clients that use standard input and output to Streamable HTTP.

pub mod bridge;
pub mod front;
pub mod message;
pub mod program;

pub use bridge::{Bridge, HEALTH_PATH, Settings};
pub use front::{Front, FrontEnd};
pub use program::command::Command;
