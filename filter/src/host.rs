//! The host calls of the filter.
//!
//! Only `hostcalls::*` in their `_bytes` variants: the SDK's trait helpers unwrap, and its `String` variants panic on bytes
//! that are not UTF-8, so one hostile header would end the worker's VM. A value that the host refuses counts as missing.
//!
//! The SDK panics when a header is read outside the callbacks that have them: `mcp_observe::Host` lists those callbacks.
//!
//! Measured on Envoy 1.40 (`docs/performance.md`): a call that returns bytes costs most, because the host calls back for memory;
//! a missing header, a clock or a metric costs a tenth of that.

use crate::response_flags;
use mcp_observe::{
    Answer, Failure, Host, LABEL_ASSIGN, LABEL_END, MetricKind, Metrics, SharedData, Shell, Time, Versioned,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

/// Envoy, through the host calls of a VM.
#[derive(Debug)]
pub(crate) struct Envoy;

// === impl Envoy ===

impl Host for Envoy {
    fn now(&self) -> Time {
        // Not `Instant`, which has no absolute time: workers compare their times. Without this clock the time is constant.
        // SAFETY: the call has no precondition; it writes to the wrapper's memory.
        Time(unsafe { wasi::clock_time_get(wasi::CLOCKID_MONOTONIC, 1) }.unwrap_or_default())
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok().flatten()
    }

    fn request_header_lines(&self, name: &str) -> Option<Vec<u8>> {
        property(&["request", "headers", name])
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok().flatten()
    }

    fn cluster_name(&self) -> Option<Vec<u8>> {
        property(&["xds", "cluster_name"])
    }

    fn response_status(&self) -> Option<u16> {
        number(&["response", "code"]).and_then(|code| u16::try_from(code).ok())
    }

    fn failure(&self) -> Option<Failure> {
        response_flags::failure(number(&["response", "flags"]).unwrap_or_default())
    }

    fn is_from_upstream(&self) -> bool {
        property(&["response", "code_details"]).as_deref() == Some(b"via_upstream")
    }
}

impl Metrics for Envoy {
    fn define(&self, kind: MetricKind, family: &str, labels: &[(&str, &str)]) -> Option<u32> {
        let metric_type = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        hostcalls::define_metric(metric_type, &stat_name(family, labels)).ok()
    }

    fn add(&self, id: u32, amount: i64) {
        // A failed update is ignored, so that the traffic is not affected.
        let _ = hostcalls::increment_metric(id, amount);
    }

    fn record(&self, id: u32, value: u64) {
        let _ = hostcalls::record_metric(id, value);
    }
}

impl SharedData for Envoy {
    fn read(&self, key: &str) -> Option<Versioned> {
        let (bytes, version) = hostcalls::get_shared_data(key).ok()?;
        version.map(|version| Versioned { bytes: bytes.unwrap_or_default(), version })
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        // Envoy compares versions only if the key has a value, and not at all with version 0. `u32::MAX` is never the version of
        // a value, so it writes only if there is no value.
        hostcalls::set_shared_data(key, Some(value), Some(version.unwrap_or(u32::MAX))).is_ok()
    }
}

impl Shell for Envoy {
    /// Access logs and spans read it with `%FILTER_STATE(wasm.<key>:PLAIN)%`. Not inlined, because it has many callers.
    #[inline(never)]
    fn set_attribute(&self, key: &str, value: &str) {
        let _ = hostcalls::set_property(vec![key], Some(value.as_bytes()));
    }

    fn received_bytes(&self) -> u64 {
        number(&["request", "total_size"]).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        RandomState::new().hash_one(0_u8)
    }

    /// The node's `WORKLOAD_NAME`, as Istio sets it, or else the node's cluster.
    fn workload_name(&self) -> Vec<u8> {
        let node = |path: &[&str]| property(&[&["xds", "node"], path].concat());
        node(&["metadata", "WORKLOAD_NAME"]).filter(|name| !name.is_empty()).unwrap_or_else(|| {
            log::warn!("server_name_from \"workload\": node metadata has no WORKLOAD_NAME, using the node's cluster");
            node(&["cluster"]).unwrap_or_default()
        })
    }
}

/// The name of the stat: `label=.=value;.;` for each label, then the family. [`mcp_observe::tag_regex`] makes the patterns
/// that take the labels out again.
fn stat_name(family: &str, labels: &[(&str, &str)]) -> String {
    let mut stat = String::with_capacity(160);
    for (label, value) in labels {
        for text in [label, LABEL_ASSIGN, value, LABEL_END] {
            stat.push_str(text);
        }
    }
    stat.push_str(family);
    stat
}

/// A property of the exchange or of the proxy.
fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// A property that is a number of eight bytes, little endian.
fn number(path: &[&str]) -> Option<u64> {
    property(path)?.try_into().ok().map(u64::from_le_bytes)
}

/// The current chunk of the request's body.
pub(crate) fn request_body(size: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size).ok().flatten().unwrap_or_default()
}

/// The current chunk of the response's body.
pub(crate) fn response_body(size: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size).ok().flatten().unwrap_or_default()
}

/// The plugin's configuration; empty if it has none.
pub(crate) fn plugin_configuration(size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten().unwrap_or_default()
}

/// Answers the request of the current stream with HTTP status 429.
pub(crate) fn send_too_many_requests(answer: &Answer) {
    let headers = vec![("content-type", "application/json"), ("retry-after", answer.retry_after.as_str())];
    let _ = hostcalls::send_http_response(429, headers, Some(&answer.body));
}

/// [`Shell::received_bytes`] of a stream that is held.
pub(crate) fn received_bytes(stream: u32) -> u64 {
    if hostcalls::set_effective_context(stream).is_ok() { Envoy.received_bytes() } else { 0 }
}

/// Resumes a held request. A stream that is over is left alone.
pub(crate) fn resume_request(stream: u32) {
    if hostcalls::set_effective_context(stream).is_ok() {
        let _ = hostcalls::resume_http_request();
    }
}

/// Sets the tick period of this VM.
pub(crate) fn set_tick_period(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}
