//! Everything that a shell implements.

use crate::recorder::family::MetricKind;
use serde::{Deserialize, Serialize};

/// A moment on the host's monotonic clock, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

// === impl Time ===

impl Time {
    /// Microseconds since an earlier moment; 0 if it is not earlier.
    #[must_use]
    pub fn microseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

/// What an exchange may ask of the proxy. Each question costs a host call, so it is asked only when the answer decides
/// something; header names are in lower case.
///
/// Envoy has headers at hand only while they pass, and all of them again in the last callback; asking at another moment is
/// an error of the caller.
pub trait Host {
    /// The monotonic clock.
    fn now(&self) -> Time;
    /// A request header, `:method` and `:path` included: in `handle_request_headers` and `handle_log`. Of several lines the
    /// first, or all of them joined by commas.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;
    /// All lines of a request header, joined by commas: at the same moments, and more expensive where it is another call.
    fn request_header_lines(&self, name: &str) -> Option<Vec<u8>> {
        self.request_header(name)
    }
    /// A response header, `:status` included: in `handle_response_headers` and `handle_log`. Of several lines as above.
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;
    /// The name of the upstream cluster that the route chose.
    fn cluster_name(&self) -> Option<Vec<u8>>;
    /// The response's HTTP status, once its headers have passed.
    fn response_status(&self) -> Option<u16>;
    /// Envoy's response flags; 0 for none.
    fn response_flags(&self) -> u64;
    /// Envoy's response code details, such as `via_upstream`.
    fn response_code_details(&self) -> Option<Vec<u8>>;
}

/// The host's metrics, beside what its VMs share. All three ignore failures: telemetry must never harm traffic.
pub trait Metrics: SharedData {
    /// Defines the series of a family with these label names and values; returns the host's id of it, or `None` if the
    /// host refuses.
    fn define(&self, kind: MetricKind, family: &str, labels: &[(&str, &str)]) -> Option<u32>;
    /// Adds to a counter or gauge.
    fn add(&self, id: u32, amount: i64);
    /// Sets a gauge, or records a value in a histogram.
    fn record(&self, id: u32, value: u64);
}

/// A value as it was read.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The value.
    pub bytes: Vec<u8>,
    /// Names this state of the value in [`SharedData::write`].
    pub version: u32,
}

/// A map that all VMs of the process share.
pub trait SharedData {
    /// The value under a key.
    fn read(&self, key: &str) -> Option<Versioned>;
    /// Sets a value, unless it changed since `version` was read; with `None`, unless there is one by now. Whether it did.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}
