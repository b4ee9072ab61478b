//! One MCP client: a connection for its calls, a session if the protocol version has sessions, one request at a time.
//!
//! It does only what the load needs: it has no client capabilities, opens no GET stream on Streamable HTTP, and does not
//! resume a stream that ended without its response. After a request without a response it ends its session, because the
//! sidecar knows the outcome of such a request only then.

use crate::connection::{Connection, Failure, Outgoing};
use crate::events::Events;
use crate::message::{Message, Method, Template};
use crate::outcome::{ErrorType, Outcome};
use crate::protocol_version::{ProtocolVersion, Transport};
use crate::stream::Stream;
use crate::tally::{Ended, Tally};
use crate::world::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method as Verb, Request, Response, Uri};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The HTTP status of the sidecar's own refusal.
const TOO_MANY_REQUESTS: u16 = 429;

/// The protocol version and the transport that a client uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) transport: Transport,
}

/// The outcome of a request and its response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    code: Option<i64>,
    /// The name of the rate limit rule that refused the request.
    refused_by: Option<String>,
    answered: Instant,
    /// The JSON-RPC message, or the body if there is none.
    pub(crate) text: Vec<u8>,
    protocol_version: Option<String>,
    session_id: Option<HeaderValue>,
    /// The HTTP status, where there was a response.
    pub(crate) status: Option<u16>,
    /// The server sent a server request before its response.
    pub(crate) asked: bool,
}

/// An MCP client; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Client {
    world: Arc<World>,
    dialect: Dialect,
    calls: Connection,
    /// The connection for responses to server requests, while `calls` receives a stream.
    answers: Connection,
    session: Option<Session>,
    next_id: u64,
}

#[derive(Debug)]
struct Session {
    headers: HeaderMap,
    path: PathAndQuery,
    /// The GET stream of HTTP+SSE.
    stream: Option<Stream>,
    /// `initialize` succeeded.
    begun: bool,
    /// The negotiated protocol version; empty without `initialize`.
    version: String,
}

// === impl Reply ===

impl Reply {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            code: None,
            refused_by: None,
            answered: Instant::now(),
            text: Vec::new(),
            protocol_version: None,
            session_id: None,
            status: None,
            asked: false,
        }
    }

    fn answer(&mut self, method: Method, message: &Message, text: Vec<u8>) {
        let rule = message.error.as_ref().and_then(|error| error.rule());
        if let Some(rule) = rule.filter(|_| self.status == Some(TOO_MANY_REQUESTS)) {
            self.outcome = Outcome::Error(ErrorType::RateLimited);
            self.refused_by = Some(rule.to_owned());
        } else {
            self.outcome = Outcome::of_answer(method, message);
            // The sidecar does not count its own errors by code.
            self.code = message.error.as_ref().map(|error| error.code);
        }
        self.protocol_version = message.result.as_ref().and_then(|result| result.protocol_version.clone());
        self.answered = Instant::now();
        self.text = text;
    }
}

// === impl Client ===

