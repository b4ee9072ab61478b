//! Passes Envoy's callbacks of one HTTP stream to an [`mcp_observe::HttpStream`]. Every callback returns `Continue`.

use crate::host::{self, Envoy};
use mcp_observe::HttpStream;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// The stream context.
pub(crate) struct Stream(pub(crate) HttpStream<Envoy>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.0.request_headers(end_of_stream);
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.0.request_body(size, end_of_stream, || host::request_body(size));
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.0.request_trailers();
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.0.response_headers(end_of_stream);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.0.response_body(size, end_of_stream, || host::response_body(size));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.0.response_trailers();
        Action::Continue
    }

    fn on_log(&mut self) {
        self.0.log();
    }
}
