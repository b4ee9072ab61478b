//! Passes Envoy's callbacks of one HTTP stream to an [`mcp_observe::HttpStream`], and every callback returns `Continue`. With the
//! block `rate_limit` it is an [`mcp_observe::LimitedStream`], which decides what the callbacks of the request return.

use crate::host::{self, Envoy};
use mcp_observe::{Action as Limited, HttpStream, LimitedStream};
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

/// The stream context with a rate limit.
pub(crate) struct HeldStream(pub(crate) LimitedStream<Envoy>);

impl Context for HeldStream {}

impl HttpContext for HeldStream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        action(self.0.request_headers(end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.0.request_body(size, end_of_stream, || host::request_body(size)))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        action(self.0.request_trailers(host::request_body))
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

/// Envoy sends a local reply after the callback returned; until then the request stays held.
fn action(limited: Limited) -> Action {
    match limited {
        Limited::Pass => Action::Continue,
        Limited::Hold => Action::Pause,
        Limited::Refuse(answer) => {
            host::send_too_many_requests(&answer);
            Action::Pause
        }
    }
}
