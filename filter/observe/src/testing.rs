//! A small proxy for tests: it plays an exchange and records the observations.

mod log;

use crate::config::Config;
use crate::correlation::{Correlation, HASH_KEY_BYTES};
use crate::exchange::{Context, Exchange};
use crate::host::{Failure, Host, Time};
use crate::observation::Observer;
use crate::read::body::pool::BodyPool;
use crate::shared_data::InMemory;
pub(crate) use log::Log;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How the proxy saw the exchange end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The last chunk of the body.
    LastChunk,
    /// An empty chunk after the last one, as in Envoy for HTTP/1.
    EmptyChunk,
    Trailers,
    /// The headers; there is no body.
    Headers,
    /// The message does not end: a reset.
    Never,
}

/// One exchange, as a test writes it.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) request: BTreeMap<&'static str, String>,
    pub(crate) request_body: Vec<u8>,
    pub(crate) request_end: End,
    pub(crate) response: BTreeMap<&'static str, String>,
    pub(crate) response_body: Vec<u8>,
    pub(crate) response_end: End,
    pub(crate) failure: Option<Failure>,
    pub(crate) is_from_upstream: bool,
    /// Size of each chunk.
    pub(crate) chunk: usize,
    pub(crate) config: Config,
    /// The upstream cluster.
    pub(crate) cluster: &'static str,
}

/// A proxy with one worker: exchanges that play here share its correlation store and its clock.
pub(crate) struct Proxy {
    pub(crate) correlation: Correlation,
    pub(crate) bodies: BodyPool,
    pub(crate) shared: Rc<InMemory>,
    /// The clock advances by 1 ms each time it is read.
    clock: Rc<Cell<u64>>,
}

/// A running exchange, which a test advances step by step.
pub(crate) struct Playing<'a> {
    script: &'a Script,
    proxy: &'a Proxy,
    exchange: Exchange,
    /// The headers that are available in the current callback.
    request_headers: Cell<bool>,
    response_headers: Cell<bool>,
}

// === impl Script ===

