//! The response's headers: whether an event stream opened, how the body is read, and which session starts.

use super::headers::{encoding, is_event_stream, is_json};
use super::state::{Content, RequestKind, ResponseBody};
use super::{Context, Exchange, MAX_INFLATED_OPERATIONS, SESSION_ID_BYTES};
use crate::label::{KnownMethod, Method, SkipReason, StreamOpen, Transport};
use crate::observation::Observation;
use crate::read::body::{Body, Format};
use crate::read::inflate::Coding;
use crate::text::Text;

impl Exchange {
    /// The response's headers passed.
    pub fn handle_response_headers(&mut self, context: &mut Context<'_>, end_of_stream: bool) {
        if end_of_stream {
            self.report_stream_open_at_end(context);
            if self.response.status.is_none() && !self.operations.open.is_empty() {
                self.read_status(context);
            }
            return self.end_response(context);
        }
        if !self.is_recognised() && !self.response_may_show_mcp() {
            return;
        }
        self.read_new_session(context);
        let content_type = context.host.response_header("content-type").unwrap_or_default();
        self.report_stream_open(&content_type, context);
        let Some(format) = self.format(&content_type, context) else { return };
        let Some(body) = self.response_body(format, context) else { return self.leave_unread(context) };
        self.response.body = ResponseBody::Reading(body);
        let is_post_stream = format == Format::Sse && self.request.kind.post().is_some();
        if is_post_stream && self.session.transport == Transport::StreamableHttp && !self.is_modern() {
            self.follow_event_stream(context);
        }
    }

    /// Whether an exchange that is not recognised yet can still be MCP. The stream of a GET can show it. If the response to a
    /// POST starts before the request's body has ended, the rest of that body or the response can show it.
    fn response_may_show_mcp(&self) -> bool {
        match &self.request.kind {
            RequestKind::Get { .. } => true,
            RequestKind::Post(headers) => !self.request.has_ended && headers.is_mcp,
            RequestKind::Unseen | RequestKind::Delete | RequestKind::Other => false,
        }
    }

    /// How the body is framed; `None` if it is not read.
    fn format(&mut self, content_type: &[u8], context: &mut Context<'_>) -> Option<Format> {
        if content_type.starts_with(b"text/html") {
            self.response.content = Content::Html;
        }
        if is_event_stream(content_type) {
            self.response.content = Content::EventStream;
            if self.is_recognised() {
                self.open_event_stream(context);
            }
            return Some(Format::Sse);
        }
        let may_be_json = self.is_recognised() || self.request.kind.post().is_some();
        (may_be_json && is_json(content_type)).then_some(Format::Json)
    }

    /// A reader for the body; `None` if its content encoding is not supported, or if there are too many operations to decode
    /// it.
    fn response_body(&self, format: Format, context: &Context<'_>) -> Option<Box<Body>> {
        let operations = &self.operations.open;
        let has_lists = operations.iter().any(|operation| operation.method.list_kind().is_some());
        // The response to a list request of another exchange may come on a GET stream.
        let wants_lists = has_lists || self.request.kind.is_get();
        let mut body = context.bodies.take(format);
        body.set_lists(wants_lists.then_some(context.config.digest_key));
        if format == Format::Sse && self.request.kind.is_get() {
            body.set_endpoint();
        }
        let encodings = context.host.response_header("content-encoding");
        if let Some(encoding) = encodings.as_deref().and_then(encoding) {
            body.set_coding(Coding::of(encoding).filter(|_| operations.len() <= MAX_INFLATED_OPERATIONS)?);
        }
        Some(body)
    }

    fn read_status(&mut self, context: &Context<'_>) {
        let status = context.host.response_header(":status");
        self.response.status = status.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
    }

    /// [`report_stream_open`](Self::report_stream_open) for a response that has only headers, or for an exchange whose request
    /// headers did not pass before the response.
    pub(super) fn report_stream_open_at_end(&mut self, context: &mut Context<'_>) {
        if self.request.kind.is_get() && self.is_recognised() {
            let content_type = context.host.response_header("content-type").unwrap_or_default();
            self.report_stream_open(&content_type, context);
        }
    }

    /// Reports the response to a GET that its headers show to be MCP. A redirect is not reported, because the client repeats
    /// the GET at the other URL.
    #[inline(never)]
    fn report_stream_open(&mut self, content_type: &[u8], context: &mut Context<'_>) {
        if !self.request.kind.is_get() || !self.is_recognised() {
            return;
        }
        self.read_status(context);
        let status = match self.response.status {
            None | Some(300..400) => return,
            Some(200..300) if is_event_stream(content_type) => StreamOpen::Ok,
            Some(405) => StreamOpen::Unsupported,
            Some(_) => StreamOpen::Error,
        };
        context.observe(Observation::StreamOpened(status));
    }

    /// Reads the session id from the response to `initialize`.
    #[inline(never)]
    fn read_new_session(&mut self, context: &Context<'_>) {
        let initialize = Method::Known(KnownMethod::Initialize);
        let has_initialize = self.operations.open.iter().any(|operation| operation.method == initialize);
        if !has_initialize || self.session.transport == Transport::HttpSse {
            return;
        }
        // This replaces the id that the client sent, which may be that of an ended session.
        if let Some(id) = context.host.response_header("mcp-session-id") {
            self.session.set_id(Text::start_of(id, SESSION_ID_BYTES));
        }
    }

    /// The body is not read, see [`response_body`](Self::response_body).
    #[inline(never)]
    fn leave_unread(&mut self, context: &mut Context<'_>) {
        if self.is_recognised() {
            self.read_status(context);
            self.skip_response_part(SkipReason::ContentEncoding, context);
        }
        self.response.is_unread = true;
    }
}
