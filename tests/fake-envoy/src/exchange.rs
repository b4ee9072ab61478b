//! The script of one exchange, and the player that turns it into Envoy's events.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Cost, Fault, LocalReply, Upstream, Vm};

/// One step of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Header block of the request.
    RequestHeaders(Vec<(String, Vec<u8>)>),
    /// Piece of the request's body.
    RequestBody(Vec<u8>),
    /// Trailers of the request.
    RequestTrailers(Vec<(String, Vec<u8>)>),
    /// The request is complete.
    RequestEnd,
    /// Header block of the response.
    ResponseHeaders(Vec<(String, Vec<u8>)>),
    /// Piece of the response's body.
    ResponseBody(Vec<u8>),
    /// Trailers of the response.
    ResponseTrailers(Vec<(String, Vec<u8>)>),
    /// The response is complete.
    ResponseEnd,
    /// A property gets a value.
    Property(String, Vec<u8>),
    /// Time passes.
    Wait(Duration),
}

/// How the filter gets the end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1: an empty piece of body with the end flag after the last one.
    Http1,
    /// HTTP/2: the end flag comes with the last piece.
    Http2,
}

/// One exchange from the first header to the last byte. Without the end steps it fails after its last step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exchange {
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// The results of an exchange.
#[derive(Debug, Clone)]
pub struct Played {
    /// Filter state by key.
    pub filter_state: BTreeMap<String, String>,
    /// Fuel and host calls of this exchange.
    pub cost: Cost,
    /// What the upstream got of the request.
    pub upstream: Upstream,
    /// The response that the module sent instead of the upstream's.
    pub local_reply: Option<LocalReply>,
}

// === impl Exchange ===

impl Exchange {
    /// A JSON-RPC POST to `/mcp` as the SDKs send it, complete.
    pub fn post(body: &str) -> Self {
        let headers: [(&str, &str); 5] = [
            (":method", "POST"),
            (":path", "/mcp"),
            (":authority", "localhost:4000"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let mut steps = vec![Step::RequestHeaders(owned(&headers))];
        if !body.is_empty() {
            steps.push(Step::RequestBody(body.as_bytes().to_vec()));
        }
        steps.push(Step::RequestEnd);
        Self { steps }
    }

    /// A request without a body.
    pub fn bodiless(method: &str, path: &str) -> Self {
        let headers = [(":method", method), (":path", path), (":authority", "localhost:4000")];
        Self { steps: vec![Step::RequestHeaders(owned(&headers)), Step::RequestEnd] }
    }

    /// Sets a request header, in place of one with this name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(Step::RequestHeaders(headers)) = self.steps.first_mut() {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        self
    }

    /// Adds a line to a request header that is there already.
    #[must_use]
    pub fn another(mut self, name: &str, value: &str) -> Self {
        if let Some(Step::RequestHeaders(headers)) = self.steps.first_mut() {
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        self
    }

    /// Removes a request header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Some(Step::RequestHeaders(headers)) = self.steps.first_mut() {
            headers.retain(|(known, _)| known != name);
        }
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Lets time pass.
    #[must_use]
    pub fn wait_ms(self, milliseconds: u64) -> Self {
        self.then(Step::Wait(Duration::from_millis(milliseconds)))
    }

    /// Sets `response.flags` from here on.
    #[must_use]
    pub fn flags(self, flags: u64) -> Self {
        self.then(Step::Property("response.flags".to_owned(), flags.to_le_bytes().to_vec()))
    }

    /// Sets `response.code_details` from here on; without it, responses are `via_upstream`.
    #[must_use]
    pub fn details(self, details: &str) -> Self {
        self.then(Step::Property("response.code_details".to_owned(), details.as_bytes().to_vec()))
    }

    /// Response headers only; the body follows in further steps.
    #[must_use]
    pub fn head(self, status: u16, headers: &[(&str, &str)]) -> Self {
        let mut all = vec![(":status".to_owned(), status.to_string().into_bytes())];
        all.extend(owned(headers));
        self.then(Step::ResponseHeaders(all))
    }

    /// A piece of the response's body.
    #[must_use]
    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::ResponseBody(bytes.as_ref().to_vec()))
    }

    /// The response is complete.
    #[must_use]
    pub fn end(self) -> Self {
        self.then(Step::ResponseEnd)
    }

    /// A complete response.
    #[must_use]
    pub fn answer(self, status: u16, content_type: &str, body: &str) -> Self {
        let headed = self.head(status, &[("content-type", content_type)]);
        let filled = if body.is_empty() { headed } else { headed.chunk(body) };
        filled.end()
    }

    /// A complete JSON response with status 200.
    #[must_use]
    pub fn json(self, body: &str) -> Self {
        self.answer(200, "application/json", body)
    }

    /// A complete event stream; each item is the data of one event, which is one chunk.
    #[must_use]
    pub fn sse(self, events: &[&str]) -> Self {
        let mut exchange = self.head(200, &[("content-type", "text/event-stream")]);
        for event in events {
            exchange = exchange.chunk(format!("event: message\ndata: {event}\n\n"));
        }
        exchange.end()
    }

    /// The same bytes in pieces of at most `size`.
    #[must_use]
    pub fn in_chunks_of(&self, size: usize) -> Self {
        let mut steps = Vec::new();
        for step in &self.steps {
            match step {
                Step::RequestBody(bytes) => {
                    steps.extend(bytes.chunks(size).map(|part| Step::RequestBody(part.to_vec())));
                }
                Step::ResponseBody(bytes) => {
                    steps.extend(bytes.chunks(size).map(|part| Step::ResponseBody(part.to_vec())));
                }
                other => steps.push(other.clone()),
            }
        }
        Self { steps }
    }
}