impl Script {
    /// A `tools/call` of 2025-11-25 with id 1, not answered yet.
    pub(crate) fn post(body: &str) -> Self {
        let request = [
            (":method", "POST"),
            (":path", "/mcp"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        Self {
            request: request.map(|(name, value)| (name, value.to_owned())).into(),
            request_body: body.as_bytes().to_vec(),
            request_end: End::EmptyChunk,
            response: BTreeMap::new(),
            response_body: Vec::new(),
            response_end: End::Never,
            failure: None,
            is_from_upstream: true,
            chunk: usize::MAX,
            config: Config::default(),
            cluster: "cluster",
        }
    }

    pub(crate) fn tool_call() -> Self {
        Self::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}"#)
    }

    pub(crate) fn get() -> Self {
        let mut script = Self::post("");
        script.request.insert(":method", "GET".to_owned());
        script.request.remove("content-type");
        script.request_end = End::Headers;
        script
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.insert(name, value.to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.request.remove(name);
        self
    }

    pub(crate) fn answered(mut self, status: u16, content_type: &str, body: &str) -> Self {
        self.response.insert(":status", status.to_string());
        if !content_type.is_empty() {
            self.response.insert("content-type", content_type.to_owned());
        }
        self.response_body = body.as_bytes().to_vec();
        self.response_end = if body.is_empty() { End::Headers } else { End::EmptyChunk };
        self
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.answered(200, "application/json", body)
    }

    pub(crate) fn sse(self, body: &str) -> Self {
        self.answered(200, "text/event-stream", body)
    }

    /// The response does not end by itself.
    pub(crate) fn open(self) -> Self {
        self.broken(None)
    }

    /// The response ends early, after the chunks sent so far, for this reason.
    pub(crate) fn broken(mut self, failure: impl Into<Option<Failure>>) -> Self {
        self.response_end = End::Never;
        self.failure = failure.into();
        self
    }

    /// Plays the exchange to its end, alone.
    pub(crate) fn play(&self) -> Vec<String> {
        self.play_in(&Proxy::default())
    }

    /// Plays the exchange in a proxy that other exchanges share.
    pub(crate) fn play_in(&self, proxy: &Proxy) -> Vec<String> {
        let mut log = Log::default();
        self.play_to(proxy, &mut log);
        log.lines
    }

    pub(crate) fn play_to(&self, proxy: &Proxy, observer: &mut dyn Observer) {
        let mut playing = proxy.begin(self, observer);
        playing.respond(observer);
        playing.end(observer);
    }
}

// === impl Proxy ===

impl Default for Proxy {
    fn default() -> Self {
        let shared = Rc::new(InMemory::default());
        let correlation = Correlation::new(shared.clone(), "test", [7; HASH_KEY_BYTES], 0);
        Self { correlation, bodies: BodyPool::default(), shared, clock: Rc::default() }
    }
}

impl Proxy {
    /// Another worker of the same process.
    pub(crate) fn other_worker(&self) -> Self {
        let shared = Rc::clone(&self.shared);
        let correlation = Correlation::new(shared.clone(), "test", [7; HASH_KEY_BYTES], 1);
        Self { correlation, bodies: BodyPool::default(), shared, clock: Rc::clone(&self.clock) }
    }

    /// Sends a script's request.
    pub(crate) fn begin<'a>(&'a self, script: &'a Script, observer: &mut dyn Observer) -> Playing<'a> {
        let (request_headers, response_headers) = (Cell::new(true), Cell::new(false));
        let mut playing =
            Playing { script, proxy: self, exchange: Exchange::default(), request_headers, response_headers };
        let end = script.request_end;
        playing.with(observer, |exchange, context| exchange.handle_request_headers(context, end == End::Headers));
        playing.request_headers.set(false);
        for (bytes, last) in chunks(&script.request_body, script.chunk, end) {
            let wanted = if playing.exchange.wants_request_body() { bytes } else { b"" };
            playing
                .with(observer, |exchange, context| exchange.handle_request_body(context, bytes.len(), wanted, last));
        }
        if end == End::Trailers {
            playing.with(observer, |exchange, context| exchange.handle_request_trailers(context));
        }
        playing
    }

    /// Advances the clock by this number of minutes.
    pub(crate) fn wait(&self, minutes: u64) {
        self.clock.set(self.clock.get() + minutes * 60_000_000_000);
    }

    /// Runs 32 ticks and returns their observations.
    pub(crate) fn tick(&self) -> Vec<String> {
        (0..32).flat_map(|_| self.tick_once()).collect()
    }

    pub(crate) fn tick_once(&self) -> Vec<String> {
        let mut log = Log::default();
        self.tick_to(&mut log);
        log.lines
    }

    pub(crate) fn tick_to(&self, observer: &mut dyn Observer) {
        self.correlation.tick(Time(self.clock.get()), &mut |_, observation| observer.observe(observation));
    }
}

// === impl Playing ===

impl Playing<'_> {
    /// Runs a callback of the exchange.
    pub(crate) fn with(&mut self, observer: &mut dyn Observer, callback: impl FnOnce(&mut Exchange, &mut Context<'_>)) {
        let mut exchange = std::mem::take(&mut self.exchange);
        let context =
            &mut Context::new(&self.script.config, &*self, &self.proxy.correlation, &self.proxy.bodies, observer);
        callback(&mut exchange, context);
        self.exchange = exchange;
    }

    /// Sends the rest of the request.
    pub(crate) fn send_rest(&mut self, rest: &[u8], observer: &mut dyn Observer) {
        let wanted = if self.exchange.wants_request_body() { rest } else { b"" };
        self.with(observer, |exchange, context| exchange.handle_request_body(context, rest.len(), wanted, true));
    }

    /// Sends the whole response of the script.
    pub(crate) fn respond(&mut self, observer: &mut dyn Observer) {
        let script = self.script;
        if script.response.is_empty() {
            return;
        }
        let end = script.response_end;
        self.response_headers.set(true);
        self.with(observer, |exchange, context| exchange.handle_response_headers(context, end == End::Headers));
        self.response_headers.set(false);
        for (bytes, last) in chunks(&script.response_body, script.chunk, end) {
            self.chunk(bytes, last, observer);
        }
        if end == End::Trailers {
            self.with(observer, |exchange, context| exchange.handle_response_trailers(context));
        }
    }

    /// Sends one more chunk of the response.
    pub(crate) fn chunk(&mut self, bytes: &[u8], last: bool, observer: &mut dyn Observer) {
        let wanted = if self.exchange.wants_response_body() { bytes } else { b"" };
        self.with(observer, |exchange, context| exchange.handle_response_body(context, bytes.len(), wanted, last));
    }

    pub(crate) fn event(&mut self, text: &str) -> Vec<String> {
        let mut log = Log::default();
        self.chunk(text.as_bytes(), false, &mut log);
        log.lines
    }

    /// Ends the exchange.
    pub(crate) fn end(mut self, observer: &mut dyn Observer) {
        self.request_headers.set(true);
        self.response_headers.set(true);
        self.with(observer, |exchange, context| exchange.handle_log(context));
        self.with(observer, |exchange, context| exchange.handle_log(context));
    }

    pub(crate) fn finish(self) -> Vec<String> {
        let mut log = Log::default();
        self.end(&mut log);
        log.lines
    }
}

fn chunks(body: &[u8], size: usize, end: End) -> Vec<(&[u8], bool)> {
    let count = body.chunks(size.min(body.len().max(1))).count();
    let pieces = body.chunks(size.min(body.len().max(1))).enumerate();
    let mut chunks: Vec<(&[u8], bool)> =
        pieces.map(|(index, bytes)| (bytes, end == End::LastChunk && index + 1 == count)).collect();
    if end == End::EmptyChunk {
        chunks.push((b"", true));
    }
    chunks
}

impl Host for Playing<'_> {
    fn now(&self) -> Time {
        let clock = &self.proxy.clock;
        clock.set(clock.get() + 1_000_000);
        Time(clock.get())
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        assert!(self.request_headers.get(), "request header {name} is not at hand");
        Some(self.script.request.get(name)?.lines().next().unwrap_or_default().as_bytes().to_vec())
    }

    /// In a script, a line break separates the lines of a header.
    fn request_header_lines(&self, name: &str) -> Option<Vec<u8>> {
        assert!(self.request_headers.get(), "request header {name} is not at hand");
        Some(self.script.request.get(name)?.replace('\n', ",").into_bytes())
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        assert!(self.response_headers.get(), "response header {name} is not at hand");
        Some(self.script.response.get(name)?.as_bytes().to_vec())
    }

    fn cluster_name(&self) -> Option<Vec<u8>> {
        Some(self.script.cluster.as_bytes().to_vec())
    }

    fn response_status(&self) -> Option<u16> {
        self.script.response.get(":status")?.parse().ok()
    }

    fn failure(&self) -> Option<Failure> {
        self.script.failure
    }

    fn is_from_upstream(&self) -> bool {
        self.script.is_from_upstream
    }
}
