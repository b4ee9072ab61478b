//! One HTTP stream of a plugin: calls the [exchange](crate::Exchange) for each callback, and hands its observations to the
//! [recorder](crate::Recorder) and to the attributes.

use super::Plugin;
use super::attributes::Attributes;
use crate::exchange::{Context, Exchange};
use crate::host::Shell;
use crate::observation::{Observation, Observer, PublishedLabels};
use crate::recorder::label_code::Server;
use std::rc::Rc;

/// One HTTP stream. Call its methods in the order of the proxy's callbacks; all but [`HttpStream::log`] may be missing.
/// Methods that take `end_of_stream` get `true` if no body and no trailers follow.
#[derive(Debug)]
pub struct HttpStream<S> {
    plugin: Rc<Plugin<S>>,
    exchange: Exchange,
    recording: Recording<S>,
}

/// Where the observations of one stream go.
#[derive(Debug)]
struct Recording<S> {
    plugin: Rc<Plugin<S>>,
    /// `None` until the first observation, if each stream has the server of its cluster.
    server: Option<Server>,
    /// `None` without `filter_state`.
    attributes: Option<Box<Attributes>>,
}

// === impl HttpStream ===

impl<S: Shell> HttpStream<S> {
    /// A stream that begins.
    #[must_use]
    #[inline]
    pub fn new(plugin: Rc<Plugin<S>>) -> Self {
        let server = plugin.server;
        let attributes = plugin.config.filter_state.then(Box::default);
        let recording = Recording { plugin: Rc::clone(&plugin), server, attributes };
        Self { plugin, exchange: Exchange::default(), recording }
    }

    /// The request's headers pass.
    pub fn request_headers(&mut self, end_of_stream: bool) {
        self.call(true, |exchange, context| exchange.handle_request_headers(context, end_of_stream));
    }

    /// `size` bytes of the request's body pass. `fetch` returns them, and is called only if they are read.
    pub fn request_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) {
        let bytes = if size > 0 && self.exchange.wants_request_body() { fetch() } else { Vec::new() };
        self.call(false, |exchange, context| exchange.handle_request_body(context, size, &bytes, end_of_stream));
    }

    /// The request's trailers pass.
    pub fn request_trailers(&mut self) {
        self.call(false, |exchange, context| exchange.handle_request_trailers(context));
    }

    /// The response's headers pass.
    pub fn response_headers(&mut self, end_of_stream: bool) {
        self.call(false, |exchange, context| exchange.handle_response_headers(context, end_of_stream));
    }

    /// `size` bytes of the response's body pass. `fetch` returns them, and is called only if they are read.
    pub fn response_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) {
        let bytes = if size > 0 && self.exchange.wants_response_body() { fetch() } else { Vec::new() };
        self.call(false, |exchange, context| exchange.handle_response_body(context, size, &bytes, end_of_stream));
    }

    /// The response's trailers pass.
    pub fn response_trailers(&mut self) {
        self.call(false, |exchange, context| exchange.handle_response_trailers(context));
    }

    /// The stream is over. The last callback of every stream.
    pub fn log(&mut self) {
        self.call(true, |exchange, context| exchange.handle_log(context));
    }

    /// `has_request_headers`: the host has the request's headers in this callback.
    #[inline]
    pub(super) fn call(&mut self, has_request_headers: bool, callback: impl FnOnce(&mut Exchange, &mut Context<'_>)) {
        let Self { plugin, exchange, recording } = self;
        callback(
            exchange,
            &mut Context::new(&plugin.config, &*plugin.shell, &plugin.correlation, &plugin.bodies, recording),
        );
        if recording.attributes.is_some() {
            recording.describe_exchange(exchange, has_request_headers);
        }
        plugin.flush_if_ended();
    }
}

// === impl Recording ===

impl<S: Shell> Recording<S> {
    /// Not inlined, so that exchanges without attributes run less code.
    #[inline(never)]
    fn describe_exchange(&mut self, exchange: &mut Exchange, has_request_headers: bool) {
        let plugin = Rc::clone(&self.plugin);
        let Plugin { config, shell, .. } = &*plugin;
        let context = Context::new(config, &**shell, &plugin.correlation, &plugin.bodies, self);
        let client = exchange.client_without_request(&context);
        let Some(attributes) = &mut self.attributes else { return };
        if has_request_headers {
            attributes.read_headers(exchange, config, &**shell);
        }
        attributes.describe_exchange(exchange, client.as_deref(), config, &**shell);
    }

    #[inline]
    fn server(&mut self) -> Server {
        match self.server {
            Some(server) => server,
            None => self.server_of_cluster(),
        }
    }

    #[inline(never)]
    fn server_of_cluster(&mut self) -> Server {
        let cluster = self.plugin.shell.cluster_name().unwrap_or_default();
        let server = self.plugin.recorder.borrow_mut().server(&cluster);
        self.server = Some(server);
        server
    }
}

impl<S: Shell> PublishedLabels for Recording<S> {
    fn published_label(&mut self, uri: &[u8]) -> Option<Box<str>> {
        let server = self.server();
        self.plugin.recorder.borrow_mut().published_label(server, uri, &*self.plugin.shell)
    }
}

impl<S: Shell> Observer for Recording<S> {
    fn observe(&mut self, observation: Observation<'_>) {
        if let Some(attributes) = &mut self.attributes {
            attributes.describe(&observation, &self.plugin.config, &*self.plugin.shell);
        }
        let server = self.server();
        self.plugin.recorder.borrow_mut().record(server, &observation, &*self.plugin.shell);
    }

    /// Does not set attributes, because they describe this exchange only.
    fn observe_other(&mut self, server: Option<&str>, observation: Observation<'_>) {
        let own = self.server();
        let mut recorder = self.plugin.recorder.borrow_mut();
        let server = server.map_or(own, |name| recorder.server(name.as_bytes()));
        recorder.record(server, &observation, &*self.plugin.shell);
    }
}
