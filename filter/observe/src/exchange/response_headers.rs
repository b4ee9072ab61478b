//! The response's headers: whether an event stream opened, how the body is read, and which session begins.

use super::{Around, Exchange, Kind, MOST_INFLATED_OPERATIONS, SESSION_ID_BYTES};
use crate::body::{Body, Format};
use crate::closed::{KnownMethod, SkipReason, StreamOpen, Transport};
use crate::correlation::links::Otherwise;
use crate::headers::{encoding, is_event_stream, is_json};
use crate::inflate::Coding;
use crate::method::Method;
use crate::observation::Observation;
use crate::text::Text;

impl Exchange {
    /// The response's headers passed.
    pub fn handle_response_headers(&mut self, around: &mut Around<'_>, end_of_stream: bool) {
        if end_of_stream {
            self.note_open_at_end(around);
            if self.status.is_none() && !self.operations.is_empty() {
                self.read_status(around);
            }
            return self.end_response(around);
        }
        // A GET is recognised by its stream, a POST whose answer begins before its body ended by that body or by the answer's;
        // anything else not known by now is none of ours.
        let is_early = self.kind == Kind::Post && !self.request_ended;
        let may_be_mcp = self.kind == Kind::Get || is_early && self.headers.is_mcp;
        if !self.recognised && !may_be_mcp {
            return;
        }
        self.learn_session(around);
        let content_type = around.host.response_header("content-type").unwrap_or_default();
        self.note_open(&content_type, around);
        self.is_page = content_type.starts_with(b"text/html");
        let format = if is_event_stream(&content_type) {
            self.is_event_stream = true;
            if self.recognised {
                self.open_event_stream(around);
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
        body.set_lists(wants_lists.then_some(around.config.digest_key));
        let is_stream = format == Format::Sse;
        if is_stream && self.kind == Kind::Get {
            body.set_endpoint();
        }
        let encodings = around.host.response_header("content-encoding");
        if let Some(encoding) = encodings.as_deref().and_then(encoding) {
            let coding = Coding::of(encoding).filter(|_| self.operations.len() <= MOST_INFLATED_OPERATIONS);
            let Some(coding) = coding else { return self.leave_unread(around) };
            body.set_coding(coding);
        }
        self.response = Some(body);
        if is_stream && self.kind == Kind::Post && self.transport == Transport::StreamableHttp && !self.is_modern() {
            self.register(around.correlation.name_stream(), Otherwise::NoResponse, around);
        }
    }

    fn read_status(&mut self, around: &Around<'_>) {
        let status = around.host.response_header(":status");
        self.status = status.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
    }

    /// The headers of the response were all of it, or passed before those of the request.
    pub(super) fn note_open_at_end(&mut self, around: &mut Around<'_>) {
        if self.kind == Kind::Get && self.recognised {
            let content_type = around.host.response_header("content-type").unwrap_or_default();
            self.note_open(&content_type, around);
        }
    }

    /// A GET that its headers show to be MCP was answered. One that is sent elsewhere asks again there.
    #[inline(never)]
    fn note_open(&mut self, content_type: &[u8], around: &mut Around<'_>) {
        if self.kind != Kind::Get || !self.recognised {
            return;
        }
        self.read_status(around);
        let status = match self.status {
            None | Some(300..400) => return,
            Some(200..300) if is_event_stream(content_type) => StreamOpen::Ok,
            Some(405) => StreamOpen::Unsupported,
            Some(_) => StreamOpen::Error,
        };
        around.observe(Observation::StreamOpened(status));
    }

    /// The answer to `initialize` names the session.
    #[inline(never)]
    fn learn_session(&mut self, around: &Around<'_>) {
        let begins = self.operations.iter().any(|operation| operation.method == Method::Known(KnownMethod::Initialize));
        if !begins || self.transport == Transport::HttpSse {
            return;
        }
        // A client may still send the id of a session that is gone.
        if let Some(id) = around.host.response_header("mcp-session-id") {
            (self.session_id, self.session) = (Some(Text::start_of(id, SESSION_ID_BYTES)), None);
        }
    }

    /// Compressed in a way that is not read: nothing in it can be told apart.
    #[inline(never)]
    fn leave_unread(&mut self, around: &mut Around<'_>) {
        if self.recognised {
            self.read_status(around);
            self.skipped_out(SkipReason::ContentEncoding, around);
        }
        self.unread = true;
    }
}
