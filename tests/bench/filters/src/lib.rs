//! The wasm modules for the benchmarks (see `examples/`), and the code that some of them share: the lower bound of the cost
//! ([`Floor`]), and the core with a host that makes no host calls.

mod floor;

pub use floor::Floor;
use mcp_observe::{
    BodyPool, Config, Context, Correlation, Exchange, Failure, HASH_KEY_BYTES, Host, InMemory, MetricKind, Metrics,
    Observation, Observer, PublishedLabels, Recorder, Server, SharedData, Time, Versioned,
};
use std::hint::black_box;
use std::rc::Rc;

/// The request of the small call.
pub const REQUEST: &[u8] = br#"{"method":"tools/call","params":{"name":"get_forecast","arguments":{"city":"Lisbon"},"_meta":{"progressToken":17}},"jsonrpc":"2.0","id":17}"#;
/// The response to the small call.
pub const ANSWER: &str = r#"{"result":{"content":[{"type":"text","text":"Lisbon: sunny, 21 degrees, wind 12 km/h from the west, no rain expected."}],"isError":false},"jsonrpc":"2.0","id":17}"#;

/// A host that returns headers from memory and drops all metrics.
#[derive(Debug)]
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

    fn cluster_name(&self) -> Option<Vec<u8>> {
        None
    }

    fn response_status(&self) -> Option<u16> {
        Some(200)
    }

    fn failure(&self) -> Option<Failure> {
        None
    }

    fn is_from_upstream(&self) -> bool {
        true
    }
}

impl SharedData for Stub {
    fn read(&self, _key: &str) -> Option<Versioned> {
        None
    }

    fn write(&self, _key: &str, _value: &[u8], _version: Option<u32>) -> bool {
        true
    }
}

impl Metrics for Stub {
    fn define(&self, _kind: MetricKind, _family: &str, _labels: &[(&str, &str)]) -> Option<u32> {
        Some(1)
    }

    fn add(&self, id: u32, amount: i64) {
        black_box((id, amount));
    }

    fn record(&self, id: u32, value: u64) {
        black_box((id, value));
    }
}

#[derive(Debug)]
struct Recording {
    recorder: Recorder,
    server: Server,
    stub: Stub,
}

impl PublishedLabels for Recording {}

impl Observer for Recording {
    fn observe(&mut self, observation: Observation<'_>) {
        self.recorder.record(self.server, &observation, &self.stub);
    }
}

/// The core with its configuration and recorder.
#[derive(Debug)]
pub struct Reader {
    config: Rc<Config>,
    host: Stub,
    correlation: Correlation,
    bodies: BodyPool,
    recording: Recording,
}

impl Reader {
    /// Makes the core for responses with this content type.
    #[must_use]
    pub fn new(answer_type: &'static str) -> Self {
        let config = Rc::new(Config::default());
        let mut recorder = Recorder::new(Rc::clone(&config));
        let server = recorder.server(b"upstream");
        let recording = Recording { recorder, server, stub: Stub { answer_type } };
        let correlation = Correlation::new(Rc::new(InMemory::default()), "bench", [0; HASH_KEY_BYTES], 0);
        Self { config, host: Stub { answer_type }, correlation, bodies: BodyPool::default(), recording }
    }

    /// Runs one callback of the core.
    pub fn with(&mut self, callback: impl FnOnce(&mut Context<'_>)) {
        let Self { config, host, correlation, bodies, recording } = self;
        callback(&mut Context::new(config, host, correlation, bodies, recording));
    }

    /// Runs the small call up to the response headers.
    pub fn begin(&mut self, exchange: &mut Exchange) {
        self.with(|context| exchange.handle_request_headers(context, false));
        self.with(|context| exchange.handle_request_body(context, REQUEST.len(), REQUEST, true));
        self.with(|context| exchange.handle_response_headers(context, false));
    }
}
