//! One HTTP stream: Envoy's callbacks to one [`Exchange`], its observations to the plugin's [recorder](mcp_observe::Recorder).

use crate::host;
use crate::plugin::Plugin;
use mcp_observe::{
    Context as ExchangeContext, Exchange, Host, Observation, Observer, Operation, Server, Status, session_hash,
};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::rc::Rc;

/// The stream context.
pub(crate) struct HttpStream {
    plugin: Rc<Plugin>,
    exchange: Exchange,
    scribe: Scribe,
}

/// Writes observations down: to the recorder, and to filter state where that is on.
struct Scribe {
    plugin: Rc<Plugin>,
    /// Known from the first observation on.
    server: Option<Server>,
    /// Hash of the session, for filter state.
    session: Option<String>,
    /// The request that filter state speaks of was seen.
    described: bool,
    /// And it ended.
    concluded: bool,
}

// === impl HttpStream ===

impl HttpStream {
    pub(crate) fn new(plugin: Rc<Plugin>) -> Self {
        let scribe = Scribe {
            plugin: Rc::clone(&plugin),
            server: plugin.server,
            session: None,
            described: false,
            concluded: false,
        };
        Self { plugin, exchange: Exchange::default(), scribe }
    }

    fn with(&mut self, callback: impl FnOnce(&mut Exchange, &mut ExchangeContext<'_>)) {
        let Self { plugin, exchange, scribe } = self;
        callback(exchange, &mut ExchangeContext::new(&plugin.config, &plugin.envoy, &plugin.correlation, scribe));
        plugin.flush_if_ended();
    }
}

impl Context for HttpStream {}

impl HttpContext for HttpStream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.scribe.read_session();
        self.with(|exchange, context| exchange.handle_request_headers(context, end_of_stream));
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let wanted = size > 0 && self.exchange.wants_request_body();
        let bytes = if wanted { host::request_body(size) } else { Vec::new() };
        self.with(|exchange, context| exchange.handle_request_body(context, size, &bytes, end_of_stream));
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.with(|exchange, context| exchange.handle_request_trailers(context));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.with(|exchange, context| exchange.handle_response_headers(context, end_of_stream));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let wanted = size > 0 && self.exchange.wants_response_body();
        let bytes = if wanted { host::response_body(size) } else { Vec::new() };
        self.with(|exchange, context| exchange.handle_response_body(context, size, &bytes, end_of_stream));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.with(|exchange, context| exchange.handle_response_trailers(context));
        Action::Continue
    }

    fn on_log(&mut self) {
        self.with(|exchange, context| exchange.handle_log(context));
    }
}

// === impl Scribe ===

impl Scribe {
    fn server(&mut self) -> Server {
        let plugin = &self.plugin;
        *self.server.get_or_insert_with(|| {
            let cluster = host::property(&["xds", "cluster_name"]).unwrap_or_default();
            plugin.recorder.borrow_mut().server(&cluster)
        })
    }

    /// Headers are at hand only while they pass.
    fn read_session(&mut self) {
        let plugin = &self.plugin;
        if plugin.config.filter_state() {
            let session = plugin.envoy.request_header("mcp-session-id");
            self.session = session.map(|id| session_hash(&plugin.session_key, &id));
        }
    }

    /// Section "access logs and spans" of `docs/metrics.md`: of a batch, the first request.
    fn describe(&mut self, observation: &Observation<'_>) {
        match observation {
            Observation::OperationStarted(operation) if !self.described => {
                self.described = true;
                self.describe_request(operation);
            }
            Observation::OperationEnded(ended) if !self.concluded => {
                self.concluded = true;
                host::set_filter_state("mcp.status", ended.status().as_str());
                if ended.status() == Status::Error {
                    host::set_filter_state("mcp.error_type", ended.error_type().map_or("", |kind| kind.as_str()));
                }
                if let Some(code) = ended.error_code() {
                    host::set_filter_state("mcp.error_code", &code.to_string());
                }
            }
            Observation::SessionStarted(session) => {
                host::set_filter_state("mcp.protocol_version", session.protocol_version().as_str());
            }
            _ => {}
        }
    }

    fn describe_request(&self, operation: &Operation) {
        let plugin = &self.plugin;
        host::set_filter_state("mcp.method", operation.method().as_str(plugin.config.extra_methods()));
        host::set_filter_state("mcp.transport", operation.transport().as_str());
        if let (Some(key), Some(name)) = (operation.name_key(), operation.name()) {
            host::set_filter_state(key, name);
        }
        if let Some(id) = operation.shown_id() {
            host::set_filter_state("mcp.request_id", id);
        }
        if let Some(protocol_version) = operation.protocol_version() {
            host::set_filter_state("mcp.protocol_version", protocol_version.as_str());
        }
        if let Some(session) = &self.session {
            host::set_filter_state("mcp.session", session);
        }
    }
}

impl Observer for Scribe {
    fn published_label(&mut self, uri: &[u8]) -> Option<Box<str>> {
        let server = self.server();
        self.plugin.recorder.borrow_mut().published_label(server, uri, &self.plugin.envoy)
    }

    /// Filter state speaks of this exchange, so this is none of it.
    fn observe_of(&mut self, server: Option<&str>, observation: Observation<'_>) {
        let own = self.server();
        let mut recorder = self.plugin.recorder.borrow_mut();
        let server = server.map_or(own, |name| recorder.server(name.as_bytes()));
        recorder.record(server, &observation, &self.plugin.envoy);
    }

    fn observe(&mut self, observation: Observation<'_>) {
        if self.plugin.config.filter_state() {
            self.describe(&observation);
        }
        let server = self.server();
        self.plugin.recorder.borrow_mut().record(server, &observation, &self.plugin.envoy);
    }
}
