//! The request's body: whether it is MCP, which operations it starts, and whether the headers agree with it.

use super::state::{Clock, Evidence, MirroredHeaders, RequestKind};
use super::{Context, Exchange, MAX_OPERATIONS};
use crate::correlation::links::Fallback;
use crate::id::{Id, RequestId};
use crate::label::{
    Direction, KnownMethod, Method, MirrorHeader, ProtocolVersion, ResourceUriLabel, SkipReason, Transport, clean,
};
use crate::observation::{Observation, Operation};
use crate::read::body::Part;
use crate::read::message::{Message, MessageKind, Params};
use crate::text::Text;
use std::num::NonZeroU64;
use std::rc::Rc;

impl Exchange {
    /// Whether the next chunk of the request's body is read.
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.request.body.as_ref().is_some_and(|body| !body.is_done())
    }

    /// A chunk of `size` bytes passed. `bytes` is the chunk, or empty if [`Self::wants_request_body`] is false.
    pub fn handle_request_body(&mut self, context: &mut Context<'_>, size: usize, bytes: &[u8], end_of_stream: bool) {
        self.request.bytes += size as u64;
        if let Some(mut body) = self.request.body.take() {
            body.push(bytes, &mut |part| self.request_part(part, context));
            self.request.body = Some(body);
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
        if std::mem::replace(&mut self.request.has_ended, true) {
            return;
        }
        self.finish_request_body(context);
        if let (RequestKind::Post(headers), Evidence::Nothing) = (&self.request.kind, self.request.evidence) {
            let is_encoded = headers.is_encoded;
            let reason = if is_encoded { SkipReason::ContentEncoding } else { SkipReason::NotJsonRpc };
            context.skipped(Direction::In, reason);
        }
        if self.operations.open.is_empty() {
            return;
        }
        self.operations.clock = Clock::Started(context.now());
        // The response comes on the session's stream, and may pass before the 202. A refusal comes on this exchange.
        if self.session.transport == Transport::HttpSse {
            let stream = Some(context.correlation.new_stream_id());
            if !self.save_operations(stream, Fallback::NoResponse, context) {
                self.save_operations(None, Fallback::NoResponse, context);
            }
        }
    }

    /// The exchange ended. If the request had not ended, the client cut it or the response came before its end.
    pub(super) fn end_cut_request(&mut self, context: &mut Context<'_>) {
        if self.request.kind.post().is_none() || self.request.has_ended {
            return;
        }
        if context.host.response_status().is_some() {
            self.begin_by_headers(context);
        }
        self.request.has_ended = true;
        self.finish_request_body(context);
        self.report_bytes(context);
    }

    /// The response came before the body: from the proxy, another filter, or a server that did not wait for the body. So only
    /// the headers can show the operation. If the body comes later, it is not read, so that the operation is not counted
    /// twice.
    #[inline(never)]
    pub(super) fn begin_by_headers(&mut self, context: &mut Context<'_>) {
        let RequestKind::Post(headers) = &self.request.kind else { return };
        if self.request.has_ended || self.request.evidence != Evidence::Nothing || !headers.is_mcp {
            return;
        }
        let mirrored = headers.mirrored.as_deref();
        let text = mirrored.and_then(|mirrored| mirrored.method.as_ref());
        if text.is_some_and(|text| text.start().starts_with(b"notifications/")) {
            return;
        }
        let method = text.map_or(Method::Unseen, |text| Method::of(text.start(), &context.config.extra_methods));
        let name = mirrored.and_then(|mirrored| mirrored.name.as_ref());
        let mut operation = Operation {
            id: RequestId::unknown(),
            method,
            name: name.and_then(|name| name_label(method, name, context)),
            tool: name.and_then(|name| tool_digest(method, name)),
            cursor: None,
            had_event: false,
            protocol_version: mirrored.and_then(MirroredHeaders::protocol_version),
            client_name: None,
            task_id: None,
            transport: self.session.transport,
            request_bytes: 0,
        };
        self.recognise(context);
        operation.client_name = self.client_name(method, None, context);
        self.request.body = None;
        self.request.evidence = Evidence::Headers;
        self.begin_operation(operation, context);
    }

    fn finish_request_body(&mut self, context: &mut Context<'_>) {
        if let Some(mut body) = self.request.body.take() {
            body.finish(&mut |part| self.request_part(part, context));
            context.bodies.put(body);
        }
    }

    pub(super) fn request_part(&mut self, part: Part<'_>, context: &mut Context<'_>) {
        self.request.evidence = Evidence::Body;
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
        let is_mcp = self.is_recognised()
            || method.is_some_and(Method::proves_mcp)
            || self.request.kind.post().is_some_and(|headers| headers.is_mcp);
        if !is_mcp {
            return context.skipped(Direction::In, SkipReason::NotMcp);
        }
        self.recognise(context);
        match (kind, method) {
            (MessageKind::Request, Some(method)) => self.request_found(message, method, context),
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

    /// A request in the body becomes an operation.
    fn request_found(&mut self, message: &Message, method: Method, context: &mut Context<'_>) {
        if self.operations.open.len() >= MAX_OPERATIONS {
            return context.skipped(Direction::In, SkipReason::TooLong);
        }
        let Message { id: Id::Some(id), method: Some(text), params, .. } = message else { return };
        let params = params.as_deref();
        let protocol_version = self.compare_headers(text, params, method, context);
        if let Some(trace_parent) = params.and_then(|params| params.trace_parent.as_deref()) {
            context.observe(Observation::TraceParent(trace_parent));
        }
        let name = params.and_then(|params| mirrored_name(method, params));
        let operation = Operation {
            id: id.clone(),
            method,
            name: name.and_then(|name| name_label(method, name, context)),
            tool: name.and_then(|name| tool_digest(method, name)),
            cursor: params.and_then(|params| params.cursor),
            had_event: false,
            protocol_version,
            client_name: self.client_name(method, params, context),
            task_id: params.and_then(|params| params.task_id.clone().map(Box::new)),
            transport: self.session.transport,
            request_bytes: message.bytes,
        };
        self.begin_operation(operation, context);
    }

    /// The name of the client that sent a request, as a label value: of its `_meta` (2026-07-28), of `clientInfo` for
    /// `initialize`, else what the `initialize` of the session had. `None` if it is unknown or not used.
    fn client_name(&mut self, method: Method, params: Option<&Params>, context: &Context<'_>) -> Option<Rc<str>> {
        if !context.config.needs_client_name() {
            return None;
        }
        let is_initialize = method == Method::Known(KnownMethod::Initialize);
        let given = params.and_then(|params| {
            let of_initialize = params.client_name.as_ref().filter(|_| is_initialize);
            of_initialize.or(params.meta_client_name.as_ref())
        });
        match given {
            Some(name) => context.correlation.client_label(name, context.config.limits.label_bytes),
            None if is_initialize => None,
            None => self.client_of_session(context),
        }
    }

    fn begin_operation(&mut self, operation: Operation, context: &mut Context<'_>) {
        self.operations.begun = self.operations.begun.saturating_add(1);
        context.observe(Observation::OperationStarted(&operation));
        // Most requests have one operation. A `Vec` that grows by itself would begin with room for four.
        if self.operations.open.is_empty() {
            self.operations.open.reserve_exact(1);
        }
        self.operations.open.push(operation);
    }

    /// Counts headers of 2026-07-28 that contradict the body. Returns the protocol version of the request, if it has one.
    fn compare_headers(
        &self,
        text: &Text,
        params: Option<&Params>,
        method: Method,
        context: &mut Context<'_>,
    ) -> Option<ProtocolVersion> {
        let body_version = params.and_then(|params| params.meta_version.as_ref());
        let of_body = body_version.map(|version| ProtocolVersion::of(version.start()));
        let Some(headers) = self.request.mirrored() else { return of_body };
        let of_header = headers.protocol_version();
        let contradicts = |header: &Option<Text>, body: Option<&Text>| {
            header.as_ref().zip(body).is_some_and(|(header, body)| header != body)
        };
        let mut mismatch = |header| context.observe(Observation::HeaderMismatch(header));
        if contradicts(&headers.version, body_version) {
            mismatch(MirrorHeader::ProtocolVersion);
        }
        if [of_body, of_header].contains(&Some(ProtocolVersion::V2026_07_28)) {
            if contradicts(&headers.method, Some(text)) {
                mismatch(MirrorHeader::Method);
            }
            if contradicts(&headers.name, params.and_then(|params| mirrored_name(method, params))) {
                mismatch(MirrorHeader::Name);
            }
        }
        of_body.or(of_header)
    }
}

// === impl MirroredHeaders ===

impl MirroredHeaders {
    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.version.as_ref().map(|version| ProtocolVersion::of(version.start()))
    }
}

/// The label of the tool, prompt or resource that an operation names; `None` for other methods.
fn name_label(method: Method, name: &Text, context: &mut Context<'_>) -> Option<Box<str>> {
    let config = context.config;
    match method {
        Method::Known(KnownMethod::ToolsCall | KnownMethod::PromptsGet) => {
            Some(clean(name.start(), config.limits.label_bytes).into_boxed_str())
        }
        Method::Known(KnownMethod::ResourcesRead) => {
            let is_published = config.resource_uri == ResourceUriLabel::Published;
            let published = name.whole().filter(|_| is_published).and_then(|uri| context.observer.published_label(uri));
            Some(published.unwrap_or_else(|| config.resource_label(name).into_boxed_str()))
        }
        _ => None,
    }
}

/// The digest of the tool's whole name: two names may have one label.
pub(super) fn tool_digest(method: Method, name: &Text) -> Option<NonZeroU64> {
    let is_call = method == Method::Known(KnownMethod::ToolsCall);
    NonZeroU64::new(name.digest()).filter(|_| is_call)
}

/// The member of `params` that `Mcp-Name` repeats for this method (2026-07-28, and SEP-2663 for tasks).
fn mirrored_name(method: Method, params: &Params) -> Option<&Text> {
    use KnownMethod::{ResourcesRead, TasksCancel, TasksGet, TasksUpdate};
    match method {
        Method::Known(ResourcesRead) => params.uri.as_ref(),
        Method::Known(TasksGet | TasksUpdate | TasksCancel) => params.task_id.as_ref(),
        _ => params.name.as_ref(),
    }
}
