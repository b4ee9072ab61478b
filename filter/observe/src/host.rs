//! What a shell implements: the proxy as the core sees it.
//!
//! | trait | what the core asks | when |
//! |---|---|---|
//! | [`Host`] | clock, headers, status, how an exchange ended | during a callback of the exchange, see each method |
//! | [`Metrics`] | to define and change stats | at any time |
//! | [`SharedData`] | values that all VMs of the process share | at any time |
//! | [`Shell`] | all of these, and what only the plugin needs | see each method |
//!
//! Every question is a host call and costs time, so the core asks only when the answer decides something. No method fails:
//! what the host refuses is missing, and traffic goes on.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment on the host's monotonic clock, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

/// Why the proxy ended an exchange before the response was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The upstream did not respond in time.
    Timeout,
    /// A limit of the proxy refused the request.
    Overload,
    /// The proxy could not connect to the upstream.
    Unavailable,
    /// The upstream's side was reset.
    UpstreamReset,
    /// The client's side was reset or closed.
    ClientReset,
    /// The proxy names another reason.
    Other,
}

/// The proxy during one exchange. Header names are in lower case.
///
/// Envoy has headers only during their own callback, and all of them again in the last one. Asking at another moment is an
/// error of the caller.
pub trait Host {
    /// The monotonic clock.
    fn now(&self) -> Time;
    /// A request header, `:method` and `:path` included. Legal in `handle_request_headers` and `handle_log`. With several
    /// lines: the first line, or all lines joined by commas.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;
    /// All lines of a request header, joined by commas. Legal as above; on Envoy it costs more.
    fn request_header_lines(&self, name: &str) -> Option<Vec<u8>> {
        self.request_header(name)
    }
    /// A response header, `:status` included. Legal in `handle_response_headers` and `handle_log`. Several lines as above.
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;
    /// The name of the upstream cluster that the route chose. Legal once a route is chosen.
    fn cluster_name(&self) -> Option<Vec<u8>>;
    /// The HTTP status of the response. Legal once its headers have passed.
    fn response_status(&self) -> Option<u16>;
    /// Why the proxy ended the exchange; `None` if it names no reason. Legal once the response ended.
    fn failure(&self) -> Option<Failure>;
    /// Whether the response came from the upstream and not from the proxy. Legal once the response ended.
    fn is_from_upstream(&self) -> bool;
}

/// The kind of a family, as in Prometheus and Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over [`Family::bounds`](crate::Family::bounds).
    Histogram,
}

/// The stats of the proxy, beside what its VMs share.
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

/// A map that all VMs of the process share. Keys are never deleted.
pub trait SharedData {
    /// The value under a key.
    fn read(&self, key: &str) -> Option<Versioned>;
    /// Sets a value and returns whether it did. It does so only if the value is still the one that was read with `version`;
    /// with `None`, only if there is no value yet.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// All that a [`Plugin`](crate::Plugin) needs.
pub trait Shell: Host + Metrics + 'static {
    /// Sets a value that access logs and spans of the exchange at hand can show.
    fn set_attribute(&self, key: &str, value: &str);
    /// A number that other VMs of the process do not get.
    fn random(&self) -> u64;
    /// The name of the workload that the proxy belongs to; empty if it has none.
    fn workload_name(&self) -> Vec<u8>;
}

// === impl Time ===

impl Time {
    /// Microseconds since an earlier moment; 0 if it is not earlier.
    #[must_use]
    pub fn microseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// This time and a duration later.
    #[inline]
    pub(crate) const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }
}

// === impl MetricKind ===

impl MetricKind {
    /// As in the documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
