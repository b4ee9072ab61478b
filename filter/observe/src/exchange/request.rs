//! The request's body: what is MCP, which operations begin, and whether the headers tell the truth.

use super::{Context, Exchange, Kind, MAX_OPERATIONS, Mirrored};
use crate::correlation::links::Fallback;
use crate::id::{Id, RequestId};
use crate::label::Method;
use crate::label::clean;
use crate::label::{Direction, KnownMethod, MirrorHeader, ProtocolVersion, ResourceUriLabel, SkipReason, Transport};
use crate::observation::{Observation, Operation};
use crate::read::body::Part;
use crate::read::message::{Message, MessageKind, Params};
use crate::text::Text;

/// A POST without any of these headers.
static NOT_MIRRORED: Mirrored = Mirrored { version: None, method: None, name: None };

impl Exchange {
    /// Whether the bytes of the request's body are worth fetching.
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.request.as_ref().is_some_and(|body| !body.is_done())
    }

    /// A chunk of `size` bytes passed; `bytes` is empty where they were not wanted.
    pub fn handle_request_body(&mut self, context: &mut Context<'_>, size: usize, bytes: &[u8], end_of_stream: bool) {
        self.bytes_in += size as u64;
        if let Some(mut body) = self.request.take() {
            body.push(bytes, &mut |part| self.request_part(part, context));
            self.request = Some(body);
        }
        if end_of_stream {
            self.end_request(context);
        }
        self.report_bytes(context);
    }

    /// The request's trailers passed: its body ended before them.
    pub fn handle_request_trailers(&mut self, context: &mut Context<'_>) {
        self.end_request(context);
    }

    pub(super) fn end_request(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.request_ended, true) {
            return;
        }
        self.finish_request_body(context);
        if self.kind == Kind::Post && !self.request_had_parts {
            let encoded = self.headers.is_encoded;
            context.skipped(Direction::In, if encoded { SkipReason::ContentEncoding } else { SkipReason::NotJsonRpc });
        }
        if !self.operations.is_empty() {
            self.started = Some(context.now());
            // The answer comes on the session's stream, and may overtake the 202; a refusal comes here.
            if self.transport == Transport::HttpSse
                && !self.register(Some(context.correlation.new_stream_id()), Fallback::NoResponse, context)
            {
                self.register(None, Fallback::NoResponse, context);
            }
        }
    }

    /// The exchange is over; if its request did not end, it was cut or refused.
    pub(super) fn break_off_request(&mut self, context: &mut Context<'_>) {
        if self.kind != Kind::Post || self.request_ended {
            return;
        }
        if context.host.response_status().is_some() {
            self.begin_unseen(context);
        }
        self.request_ended = true;
        self.finish_request_body(context);
        self.report_bytes(context);
    }

    /// Answered before its body was seen, by the proxy, another filter or a server in a hurry: only the headers can show it.
    /// What still comes of the body is not looked at, or it would count twice.
    #[inline(never)]
    pub(super) fn begin_unseen(&mut self, context: &mut Context<'_>) {
        let may_come = self.kind == Kind::Post && !self.request_ended;
        if !may_come || self.request_had_parts || !self.headers.is_mcp {
            return;
        }
        let Mirrored { method, name, .. } = self.headers.mirrored.as_deref().unwrap_or(&NOT_MIRRORED);
        let (text, name) = (method.clone(), name.clone());
        let method =
            text.as_ref().map_or(Method::Unseen, |text| Method::of(text.start(), &context.config.extra_methods));
        if text.as_ref().is_some_and(|text| text.start().starts_with(b"notifications/")) {
            return;
        }
        self.recognise(context);
        self.request = None;
        self.request_had_parts = true;
        self.is_unseen = true;
        let message = Message {
            id: Id::Some(RequestId::string(&Text::default())),
            method: text.or_else(|| Some(Text::default())),
            params: Some(Box::new(Params { name: name.clone(), uri: name, ..Params::default() })),
            ..Message::default()
        };
        self.begin_operation(&message, method, context);
    }

    fn finish_request_body(&mut self, context: &mut Context<'_>) {
        if let Some(mut body) = self.request.take() {
            body.finish(&mut |part| self.request_part(part, context));
        }
    }

    fn request_part(&mut self, part: Part<'_>, context: &mut Context<'_>) {
        self.request_had_parts = true;
        match part {
            Part::Message(message) => self.request_message(message, context),
            Part::Skipped(reason) => context.skipped(Direction::In, reason),
            Part::Event { .. } | Part::Endpoint(_) => {}
        }
    }

    fn request_message(&mut self, message: &Message, context: &mut Context<'_>) {
        let kind = message.kind();
        if kind == MessageKind::Invalid {
            return context.skipped(Direction::In, SkipReason::NotJsonRpc);
        }
        let method = message.method.as_ref().map(|text| Method::of(text.start(), &context.config.extra_methods));
        if !self.recognised && !method.is_some_and(Method::proves_mcp) && !self.headers.is_mcp {
            return context.skipped(Direction::In, SkipReason::NotMcp);
        }
        self.recognise(context);
        match (kind, method) {
            (MessageKind::Request, Some(method)) => self.begin_operation(message, method, context),
            (MessageKind::Notification, Some(method)) => {
                context.observe(Observation::Notification { method, direction: Direction::In });
                if method == Method::Known(KnownMethod::Cancelled) {
                    self.cancelled(message, Direction::In, context);
                }
            }
            (MessageKind::Response, _) => self.client_response(message, context),
            _ => {}
        }
    }

    fn begin_operation(&mut self, message: &Message, method: Method, context: &mut Context<'_>) {
        if self.operations.len() >= MAX_OPERATIONS {
            return context.skipped(Direction::In, SkipReason::TooLong);
        }
        let Message { id: Id::Some(id), method: Some(text), params, .. } = message else { return };
        let params = params.as_deref();
        let protocol_version = self.compare_headers(message, text, method, context);
        let operation = Operation {
            id: id.clone(),
            method,
            name: params.and_then(|params| name_label(method, params, context)),
            cursor: params.and_then(|params| params.cursor),
            had_event: false,
            protocol_version,
            client_name: params
                .and_then(|params| params.client_name.as_ref())
                .filter(|_| method == Method::Known(KnownMethod::Initialize))
                .map(|name| clean(name.start(), context.config.limits.label_bytes).into_boxed_str()),
            task_id: params.and_then(|params| params.task_id.clone().map(Box::new)),
            transport: self.transport,
        };
        self.requests += 1;
        context.observe(Observation::OperationStarted(&operation));
        self.operations.push(operation);
    }

    /// Counts headers of 2026-07-28 that contradict the body; the protocol version that the request is of, as far as it says.
    fn compare_headers(
        &self,
        message: &Message,
        text: &Text,
        method: Method,
        context: &mut Context<'_>,
    ) -> Option<ProtocolVersion> {
        let Mirrored { version, method: header_method, name } =
            self.headers.mirrored.as_deref().unwrap_or(&NOT_MIRRORED);
        let body_version = message.params.as_ref().and_then(|params| params.meta_version.as_ref());
        let of_body = body_version.map(|version| ProtocolVersion::of(version.start()));
        let of_header = version.as_ref().map(|version| ProtocolVersion::of(version.start()));
        let contradicts = |header: &Option<Text>, body: Option<&Text>| {
            header.as_ref().zip(body).is_some_and(|(header, body)| header != body)
        };
        let mut mismatch = |header| context.observe(Observation::HeaderMismatch(header));
        if contradicts(version, body_version) {
            mismatch(MirrorHeader::ProtocolVersion);
        }
        if [of_body, of_header].contains(&Some(ProtocolVersion::V2026_07_28)) {
            if contradicts(header_method, Some(text)) {
                mismatch(MirrorHeader::Method);
            }
            if contradicts(name, named(message, method)) {
                mismatch(MirrorHeader::Name);
            }
        }
        of_body.or(of_header)
    }
}

