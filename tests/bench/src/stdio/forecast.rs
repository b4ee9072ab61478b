//! What the tool of `stdio_server` returns.

pub(crate) const FORECAST: &str =
    "Lisbon: sunny, 9 degrees, wind 12 km/h from the west, no rain expected until Sunday night.";
