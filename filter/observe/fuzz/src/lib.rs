//! Shared by the fuzz targets: ways to split their input, a memory counter, and a proxy that runs exchanges from a script.

pub mod chunks;
pub mod memory;
pub mod proxy;
pub mod script;
