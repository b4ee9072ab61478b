//! The request's headers: whether the exchange can be MCP, and whether the headers show it.

use super::headers::{accepts_both, decode_mirrored, encoding, is_json, is_well_known, session_query, without_query};
use super::state::{MirroredHeaders, PostHeaders, RequestKind};
use super::{Context, Exchange, PATH_BYTES, SESSION_ID_BYTES};
use crate::label::{ProtocolVersion, Transport};
use crate::observation::Observation;
use crate::read::body::Format;
use crate::read::reader::{NAME_BYTES, WORD_BYTES};
use crate::text::Text;

impl Exchange {
    /// The request's headers passed.
    pub fn handle_request_headers(&mut self, context: &mut Context<'_>, end_of_stream: bool) {
        context.observe(Observation::StreamSeen);
        let http_method = context.host.request_header(":method");
        self.request.kind = match http_method.as_deref() {
            Some(b"POST") => self.kind_of_post(context),
            Some(b"GET") => self.kind_of_get(context),
            Some(b"DELETE") => RequestKind::Delete,
            _ => RequestKind::Other,
        };
        if let RequestKind::Get { .. } | RequestKind::Delete = self.request.kind {
            self.read_session_headers(context);
        }
        if end_of_stream {
            self.end_request(context);
        }
    }

    fn kind_of_post(&mut self, context: &Context<'_>) -> RequestKind {
        let content_type = context.host.request_header("content-type");
        if !content_type.is_some_and(|value| is_json(&value)) {
            return RequestKind::Other;
        }
        let headers = self.read_post_headers(context);
        if !headers.is_encoded {
            let mut body = context.bodies.take(Format::Json);
            body.set_attributes(context.config.filter_state());
            self.request.body = Some(body);
        }
        RequestKind::Post(headers)
    }

    /// A well-known path describes the host (OAuth). A GET of it is not MCP, even if an MCP client sends it.
    fn kind_of_get(&mut self, context: &Context<'_>) -> RequestKind {
        let path = context.host.request_header(":path").unwrap_or_default();
        let length = without_query(&path).len();
        if path.get(..length).is_some_and(is_well_known) {
            return RequestKind::Other;
        }
        self.keep_path(path, length);
        RequestKind::Get { resumes: false }
    }

    /// Reads the headers of a GET or DELETE that show MCP.
    fn read_session_headers(&mut self, context: &mut Context<'_>) {
        let session_id = context.host.request_header("mcp-session-id");
        self.session.id = session_id.map(|id| Text::start_of(id, SESSION_ID_BYTES));
        let has_last_event_id = context.host.request_header("last-event-id").is_some();
        if let RequestKind::Get { resumes } = &mut self.request.kind {
            *resumes = has_last_event_id;
        }
        let is_mcp = self.session.id.is_some() || has_last_event_id;
        if is_mcp || context.host.request_header("mcp-protocol-version").is_some() {
            self.recognise(context);
        }
    }

    /// Reads the headers that are needed. A look-up of a missing header costs a fraction of one of a present header. So rare
    /// headers are always read. A common header is read only if no other header makes it unnecessary: the protocol version of
    /// a session is that of its `initialize`, and a request of 2026-07-28 has no session.
    pub(super) fn read_post_headers(&mut self, context: &Context<'_>) -> PostHeaders {
        let header = |name| context.host.request_header(name);
        let method = header("mcp-method");
        let mut version = method.as_ref().and_then(|_| header("mcp-protocol-version"));
        let is_modern = version.as_deref() == Some(ProtocolVersion::V2026_07_28.as_str().as_bytes());
        if !is_modern {
            self.session.id = header("mcp-session-id").map(|id| Text::start_of(id, SESSION_ID_BYTES));
        }
        if version.is_none() && (self.session.id.is_none() || context.config.wants_protocol_version()) {
            version = header("mcp-protocol-version");
        }
        let name = method.as_ref().and_then(|_| header("mcp-name"));
        let has_header = method.is_some() || version.is_some() || self.session.id.is_some();
        let is_mcp_path = !is_modern && self.session.id.is_none() && self.read_path(context);
        let is_mcp = has_header || is_mcp_path || accepts_both_forms(context);
        let mirrored = (method.is_some() || version.is_some()).then(|| {
            Box::new(MirroredHeaders {
                version: version.map(|value| Text::start_of(value, WORD_BYTES)),
                method: method.map(|value| Text::start_of(value, WORD_BYTES)),
                name: name.map(|value| Text::start_of(decode_mirrored(value), NAME_BYTES)),
            })
        });
        let is_encoded = header("content-encoding").is_some_and(|value| encoding(&value).is_some());
        PostHeaders { is_mcp, is_encoded, mirrored }
    }

    /// Whether the path shows MCP: it has a session of HTTP+SSE, or begins with a configured path. Keeps the session and the
    /// path.
    fn read_path(&mut self, context: &Context<'_>) -> bool {
        let Some(path) = context.host.request_header(":path") else { return false };
        let session_id = match session_query(&path) {
            Some(id) => Some(id),
            None => context.correlation.is_endpoint(&path).then_some(path.as_slice()),
        };
        let session_id = session_id.map(|id| Text::start_of(id.to_vec(), SESSION_ID_BYTES));
        if session_id.is_some() {
            (self.session.id, self.session.transport) = (session_id, Transport::HttpSse);
        }
        let is_configured = || context.config.paths.iter().any(|prefix| path.starts_with(prefix.as_bytes()));
        let is_mcp = self.session.id.is_some() || is_configured();
        let length = without_query(&path).len();
        self.keep_path(path, length);
        is_mcp
    }

    /// Keeps the path without its query, unless it is longer than [`PATH_BYTES`].
    fn keep_path(&mut self, mut path: Vec<u8>, length: usize) {
        if path.len() > PATH_BYTES {
            path = path.get(..length).unwrap_or_default().to_vec();
        }
        path.truncate(length);
        self.request.path = Some(path).filter(|path| path.len() <= PATH_BYTES);
    }
}

/// The first line of `Accept` usually names both content types. All lines are read only if it does not.
fn accepts_both_forms(context: &Context<'_>) -> bool {
    let Some(first) = context.host.request_header("accept") else { return false };
    accepts_both(&first) || context.host.request_header_lines("accept").is_some_and(|all| accepts_both(&all))
}
