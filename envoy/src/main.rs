//! The sidecar launcher.
fn main() {}
