//! What access logs and spans can show of an exchange: section "access logs and spans" of `docs/metrics.md`.
//!
//! Of an exchange with several messages, the first request is described, or else the first notification, or else a response of
//! the client. Names, codes, sizes, times, request ids and keyed hashes are set, never contents or session ids. The user is
//! set only with `identity.header`. Exchanges that are not MCP have no attributes.
//!
//! An attribute is set in the callback in which its value becomes known, because Envoy finishes a span before the last
//! callback (log).
//!
//! **Cost:** one host call per attribute. In the callback of the request's headers one call for `traceparent` (a POST of JSON),
//! one for the configured identity header, and one for a session id that is too long to be kept.

use crate::config::Config;
use crate::exchange::Exchange;
use crate::host::Shell;
use crate::id::IdKey;
use crate::label::resource::keyed_hash;
use crate::label::{Direction, ErrorType, KnownMethod, Method, Status, Transport};
use crate::observation::{Observation, Operation, OperationEnd};
use crate::read::trace_parent::{LENGTH, trace_id, trace_parent};

/// The attributes of one exchange.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    has_read_headers: bool,
    user: Option<Box<str>>,
    /// Hash of the session's id, if the id is too long to be kept.
    session: Option<Box<str>>,
    has_shown_session: bool,
    has_shown_client: bool,
    /// The header `traceparent`.
    http_trace_parent: Option<Box<[u8]>>,
    /// The transport that was set.
    transport: Option<Transport>,
    subject: Subject,
    /// The id of the request that is described.
    request: Option<IdKey>,
    outcome: Outcome,
    /// How many requests the exchange has.
    requests: u8,
    has_shown_batch: bool,
}

/// What `mcp.method` names. A later one in this list replaces an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    #[default]
    Nothing,
    /// A stream, the end of a session or a response of the client.
    NoMethod,
    Notification,
    Request,
}

/// What `mcp.status` shows of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    Open,
    /// Another exchange may show the outcome.
    Elsewhere,
    Ended,
}

// === impl Attributes ===

impl Attributes {
    /// Reads the request's headers, which the host has only in their callback and in the last one. Of a header with several
    /// lines the host returns the first.
    pub(super) fn read_headers(&mut self, exchange: &Exchange, config: &Config, host: &impl Shell, session_key: &[u8]) {
        if std::mem::replace(&mut self.has_read_headers, true) || !exchange.may_be_mcp() {
            return;
        }
        if exchange.session_id().is_some_and(|id| id.whole().is_none()) {
            let id = host.request_header("mcp-session-id");
            self.session = id.map(|id| keyed_hash(session_key, &[&id]).into_boxed_str());
        }
        if let Some(header) = &config.identity.header {
            let value = host.request_header(header).filter(|value| !value.is_empty());
            self.user = value.map(|value| config.shown_user(&value).into_boxed_str());
        }
        if exchange.wants_request_body() {
            self.http_trace_parent = host.request_header("traceparent").map(Vec::into_boxed_slice);
        }
    }

    /// Sets the attributes that an observation determines. Not inlined, so that exchanges without attributes run less code.
    #[inline(never)]
    pub(super) fn describe(&mut self, observation: &Observation<'_>, config: &Config, host: &impl Shell) {
        match observation {
            Observation::TraceParent(value) if self.subject < Subject::Request => self.show_trace_parent(value, host),
            Observation::OperationStarted(operation) => {
                self.requests = self.requests.saturating_add(1);
                self.has_shown_client = true;
                if self.subject < Subject::Request {
                    self.subject = Subject::Request;
                    self.request = Some(operation.id.key());
                    describe_request(operation, config, host);
                }
            }
            Observation::OperationEnded(ended) if self.is_awaited(ended.operation) => {
                self.outcome = Outcome::Ended;
                describe_end(ended, host);
            }
            Observation::Notification { method, direction: Direction::In } if self.subject < Subject::Notification => {
                self.subject = Subject::Notification;
                let method = Some(*method).filter(|method| *method != Method::Other);
                show_method(method.map_or("notification", |method| method.as_str(&config.extra_methods)), host);
            }
            Observation::SessionStarted(session) => {
                host.set_attribute("mcp.protocol_version", session.protocol_version.as_str());
            }
            _ => {}
        }
    }

    /// Whether this is the request that is described, and its end is not.
    fn is_awaited(&self, operation: &Operation) -> bool {
        self.outcome != Outcome::Ended && self.request == Some(operation.id.key())
    }

