//! One HTTP stream of a plugin: callbacks in, observations to the [recorder](crate::Recorder) and to the host's attributes.

use super::Plugin;
use super::attributes::Attributes;
use crate::exchange::{Context, Exchange};
use crate::host::Shell;
use crate::observation::{Observation, Observer, PublishedLabels};
use crate::recorder::Server;
use std::cell::Cell;
use std::rc::Rc;

/// One HTTP stream. Call its methods in the order of the proxy's callbacks; all but [`HttpStream::log`] may be missing.
/// Methods that take `end_of_stream` get `true` if no body and no trailers follow.
#[derive(Debug)]
pub struct HttpStream<S> {
    plugin: Rc<Plugin<S>>,
    exchange: Exchange,
    /// Known from the first observation on.
    server: Cell<Option<Server>>,
    attributes: Attributes,
}

/// What an exchange sees of its stream during one callback.
struct Recording<'a, S> {
    stream: &'a StreamServer<'a, S>,
    attributes: &'a mut Attributes,
}

/// The server of one stream.
struct StreamServer<'a, S> {
    plugin: &'a Plugin<S>,
    known: &'a Cell<Option<Server>>,
}

// === impl HttpStream ===

impl<S: Shell> HttpStream<S> {
    /// A stream that begins.
    #[must_use]
    pub fn new(plugin: Rc<Plugin<S>>) -> Self {
        let server = Cell::new(plugin.server);
        Self { plugin, exchange: Exchange::default(), server, attributes: Attributes::default() }
    }

    /// The request's headers pass.
    pub fn request_headers(&mut self, end_of_stream: bool) {
        if self.plugin.config.filter_state {
            self.attributes.read_session(&*self.plugin.shell, &self.plugin.session_key);
        }
        self.call(|exchange, context| exchange.handle_request_headers(context, end_of_stream));
    }

    /// `size` bytes of the request's body pass. `fetch` returns them, and is called only if they are read.
    pub fn request_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) {
        let bytes = if size > 0 && self.exchange.wants_request_body() { fetch() } else { Vec::new() };
        self.call(|exchange, context| exchange.handle_request_body(context, size, &bytes, end_of_stream));
    }

    /// The request's trailers pass.
    pub fn request_trailers(&mut self) {
        self.call(|exchange, context| exchange.handle_request_trailers(context));
    }

    /// The response's headers pass.
    pub fn response_headers(&mut self, end_of_stream: bool) {
        self.call(|exchange, context| exchange.handle_response_headers(context, end_of_stream));
    }

    /// `size` bytes of the response's body pass. `fetch` returns them, and is called only if they are read.
    pub fn response_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) {
        let bytes = if size > 0 && self.exchange.wants_response_body() { fetch() } else { Vec::new() };
        self.call(|exchange, context| exchange.handle_response_body(context, size, &bytes, end_of_stream));
    }

    /// The response's trailers pass.
    pub fn response_trailers(&mut self) {
        self.call(|exchange, context| exchange.handle_response_trailers(context));
    }

    /// The stream is over. The last callback of every stream.
    pub fn log(&mut self) {
        self.call(|exchange, context| exchange.handle_log(context));
    }

    fn call(&mut self, callback: impl FnOnce(&mut Exchange, &mut Context<'_>)) {
        let Self { plugin, exchange, server, attributes } = self;
        let stream = StreamServer { plugin, known: server };
        let mut recording = Recording { stream: &stream, attributes };
        let context = Context::new(&plugin.config, &*plugin.shell, &plugin.correlation, &mut recording);
        callback(exchange, &mut context.with_published_labels(&stream));
        plugin.flush_if_ended();
    }
}

// === impl StreamServer ===

impl<S: Shell> StreamServer<'_, S> {
    fn server(&self) -> Server {
        self.known.get().unwrap_or_else(|| {
            let cluster = self.plugin.shell.cluster_name().unwrap_or_default();
            let server = self.plugin.recorder.borrow_mut().server(&cluster);
            self.known.set(Some(server));
            server
        })
    }
}

impl<S: Shell> PublishedLabels for StreamServer<'_, S> {
    fn label(&self, uri: &[u8]) -> Option<Box<str>> {
        let server = self.server();
        self.plugin.recorder.borrow_mut().published_label(server, uri, &*self.plugin.shell)
    }
}

// === impl Recording ===

impl<S: Shell> Observer for Recording<'_, S> {
    fn observe(&mut self, observation: Observation<'_>) {
        let plugin = self.stream.plugin;
        if plugin.config.filter_state {
            self.attributes.describe(&observation, &plugin.config, &*plugin.shell);
        }
        let server = self.stream.server();
        plugin.recorder.borrow_mut().record(server, &observation, &*plugin.shell);
    }

    /// The attributes are those of this exchange, so they do not change.
    fn observe_other(&mut self, server: Option<&str>, observation: Observation<'_>) {
        let plugin = self.stream.plugin;
        let own = self.stream.server();
        let mut recorder = plugin.recorder.borrow_mut();
        let server = server.map_or(own, |name| recorder.server(name.as_bytes()));
        recorder.record(server, &observation, &*plugin.shell);
    }
}
