//! The functions of the proxy that this crate calls. The shell implements them: the crate that runs in the proxy, such as the
//! Envoy filter.
//!
//! | trait | functions | may be called |
//! |---|---|---|
//! | [`Host`] | clock, headers, status, how an exchange ended | during a callback of the exchange, see each method |
//! | [`SharedData`] | read and write values that all VMs of the process share | at any time |
//! | [`Metrics`] | define and change stats; includes [`SharedData`] | at any time |
//! | [`Shell`] | all of these, and what only [`Plugin`](crate::Plugin) needs | see each method |
//!
//! **Cost:** each method is a host call, so this crate calls it only if it needs the value.
//!
//! **Errors:** no method returns an error. What the host refuses is missing, and the traffic is not affected.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A time of the host's monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

/// Why the proxy ended an exchange before the response was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The upstream did not respond in time.
    Timeout,
    /// The proxy refused the request because of one of its limits.
    Overload,
    /// A rate limit of the proxy refused the request.
    RateLimited,
    /// The proxy could not connect to the upstream.
    Unavailable,
    /// The stream or the connection to the upstream was reset.
    UpstreamReset,
    /// The stream or the connection of the client was reset or closed.
    ClientReset,
    /// Any other reason.
    Other,
}

/// What the proxy knows about one exchange. Header names are in lower case.
///
/// Envoy has the headers of a side only during the callback of those headers, and the headers of both sides in the last
/// callback. A call at another time is an error of the caller.
pub trait Host {
    /// The monotonic clock.
    fn now(&self) -> Time;
    /// A request header, `:method` and `:path` included. May be called in `handle_request_headers` and `handle_log`. If the
    /// header has several lines, the host returns the first line or all lines joined by commas.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;
    /// All lines of a request header, joined by commas. May be called when [`request_header`](Host::request_header) may; on
    /// Envoy it costs more.
    fn request_header_lines(&self, name: &str) -> Option<Vec<u8>> {
        self.request_header(name)
    }
    /// A response header, `:status` included. May be called in `handle_response_headers` and `handle_log`. Several lines are
    /// returned as by [`request_header`](Host::request_header).
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;
    /// The name of the upstream cluster that the route selected. May be called after a route was selected.
    fn cluster_name(&self) -> Option<Vec<u8>>;
    /// The HTTP status of the response. May be called after the response's headers passed.
    fn response_status(&self) -> Option<u16>;
    /// Why the proxy ended the exchange; `None` if it has no reason. May be called after the response ended.
    fn failure(&self) -> Option<Failure>;
    /// Whether the response came from the upstream and not from the proxy. May be called after the response ended.
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

/// The stats of the proxy. It extends [`SharedData`], because all VMs of a process share the label budgets.
pub trait Metrics: SharedData {
    /// Defines a series: a family with label names and values. Returns the host's id of the series, or `None` if the host
    /// refuses.
    fn define(&self, kind: MetricKind, family: &str, labels: &[(&str, &str)]) -> Option<u32>;
    /// Adds to a counter or gauge.
    fn add(&self, id: u32, amount: i64);
    /// Sets a gauge, or records a value in a histogram.
    fn record(&self, id: u32, value: u64);
}

/// A value of [`SharedData`] with its version.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The value.
    pub bytes: Vec<u8>,
    /// Changes with each write of the value; an argument of [`SharedData::write`].
    pub version: u32,
}

/// A map that all VMs of the process share. Keys are never deleted.
pub trait SharedData {
    /// The value under a key.
    fn read(&self, key: &str) -> Option<Versioned>;
    /// Writes a value if the stored one still has this version. `None` means that no value is stored yet. Returns whether the
    /// value was written.
    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool;
}

/// All functions that a [`Plugin`](crate::Plugin) calls.
pub trait Shell: Host + Metrics + 'static {
    /// Sets a value that access logs and spans of the current exchange can show.
    fn set_attribute(&self, key: &str, value: &str);
    /// Bytes of the current request that the proxy received, its headers included, whether they passed or not; 0 if that is not
    /// known.
    fn received_bytes(&self) -> u64;
    /// A random number. It differs between the VMs of a process.
    fn random(&self) -> u64;
    /// The name of the workload that the proxy belongs to; empty if it has none.
    fn workload_name(&self) -> Vec<u8>;
}

// === impl Time ===

impl Time {
    /// Microseconds from `earlier` to this time; 0 if `earlier` is later.
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