    /// Sets the attributes that the state of the exchange determines. To be called at the end of each callback.
    /// `client` is that of the session, if the exchange has no request.
    pub(super) fn describe_exchange(
        &mut self,
        exchange: &Exchange,
        client: Option<&str>,
        host: &impl Shell,
        session_key: &[u8],
    ) {
        if !exchange.is_mcp() {
            return;
        }
        if self.transport != Some(exchange.transport()) {
            self.transport = Some(exchange.transport());
            host.set_attribute("mcp.transport", exchange.transport().as_str());
        }
        if let Some(user) = self.user.take() {
            host.set_attribute("mcp.user", &user);
        }
        self.show_session(exchange, host, session_key);
        if let Some(client) = client.filter(|_| !std::mem::replace(&mut self.has_shown_client, true)) {
            host.set_attribute("mcp.client", client);
        }
        if self.subject == Subject::Nothing
            && let Some(name) = exchange.name_without_method()
        {
            self.subject = Subject::NoMethod;
            show_method(name, host);
        }
        if self.requests > 1 && exchange.has_request_ended() && !self.has_shown_batch {
            self.has_shown_batch = true;
            host.set_attribute("mcp.batch_size", &self.requests.to_string());
        }
        if self.request.is_some() && self.outcome == Outcome::Open && exchange.has_ended_operations() {
            self.outcome = Outcome::Elsewhere;
            host.set_attribute("mcp.status", "elsewhere");
        }
    }

    /// The session of an `initialize` is known when its response passes.
    fn show_session(&mut self, exchange: &Exchange, host: &impl Shell, session_key: &[u8]) {
        if self.has_shown_session {
            return;
        }
        let hash = |id| keyed_hash(session_key, &[id]).into_boxed_str();
        let session = self.session.take().or_else(|| exchange.session_id()?.whole().map(hash));
        if let Some(session) = session {
            self.has_shown_session = true;
            host.set_attribute("mcp.session", &session);
        }
    }

    /// Sets the trace parent, unless the HTTP request belongs to the same trace.
    fn show_trace_parent(&self, value: &str, host: &impl Shell) {
        // Envoy reads only headers of this length; without one that it reads, it starts another trace.
        let of_http = self.http_trace_parent.as_deref().filter(|header| header.len() == LENGTH).and_then(trace_parent);
        if of_http.and_then(trace_id) != trace_id(value) {
            host.set_attribute("mcp.trace_parent", value);
        }
    }
}

fn show_method(method: &str, host: &impl Shell) {
    host.set_attribute("mcp.method", method);
    host.set_attribute("mcp.operation", method);
}

fn describe_request(operation: &Operation, config: &Config, host: &impl Shell) {
    let method = operation.method.as_str(&config.extra_methods);
    let name = name_key(operation.method).zip(operation.name.as_deref());
    match name {
        Some(("mcp.tool" | "mcp.prompt", name)) => {
            host.set_attribute("mcp.method", method);
            host.set_attribute("mcp.operation", &[method, name].join(" "));
        }
        _ => show_method(method, host),
    }
    if let Some((key, name)) = name {
        host.set_attribute(key, name);
    }
    if let Some(id) = operation.id.shown() {
        host.set_attribute("mcp.request_id", id);
    }
    if let Some(protocol_version) = operation.protocol_version {
        host.set_attribute("mcp.protocol_version", protocol_version.as_str());
    }
    if let Some(client) = operation.client_name.as_deref().filter(|_| config.wants_client_name()) {
        host.set_attribute("mcp.client", client);
    }
    if operation.request_bytes > 0 {
        host.set_attribute("mcp.request_bytes", &operation.request_bytes.to_string());
    }
}

fn describe_end(ended: &OperationEnd<'_>, host: &impl Shell) {
    host.set_attribute("mcp.status", ended.status.as_str());
    if ended.status == Status::Error {
        host.set_attribute("mcp.error_type", ended.error_type.map_or("", ErrorType::as_str));
    }
    if let Some(code) = ended.error_code() {
        host.set_attribute("mcp.error_code", &code.to_string());
    }
    if let Some(bytes) = ended.answer_bytes {
        host.set_attribute("mcp.response_bytes", &bytes.to_string());
    }
    if let Some(microseconds) = ended.duration {
        host.set_attribute("mcp.duration_us", &microseconds.to_string());
    }
}

/// The attribute that shows the name of an operation.
fn name_key(method: Method) -> Option<&'static str> {
    match method {
        Method::Known(KnownMethod::ToolsCall) => Some("mcp.tool"),
        Method::Known(KnownMethod::PromptsGet) => Some("mcp.prompt"),
        Method::Known(KnownMethod::ResourcesRead) => Some("mcp.resource"),
        _ => None,
    }
}