// === impl Vm ===

impl Vm {
    /// Plays an exchange to its end and destroys the stream.
    ///
    /// # Errors
    ///
    /// A trap, a pause or a bad host call.
    pub fn play(&self, exchange: &Exchange, framing: Framing) -> Result<Played, Fault> {
        let before = self.cost();
        let mut stream = self.open();
        for (index, step) in exchange.steps.iter().enumerate() {
            let ends = framing.end_comes_with(step, exchange.steps.get(index + 1..).unwrap_or_default());
            match step {
                Step::RequestHeaders(headers) => stream.request_headers(&borrowed(headers), ends)?,
                Step::RequestBody(chunk) => stream.request_body(chunk, ends)?,
                Step::RequestTrailers(trailers) => stream.request_trailers(&borrowed(trailers))?,
                Step::ResponseHeaders(headers) => stream.response_headers(&borrowed(headers), ends)?,
                Step::ResponseBody(chunk) => stream.response_body(chunk, ends)?,
                Step::ResponseTrailers(trailers) => stream.response_trailers(&borrowed(trailers))?,
                Step::Property(path, value) => stream.set_property(path, value),
                Step::Wait(time) => self.advance(*time),
                Step::RequestEnd | Step::ResponseEnd => {
                    let before = exchange.steps.get(..index).unwrap_or_default();
                    match before.iter().rev().find(|before| before.side() == step.side()) {
                        Some(Step::RequestBody(_)) if framing == Framing::Http1 => {
                            stream.request_body(&[], true)?;
                        }
                        Some(Step::ResponseBody(_)) if framing == Framing::Http1 => {
                            stream.response_body(&[], true)?;
                        }
                        _ => {}
                    }
                }
            }
        }
        let (upstream, local_reply) = (stream.upstream().clone(), stream.local_reply().cloned());
        let filter_state = stream.close()?;
        Ok(Played { filter_state, cost: self.cost().since(&before), upstream, local_reply })
    }
}

// === impl Step ===

impl Step {
    /// `Some(true)` for the request, `Some(false)` for the response, nothing for the rest.
    fn side(&self) -> Option<bool> {
        match self {
            Self::RequestHeaders(_) | Self::RequestBody(_) | Self::RequestTrailers(_) | Self::RequestEnd => Some(true),
            Self::ResponseHeaders(_) | Self::ResponseBody(_) | Self::ResponseTrailers(_) | Self::ResponseEnd => {
                Some(false)
            }
            Self::Property(..) | Self::Wait(_) => None,
        }
    }
}

// === impl Framing ===

impl Framing {
    /// Whether the callback of `step` carries the end flag, given what follows.
    fn end_comes_with(self, step: &Step, rest: &[Step]) -> bool {
        let next = rest.iter().find(|next| next.side() == step.side());
        let last = matches!(next, Some(Step::RequestEnd | Step::ResponseEnd));
        let headers = matches!(step, Step::RequestHeaders(_) | Step::ResponseHeaders(_));
        last && (headers || self == Self::Http2)
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn borrowed(headers: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}