impl Client {
    pub(crate) fn new(world: Arc<World>, dialect: Dialect) -> Self {
        let (calls, answers) = (Connection::new(world.url.clone()), Connection::new(world.url.clone()));
        Self { world, dialect, calls, answers, session: None, next_id: 0 }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Longest time that a request may take.
    pub(crate) fn limit(&self) -> Duration {
        self.world.timeout
    }

    /// Opens a session if none is open.
    pub(crate) async fn ensure_open(&mut self) {
        if self.session.is_none() {
            self.open().await;
        }
    }

    /// The negotiated protocol version; empty if there is no session or no `initialize`.
    pub(crate) fn version(&self) -> &str {
        self.session.as_ref().map_or("", |session| &session.version)
    }

    /// Opens a session. A protocol version without sessions needs no request. Returns the reply to `initialize`, if it was sent.
    pub(crate) async fn open(&mut self) -> Option<Reply> {
        let mut session = Session::new(&self.world.url.path, self.dialect.protocol_version);
        if self.dialect.protocol_version.is_modern() {
            self.session = Some(session);
            return None;
        }
        if self.dialect.transport == Transport::HttpSse {
            match Stream::open(&self.world).await {
                Ok((path, stream)) => (session.path, session.stream) = (path, Some(stream)),
                Err(reason) => {
                    self.world.failed_to_open(&reason);
                    return Some(Reply::of(Outcome::NotSent));
                }
            }
        }
        self.session = Some(session);
        let reply = self.call(&Template::initialize(self.dialect.protocol_version), self.world.timeout).await;
        if reply.outcome == Outcome::Ok {
            self.begin(&reply).await;
        } else {
            self.session = None;
        }
        Some(reply)
    }

    async fn begin(&mut self, reply: &Reply) {
        let Some(session) = &mut self.session else { return };
        let version = reply.protocol_version.as_deref().unwrap_or_default();
        session.version = version.to_owned();
        session.begun = true;
        if let Some(id) = &reply.session_id {
            session.headers.insert(SESSION_ID, id.clone());
        }
        if ProtocolVersion::parse(version).is_some_and(ProtocolVersion::has_header)
            && let Ok(version) = HeaderValue::from_str(version)
        {
            session.headers.insert(PROTOCOL_VERSION, version);
        }
        self.world.tally(|tally| tally.session_begun(version, self.dialect.transport));
        let initialized = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let request = session.post(initialized, &[]);
        if timeout(self.world.timeout, finish(&mut self.calls, request)).await.is_ok_and(|status| status.is_some()) {
            self.world.tally(Tally::initialized);
        }
    }

    /// Ends the session, if there is one: by DELETE if it has an id, on HTTP+SSE by closing the stream.
    pub(crate) async fn close(&mut self) {
        let Some(session) = self.session.take() else { return };
        if session.stream.is_some() {
            if session.begun {
                self.world.tally(Tally::session_ended);
            }
        } else if session.headers.contains_key(SESSION_ID) {
            let ended = timeout(self.world.timeout, finish(&mut self.calls, session.delete())).await;
            if matches!(ended, Ok(Some(200..300 | 404))) {
                self.world.tally(Tally::session_ended);
            }
        }
    }

    /// Sends one request, waits for its response at most `limit`, and counts how it ended.
    pub(crate) async fn call(&mut self, template: &Template, limit: Duration) -> Reply {
        self.next_id += 1;
        let id = self.next_id;
        let begun = Instant::now();
        let mut reply = Reply::of(Outcome::Cancelled);
        let in_time = timeout(limit, self.exchange(template, id, &mut reply)).await.is_ok();
        if !in_time {
            self.calls.close();
            if reply.outcome == Outcome::Cancelled {
                reply.answered = Instant::now();
            }
        }
        let (method, tool, outcome, code) = (template.method, template.tool, reply.outcome, reply.code);
        let took = reply.answered.duration_since(begun);
        self.world.tally(|tally| tally.ended(Ended { method, tool, outcome, code, took }));
        if let Some(rule) = reply.refused_by.take() {
            self.world.tally(|tally| tally.refused(rule));
        }
        let lost =
            reply.status == Some(404) && method != Method::Initialize && !self.dialect.protocol_version.is_modern();
        if (outcome.is_unanswered() || lost) && method != Method::Initialize {
            self.close().await;
        }
        reply
    }

    async fn exchange(&mut self, template: &Template, id: u64, reply: &mut Reply) {
        let Some(session) = &self.session else {
            reply.outcome = Outcome::NotSent;
            return;
        };
        let response = match self.calls.send(session.post(template.body(id), &template.headers)).await {
            Ok(response) => response,
            Err(failure) => {
                reply.outcome = match failure {
                    Failure::NotSent(reason) => {
                        self.world.failed_to_open(&reason);
                        Outcome::NotSent
                    }
                    Failure::Broken => Outcome::Error(ErrorType::Reset),
                };
                return;
            }
        };
        reply.status = Some(response.status().as_u16());
        reply.session_id = response.headers().get(SESSION_ID).cloned();
        let is_stream = media_type(&response).starts_with("text/event-stream");
        if is_stream {
            self.read_events(response, template.method, id, reply).await;
        } else {
            self.read_body(response, template.method, id, reply).await;
        }
    }

    async fn read_events(&mut self, response: Response<Incoming>, method: Method, id: u64, reply: &mut Reply) {
        let mut body = response.into_body();
        let mut events = Events::default();
        let mut is_answered = false;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                self.calls.close();
                if !is_answered {
                    reply.outcome = Outcome::Error(ErrorType::Reset);
                }
                return;
            };
            for event in events.push(frame.data_ref().map_or(&[][..], |data| data)) {
                let Ok(message) = serde_json::from_slice::<Message>(&event.data) else { continue };
                if !is_answered && message.answers(id, true) {
                    is_answered = true;
                    reply.answer(method, &message, event.data);
                } else if let Some(answer) = message.reply() {
                    reply.asked = true;
                    self.answer(answer).await;
                }
            }
        }
        if !is_answered {
            reply.outcome = Outcome::Error(ErrorType::NoResponse);
        }
    }

    async fn read_body(&mut self, response: Response<Incoming>, method: Method, id: u64, reply: &mut Reply) {
        let status = response.status().as_u16();
        let Ok(body) = response.into_body().collect().await else {
            self.calls.close();
            reply.outcome = Outcome::Error(ErrorType::Reset);
            return;
        };
        let text = Vec::from(body.to_bytes());
        if let Ok(message) = serde_json::from_slice::<Message>(&text)
            && message.answers(id, true)
        {
            return reply.answer(method, &message, text);
        }
        let is_elsewhere =
            (200..300).contains(&status) && self.session.as_ref().is_some_and(|session| session.stream.is_some());
        if is_elsewhere {
            return self.await_event(method, id, reply).await;
        }
        reply.outcome = Outcome::of_http(method, status, &text);
        reply.text = text;
    }

    /// Receives the response on the session's stream (HTTP+SSE).
    async fn await_event(&mut self, method: Method, id: u64, reply: &mut Reply) {
        loop {
            let stream = self.session.as_mut().and_then(|session| session.stream.as_mut());
            let Some(stream) = stream else { return };
            let text = match stream.next().await {
                Ok(text) => text,
                Err(how) => {
                    reply.outcome = Outcome::Error(how);
                    return;
                }
            };
            let Ok(message) = serde_json::from_slice::<Message>(&text) else { continue };
            if message.answers(id, false) {
                return reply.answer(method, &message, text);
            }
            if let Some(answer) = message.reply() {
                reply.asked = true;
                self.answer(answer).await;
            }
        }
    }

    async fn answer(&mut self, answer: Bytes) {
        let Some(session) = &self.session else { return };
        // The result does not matter: the server may refuse it.
        finish(&mut self.answers, session.post(answer, &[])).await;
    }
}

// === impl Session ===

impl Session {
    fn new(path: &PathAndQuery, protocol_version: ProtocolVersion) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let mut version = "";
        if protocol_version.is_modern() {
            version = protocol_version.name();
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version));
        }
        Self { headers, path: path.clone(), stream: None, begun: false, version: version.to_owned() }
    }

    fn post(&self, body: Bytes, extra: &[(HeaderName, HeaderValue)]) -> Outgoing {
        let mut request = self.request(Verb::POST, body);
        request.headers_mut().extend(extra.iter().cloned());
        request
    }

    fn delete(&self) -> Outgoing {
        let mut request = self.request(Verb::DELETE, Bytes::new());
        request.headers_mut().remove(CONTENT_TYPE);
        request
    }

    fn request(&self, verb: Verb, body: Bytes) -> Outgoing {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = verb;
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn media_type(response: &Response<Incoming>) -> &str {
    response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Runs an exchange whose response body does not matter. Returns the HTTP status, if the exchange ended.
async fn finish(connection: &mut Connection, request: Outgoing) -> Option<u16> {
    let response = connection.send(request).await.ok()?;
    let status = response.status().as_u16();
    if response.into_body().collect().await.is_err() {
        connection.close();
        return None;
    }
    Some(status)
}
