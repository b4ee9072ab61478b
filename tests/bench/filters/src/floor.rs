//! The host calls that every observing filter needs, without use of their results: the lower bound of its cost.
//!
//! Five calls: the bodies, the kind of the response, and the time. Nine calls: also the kind of the request, and the values of
//! three histograms.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType, MetricType};
use std::hint::black_box;
use std::time::Instant;

/// The root context of both filters.
#[derive(Debug)]
pub struct Floor {
    /// Whether the filter makes nine calls instead of five.
    has_nine: bool,
    histogram: u32,
}

#[derive(Debug)]
struct Exchange {
    has_nine: bool,
    histogram: u32,
    begun: Instant,
}

// === impl Floor ===

impl Floor {
    /// The filter with five host calls per exchange.
    #[must_use]
    pub fn five() -> Self {
        Self { has_nine: false, histogram: 0 }
    }

    /// The filter with nine host calls per exchange.
    #[must_use]
    pub fn nine() -> Self {
        Self { has_nine: true, histogram: 0 }
    }
}

impl Context for Floor {}

impl RootContext for Floor {
    fn on_vm_start(&mut self, _configuration_size: usize) -> bool {
        let defined = hostcalls::define_metric(MetricType::Histogram, "method=.=tools/call;.;bench_microseconds");
        self.histogram = defined.unwrap_or_default();
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange { has_nine: self.has_nine, histogram: self.histogram, begun: Instant::now() }))
    }
}

// === impl Exchange ===

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        if self.has_nine {
            content_type(MapType::HttpRequestHeaders);
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, _end: bool) -> Action {
        body(BufferType::HttpRequestBody, size);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        content_type(MapType::HttpResponseHeaders);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end: bool) -> Action {
        body(BufferType::HttpResponseBody, size);
        if size > 0 {
            let microseconds = black_box(self.begun.elapsed().as_micros() as u64);
            let recorded: &[u64] = if self.has_nine { &[microseconds, microseconds, size as u64] } else { &[] };
            for &value in recorded {
                // A metric that Envoy refuses is ignored.
                let _ = hostcalls::record_metric(self.histogram, value);
            }
        }
        Action::Continue
    }
}

fn content_type(map: MapType) {
    drop(black_box(hostcalls::get_map_value_bytes(map, "content-type")));
}

fn body(buffer: BufferType, size: usize) {
    if size > 0 {
        drop(black_box(hostcalls::get_buffer(buffer, 0, size)));
    }
}
