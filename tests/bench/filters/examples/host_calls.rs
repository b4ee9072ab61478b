//! Measures the cost of each host call inside Envoy. Every request makes each call many times and logs the nanoseconds per
//! call. Send one request after the other and take the medians.
#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};
use std::hint::black_box;
use std::time::{Instant, SystemTime};

/// Calls per measurement: enough that reading the clock does not matter, and few enough for one request.
const REPEATS: u32 = 2000;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { ids: Ids::default() }));
}}

#[derive(Clone, Copy, Default)]
struct Ids {
    counter: u32,
    histogram: u32,
}

struct Root {
    ids: Ids,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _configuration_size: usize) -> bool {
        let define = |kind, name| hostcalls::define_metric(kind, name).unwrap_or(0);
        self.ids = Ids {
            counter: define(MetricType::Counter, "method=.=tools/call;.;bench_total"),
            histogram: define(MetricType::Histogram, "method=.=tools/call;.;bench_microseconds"),
        };
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange { ids: self.ids }))
    }
}

struct Exchange {
    ids: Ids,
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let header = |name: &'static str| {
            move || drop(black_box(hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name)))
        };
        measure("request header, inline slot (:method)", header(":method"));
        measure("request header, present (mcp-session-id)", header("mcp-session-id"));
        measure("request header, absent (mcp-method)", header("mcp-method"));
        measure("request headers, whole map", || {
            drop(black_box(hostcalls::get_map_bytes(MapType::HttpRequestHeaders)));
        });
        measure("clock_time_get, wall (SystemTime::now)", || {
            black_box(SystemTime::now());
        });
        measure("clock_time_get, monotonic (Instant::now)", || {
            black_box(Instant::now());
        });
        measure("proxy_get_current_time_nanoseconds", || {
            black_box(hostcalls::get_current_time().unwrap_or(SystemTime::UNIX_EPOCH));
        });
        measure("increment counter", || {
            black_box(hostcalls::increment_metric(self.ids.counter, 1).is_ok());
        });
        let mut value = 100;
        measure("record histogram", || {
            value = value % 5000 + 7;
            black_box(hostcalls::record_metric(self.ids.histogram, value).is_ok());
        });
        property("property plugin_name", &["plugin_name"]);
        property("property xds.cluster_name", &["xds", "cluster_name"]);
        property("property source.address", &["source", "address"]);
        property("property request.path", &["request", "path"]);
        measure("get shared data, absent key", || {
            drop(black_box(hostcalls::get_shared_data("bench/absent")));
        });
        let value = [7; 300];
        let mut version = None;
        measure("shared data, 300 bytes written over what was read, and read", || {
            let written = hostcalls::set_shared_data("bench/slot", Some(&value), version).is_ok();
            black_box(written);
            version = hostcalls::get_shared_data("bench/slot").ok().and_then(|(_, version)| version);
        });
        measure("get shared data, 300 bytes", || {
            drop(black_box(hostcalls::get_shared_data("bench/slot")));
        });
        measure("set property (filter state), 10 bytes", || {
            black_box(hostcalls::set_property(vec!["mcp.method"], Some(b"tools/call")).is_ok());
        });
        measure("nothing (loop)", || {
            black_box(());
        });
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, _end: bool) -> Action {
        if size > 0 {
            buffer("request body", BufferType::HttpRequestBody, size);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        let header = |name: &'static str| {
            move || drop(black_box(hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name)))
        };
        measure("response header, inline slot (:status)", header(":status"));
        measure("response header, inline slot (content-type)", header("content-type"));
        measure("response header, absent (content-encoding)", header("content-encoding"));
        measure("response headers, whole map", || {
            drop(black_box(hostcalls::get_map_bytes(MapType::HttpResponseHeaders)));
        });
        property("property response.flags", &["response", "flags"]);
        property("property response.code_details", &["response", "code_details"]);
        property("property response.code", &["response", "code"]);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end: bool) -> Action {
        if size > 0 {
            buffer("response body", BufferType::HttpResponseBody, size);
        }
        Action::Continue
    }
}

fn property(name: &str, path: &[&'static str]) {
    measure(name, || drop(black_box(hostcalls::get_property(path.to_vec()))));
}

fn buffer(name: &str, kind: BufferType, size: usize) {
    measure(&format!("{name}, all of {size} bytes"), || {
        drop(black_box(hostcalls::get_buffer(kind, 0, size)));
    });
    measure(&format!("{name}, 64 of {size} bytes"), || {
        drop(black_box(hostcalls::get_buffer(kind, 0, 64)));
    });
}

/// Logs `probe <nanoseconds per call> <name>`.
fn measure(name: &str, mut call: impl FnMut()) {
    let begin = Instant::now();
    for _ in 0..REPEATS {
        call();
    }
    let spent = begin.elapsed() / REPEATS;
    let line = format!("probe {} {name}", spent.as_nanos());
    // A log line that Envoy refuses is ignored.
    let _ = hostcalls::log(LogLevel::Warn, &line);
}
