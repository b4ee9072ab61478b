//! Tests of the launcher with a real Envoy.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod audit;
mod bootstraps;
mod commands;
mod connections;
mod demo;
mod drain;
mod file_sd;
mod page;
mod passing;
mod program;
mod proxy;
mod stdio;
mod support;
mod telemetry;
mod tls;
mod top;
mod troubleshooting;
