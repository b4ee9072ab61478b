//! Connects MCP servers and clients that use standard input and output to Streamable HTTP.

mod bridge;
mod front;
pub mod message;
mod metadata;
mod program;
mod tools;

pub use bridge::{Bridge, HEALTH_PATH, Settings};
pub use front::{Front, FrontEnd, Upstream};
pub use program::{Command, Errors};
