//! What the fuzz targets share: ways to cut their input, a meter for memory, and a proxy that plays exchanges from a text.

pub mod chunks;
pub mod memory;
pub mod proxy;
pub mod script;
