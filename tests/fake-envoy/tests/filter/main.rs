//! Tests of the built module in the fake Envoy. They are one program, so that the module is compiled once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod active;
mod configuration;
mod cost;
mod flushes;
mod held;
mod limits;
mod neighbours;
mod published;
mod replicas;
mod schedules;
mod semantics;
mod support;
