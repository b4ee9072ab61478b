//! A filter that makes no host call. In the callbacks of each stream the core reads the same small call from memory. The
//! difference from the empty filter is the cost of the core under traffic, with the state of the caches that Envoy leaves.
#![allow(missing_docs, reason = "the SDK's main! exports a function without any")]

use bench_filters::{ANSWER, REQUEST, Reader};
use mcp_observe::{Context as ExchangeContext, Exchange};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::RefCell;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root { reader: Rc::new(RefCell::new(Reader::new("application/json"))) }));
}}

struct Root {
    reader: Rc<RefCell<Reader>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { reader: Rc::clone(&self.reader), exchange: Exchange::default() }))
    }
}

struct Stream {
    reader: Rc<RefCell<Reader>>,
    exchange: Exchange,
}

impl Stream {
    fn with(&mut self, callback: impl FnOnce(&mut Exchange, &mut ExchangeContext<'_>)) -> Action {
        let Self { reader, exchange } = self;
        reader.borrow_mut().with(|context| callback(exchange, context));
        Action::Continue
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.with(|exchange, context| exchange.handle_request_headers(context, end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let bytes = if size > 0 { REQUEST } else { b"" };
        self.with(|exchange, context| exchange.handle_request_body(context, bytes.len(), bytes, end))
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.with(|exchange, context| exchange.handle_response_headers(context, end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let bytes = if size > 0 { ANSWER.as_bytes() } else { b"" };
        self.with(|exchange, context| exchange.handle_response_body(context, bytes.len(), bytes, end))
    }

    fn on_log(&mut self) {
        self.with(|exchange, context| exchange.handle_log(context));
    }
}