/// What an operation is about, in label form.
fn name_label(method: Method, params: &Params, context: &mut Context<'_>) -> Option<Box<str>> {
    let config = context.config;
    let label = match method {
        Method::Known(KnownMethod::ToolsCall | KnownMethod::PromptsGet) => {
            clean(params.name.as_ref()?.start(), config.limits.label_bytes)
        }
        Method::Known(KnownMethod::ResourcesRead) => {
            let uri = params.uri.as_ref()?;
            let published = config.resource_uri == ResourceUriLabel::Published;
            let known = uri.whole().filter(|_| published).and_then(|uri| context.published_label(uri));
            return Some(known.unwrap_or_else(|| config.resource_label(uri).into_boxed_str()));
        }
        _ => return None,
    };
    Some(label.into_boxed_str())
}

/// What `Mcp-Name` repeats for this method (2026-07-28, and SEP-2663 for tasks).
fn named(message: &Message, method: Method) -> Option<&Text> {
    use KnownMethod::{ResourcesRead, TasksCancel, TasksGet, TasksUpdate};
    let params = message.params.as_ref()?;
    match method {
        Method::Known(ResourcesRead) => params.uri.as_ref(),
        Method::Known(TasksGet | TasksUpdate | TasksCancel) => params.task_id.as_ref(),
        _ => params.name.as_ref(),
    }
}
