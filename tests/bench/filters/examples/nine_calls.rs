//! A filter that makes the nine host calls without which nothing can be observed, and does nothing with what they return:
//! the floor under any observing filter.
#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};
use std::hint::black_box;
use std::time::Instant;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { histogram: 0 }));
}}

struct Root {
    histogram: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _configuration_size: usize) -> bool {
        let defined = hostcalls::define_metric(MetricType::Histogram, "method=.=tools/call;.;bench_microseconds");
        self.histogram = defined.unwrap_or_default();
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange { histogram: self.histogram, begun: Instant::now() }))
    }
}

struct Exchange {
    histogram: u32,
    begun: Instant,
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        content_type(MapType::HttpRequestHeaders);
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
            let microseconds = self.begun.elapsed().as_micros() as u64;
            for value in [microseconds, microseconds, size as u64] {
                // Nothing to do about a metric that Envoy does not take.
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
