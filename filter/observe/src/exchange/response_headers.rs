//! The response's headers: whether an event stream opened, how the body is read, and which session begins.

use super::{Context, Exchange, Kind, MAX_INFLATED_OPERATIONS, SESSION_ID_BYTES};
use crate::correlation::links::Fallback;
use crate::exchange::headers::{encoding, is_event_stream, is_json};
use crate::label::Method;
use crate::label::{KnownMethod, SkipReason, StreamOpen, Transport};
use crate::observation::Observation;
use crate::read::body::{Body, Format};
use crate::read::inflate::Coding;
use crate::text::Text;

impl Exchange {
    /// The response's headers passed.
    pub fn handle_response_headers(&mut self, context: &mut Context<'_>, end_of_stream: bool) {
        if end_of_stream {
            self.note_open_at_end(context);
            if self.status.is_none() && !self.operations.is_empty() {
                self.read_status(context);
            }
            return self.end_response(context);
        }
        // A GET is recognised by its stream, a POST whose answer begins before its body ended by that body or by the answer's;
        // anything else not known by now is none of ours.
        let is_early = self.kind == Kind::Post && !self.request_ended;
        let may_be_mcp = self.kind == Kind::Get || is_early && self.headers.is_mcp;
        if !self.recognised && !may_be_mcp {
            return;
        }
        self.learn_session(context);
        let content_type = context.host.response_header("content-type").unwrap_or_default();
        self.note_open(&content_type, context);
        self.is_page = content_type.starts_with(b"text/html");
        let format = if is_event_stream(&content_type) {
            self.is_event_stream = true;
            if self.recognised {
                self.open_event_stream(context);
            }
            Format::Sse
        } else if (self.recognised || self.kind == Kind::Post) && is_json(&content_type) {
            Format::Json
        } else {
            return;
        };
        let has_lists = self.operations.iter().any(|operation| operation.method.list_kind().is_some());
        // A stream of the session may answer what was asked on another exchange.
        let wants_lists = has_lists || self.kind == Kind::Get;
        let mut body = Body::new(format);
        body.set_lists(wants_lists.then_some(context.config.digest_key));
        let is_stream = format == Format::Sse;
        if is_stream && self.kind == Kind::Get {
            body.set_endpoint();
        }
        let encodings = context.host.response_header("content-encoding");
        if let Some(encoding) = encodings.as_deref().and_then(encoding) {
            let coding = Coding::of(encoding).filter(|_| self.operations.len() <= MAX_INFLATED_OPERATIONS);
            let Some(coding) = coding else { return self.leave_unread(context) };
            body.set_coding(coding);
        }
        self.response = Some(body);
        if is_stream && self.kind == Kind::Post && self.transport == Transport::StreamableHttp && !self.is_modern() {
            self.register(Some(context.correlation.new_stream_id()), Fallback::NoResponse, context);
        }
    }

    fn read_status(&mut self, context: &Context<'_>) {
        let status = context.host.response_header(":status");
        self.status = status.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
    }

    /// The headers of the response were all of it, or passed before those of the request.
    pub(super) fn note_open_at_end(&mut self, context: &mut Context<'_>) {
        if self.kind == Kind::Get && self.recognised {
            let content_type = context.host.response_header("content-type").unwrap_or_default();
            self.note_open(&content_type, context);
        }
    }

    /// A GET that its headers show to be MCP was answered. One that is sent elsewhere asks again there.
    #[inline(never)]
    fn note_open(&mut self, content_type: &[u8], context: &mut Context<'_>) {
        if self.kind != Kind::Get || !self.recognised {
            return;
        }
        self.read_status(context);
        let status = match self.status {
            None | Some(300..400) => return,
            Some(200..300) if is_event_stream(content_type) => StreamOpen::Ok,
            Some(405) => StreamOpen::Unsupported,
            Some(_) => StreamOpen::Error,
        };
        context.observe(Observation::StreamOpened(status));
    }

    /// The answer to `initialize` names the session.
    #[inline(never)]
    fn learn_session(&mut self, context: &Context<'_>) {
        let begins = self.operations.iter().any(|operation| operation.method == Method::Known(KnownMethod::Initialize));
        if !begins || self.transport == Transport::HttpSse {
            return;
        }
        // A client may still send the id of a session that is gone.
        if let Some(id) = context.host.response_header("mcp-session-id") {
            (self.session_id, self.session) = (Some(Text::start_of(id, SESSION_ID_BYTES)), None);
        }
    }

    /// Compressed in a way that is not read: nothing in it can be told apart.
    #[inline(never)]
    fn leave_unread(&mut self, context: &mut Context<'_>) {
        if self.recognised {
            self.read_status(context);
            self.skipped_out(SkipReason::ContentEncoding, context);
        }
        self.unread = true;
    }
}
