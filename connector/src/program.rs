//! Stub.
pub mod command;
