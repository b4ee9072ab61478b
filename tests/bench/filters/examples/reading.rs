//! Measures the core inside Envoy. With the scenario `small_json`: how fast it reads large responses, and the cost of a small
//! call without host calls. With `small_sse`: how long the body callback of each event takes, including the host call that
//! fetches the bytes.

#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use bench_filters::{ANSWER, Reader};
use mcp_observe::Exchange;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MEGABYTE: usize = 1 << 20;
/// The size of the chunks that Envoy hands over.
const CHUNK: usize = 16 << 10;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { exchange: Exchange::default(), reader: Reader::new("text/event-stream") }))
    }
}

/// A stream that measures the callback of each event.
struct Stream {
    exchange: Exchange,
    reader: Reader,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        let content_type = hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, "content-type");
        if content_type == Ok(Some(b"text/event-stream".to_vec())) {
            self.reader.begin(&mut self.exchange);
        } else {
            measure_documents();
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let begin = Instant::now();
        let is_timed = self.exchange.wants_response_body();
        let wanted = size > 0 && is_timed;
        let bytes = if wanted { hostcalls::get_buffer(BufferType::HttpResponseBody, 0, size) } else { Ok(None) };
        let bytes = bytes.ok().flatten().unwrap_or_default();
        let Self { exchange, reader } = self;
        reader.with(|context| exchange.handle_response_body(context, size, &bytes, end));
        if is_timed {
            report("body callback of one event", begin.elapsed());
        }
        Action::Continue
    }
}

fn call(reader: &mut Reader, answer: &[u8]) {
    let mut exchange = Exchange::default();
    reader.begin(&mut exchange);
    for chunk in answer.chunks(CHUNK) {
        reader.with(|context| exchange.handle_response_body(context, chunk.len(), black_box(chunk), false));
    }
    reader.with(|context| exchange.handle_response_body(context, 0, b"", true));
    reader.with(|context| exchange.handle_log(context));
}

fn measure_documents() {
    let mut reader = Reader::new("application/json");
    measure("small call, core alone", 500, || call(&mut reader, ANSWER.as_bytes()));
    for (name, answer) in large_answers() {
        measure(&format!("answer of {} KiB, {name}", answer.len() >> 10), 2, || call(&mut reader, &answer));
    }
}

fn large_answers() -> [(&'static str, Vec<u8>); 4] {
    let text = |pattern: &str| {
        let text = pattern.repeat(MEGABYTE / pattern.len());
        ANSWER.replace("Lisbon: sunny", &text).into_bytes()
    };
    let row = r#"{"id":7,"t":18.5,"ok":true,"wind":[3,7],"note":null},"#;
    let rows = format!(r#""structuredContent":[{}0],"isError""#, row.repeat(MEGABYTE / row.len()));
    [
        (
            "prose",
            text(r#"The \"late\" boat from Cacilhas was full, so we walked along the river to the next pier.\n"#),
        ),
        ("source code", text(r#"    if (value == \"x\") {\n\t\treturn call(value, 3);\n    }\n"#)),
        ("base64", text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")),
        ("dense JSON", ANSWER.replace(r#""isError""#, &rows).into_bytes()),
    ]
}

fn measure(name: &str, repeats: u32, mut call: impl FnMut()) {
    let begin = Instant::now();
    for _ in 0..repeats {
        call();
    }
    report(name, begin.elapsed() / repeats);
}

/// Logs `probe <nanoseconds> <name>`.
fn report(name: &str, spent: Duration) {
    // A log line that Envoy refuses is ignored.
    let _ = hostcalls::log(LogLevel::Warn, &format!("probe {} {name}", spent.as_nanos()));
}
