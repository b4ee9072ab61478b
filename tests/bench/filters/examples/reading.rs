//! Measures the core inside Envoy. With the scenario `small_json`: how fast it reads large answers, and what a small call
//! costs it without any host call. With `small_sse`: how long the body callback of each event takes, fetch included.

#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use mcp_observe::{Around, Config, Exchange, FamilyName, Host, Metrics, Observation, Observer, Recorder, Server, Time};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

const MEGABYTE: usize = 1 << 20;
/// What Envoy hands over at once.
const CHUNK: usize = 16 << 10;

const REQUEST: &[u8] = br#"{"method":"tools/call","params":{"name":"get_forecast","arguments":{"city":"Lisbon"},"_meta":{"progressToken":17}},"jsonrpc":"2.0","id":17}"#;
const ANSWER: &str = r#"{"result":{"content":[{"type":"text","text":"Lisbon: sunny, 21 degrees, wind 12 km/h from the west, no rain expected."}],"isError":false},"jsonrpc":"2.0","id":17}"#;

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

/// A host that answers from memory and forgets every metric.
struct Stub {
    answer_type: &'static str,
}

impl Host for Stub {
    fn now(&self) -> Time {
        Time(0)
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let value = match name {
            ":method" => "POST",
            "content-type" => "application/json",
            "accept" => "application/json, text/event-stream",
            "mcp-protocol-version" => "2025-11-25",
            _ => return None,
        };
        Some(value.into())
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        (name == "content-type").then(|| self.answer_type.into())
    }

    fn response_status(&self) -> Option<u16> {
        Some(200)
    }

    fn response_flags(&self) -> u64 {
        0
    }

    fn response_code_details(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Metrics for Stub {
    fn define(&self, _family: FamilyName, _stat: &str) -> Option<u32> {
        Some(1)
    }

    fn add(&self, id: u32, amount: i64) {
        black_box((id, amount));
    }

    fn record(&self, id: u32, value: u64) {
        black_box((id, value));
    }
}

struct Recording {
    recorder: Recorder,
    server: Server,
    stub: Stub,
}

impl Observer for Recording {
    fn observe(&mut self, observation: Observation<'_>) {
        self.recorder.record(self.server, &observation, &self.stub);
    }
}

struct Reader {
    config: Rc<Config>,
    host: Stub,
    recording: Recording,
}

impl Reader {
    fn new(answer_type: &'static str) -> Self {
        let config = Rc::new(Config::default());
        let mut recorder = Recorder::new(Rc::clone(&config));
        let server = recorder.server(b"upstream");
        let recording = Recording { recorder, server, stub: Stub { answer_type } };
        Self { config, host: Stub { answer_type }, recording }
    }

    fn with(&mut self, callback: impl FnOnce(&mut Around<'_>)) {
        callback(&mut Around::new(&self.config, &self.host, &mut self.recording));
    }

    /// A call up to the headers of its answer.
    fn begin(&mut self, exchange: &mut Exchange) {
        self.with(|around| exchange.handle_request_headers(around, false));
        self.with(|around| exchange.handle_request_body(around, REQUEST.len(), REQUEST, true));
        self.with(|around| exchange.handle_response_headers(around, false));
    }

    fn call(&mut self, answer: &[u8]) {
        let mut exchange = Exchange::default();
        self.begin(&mut exchange);
        for chunk in answer.chunks(CHUNK) {
            self.with(|around| exchange.handle_response_body(around, chunk.len(), black_box(chunk), false));
        }
        self.with(|around| exchange.handle_response_body(around, 0, b"", true));
        self.with(|around| exchange.handle_log(around));
    }
}

/// A stream whose events are timed as Envoy hands them over.
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
        reader.with(|around| exchange.handle_response_body(around, size, &bytes, end));
        if is_timed {
            report("body callback of one event", begin.elapsed());
        }
        Action::Continue
    }
}

fn measure_documents() {
    let mut reader = Reader::new("application/json");
    measure("small call, core alone", 500, || reader.call(ANSWER.as_bytes()));
    for (name, answer) in large_answers() {
        measure(&format!("answer of {} KiB, {name}", answer.len() >> 10), 2, || reader.call(&answer));
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
    // Nothing can be done about a log line that Envoy does not take.
    let _ = hostcalls::log(LogLevel::Warn, &format!("probe {} {name}", spent.as_nanos()));
}
