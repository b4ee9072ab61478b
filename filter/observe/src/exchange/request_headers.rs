//! The request's headers: what may be MCP, and what shows that it is.

use super::{Context, Exchange, Kind, Mirrored, PATH_BYTES, PostHeaders, SESSION_ID_BYTES};
use crate::exchange::headers::{
    accepts_both, decode_mirrored, encoding, is_json, is_well_known, session_query, without_query,
};
use crate::label::{ProtocolVersion, Transport};
use crate::observation::Observation;
use crate::read::body::{Body, Format};
use crate::read::reader::{NAME_BYTES, WORD_BYTES};
use crate::text::Text;

impl Exchange {
    /// The request's headers passed.
    pub fn handle_request_headers(&mut self, context: &mut Context<'_>, end_of_stream: bool) {
        context.observe(Observation::StreamSeen);
        let http_method = context.host.request_header(":method");
        self.kind = match http_method.as_deref() {
            Some(b"POST") => {
                let content_type = context.host.request_header("content-type");
                if content_type.is_some_and(|value| is_json(&value)) { Kind::Post } else { Kind::Other }
            }
            Some(b"GET") => self.kind_of_get(context),
            Some(b"DELETE") => Kind::Delete,
            _ => Kind::Other,
        };
        match self.kind {
            Kind::Post => {
                self.read_post_headers(context);
                if !self.headers.is_encoded {
                    let mut body = Body::new(Format::Json);
                    body.set_ids(context.config.filter_state());
                    self.request = Some(body);
                }
            }
            Kind::Get | Kind::Delete => {
                let session_id = context.host.request_header("mcp-session-id");
                self.session_id = session_id.map(|id| Text::start_of(id, SESSION_ID_BYTES));
                self.resumes = context.host.request_header("last-event-id").is_some();
                let is_mcp = self.session_id.is_some() || self.resumes;
                if is_mcp || context.host.request_header("mcp-protocol-version").is_some() {
                    self.recognise(context);
                }
            }
            Kind::Other | Kind::Unseen => {}
        }
        if end_of_stream {
            self.end_request(context);
        }
    }

    /// Reads what can decide anything. Absent headers cost a fraction of present ones, so the rare ones are asked for
    /// freely and the usual ones only while nothing shows what they would: a session makes the protocol version a matter of its
    /// `initialize`, and `Mcp-Method` says that there is no session.
    fn read_post_headers(&mut self, context: &Context<'_>) {
        let header = |name| context.host.request_header(name);
        let method = header("mcp-method");
        let mut version = method.as_ref().and_then(|_| header("mcp-protocol-version"));
        let is_modern = version.as_deref() == Some(ProtocolVersion::V2026_07_28.as_str().as_bytes());
        if !is_modern {
            self.session_id = header("mcp-session-id").map(|id| Text::start_of(id, SESSION_ID_BYTES));
        }
        if version.is_none() && (self.session_id.is_none() || context.config.wants_protocol_version()) {
            version = header("mcp-protocol-version");
        }
        let name = method.as_ref().and_then(|_| header("mcp-name"));
        let has_header = method.is_some() || version.is_some() || self.session_id.is_some();
        let names_mcp = !is_modern && self.session_id.is_none() && self.read_path(context);
        let is_mcp = has_header || names_mcp || accepts_both_forms(context);
        let mirrored = (method.is_some() || version.is_some()).then(|| {
            Box::new(Mirrored {
                version: version.map(|value| Text::start_of(value, WORD_BYTES)),
                method: method.map(|value| Text::start_of(value, WORD_BYTES)),
                name: name.map(|value| Text::start_of(decode_mirrored(value), NAME_BYTES)),
            })
        });
        let is_encoded = header("content-encoding").is_some_and(|value| encoding(&value).is_some());
        self.headers = PostHeaders { is_mcp, is_encoded, mirrored };
    }

    /// Whether the path shows MCP: it carries a session of HTTP+SSE, or is one of those configured.
    fn read_path(&mut self, context: &Context<'_>) -> bool {
        let Some(path) = context.host.request_header(":path") else { return false };
        let session_id = match session_query(&path) {
            Some(id) => Some(id),
            None => context.correlation.is_endpoint(&path).then_some(path.as_slice()),
        };
        let session_id = session_id.map(|id| Text::start_of(id.to_vec(), SESSION_ID_BYTES));
        if session_id.is_some() {
            (self.session_id, self.transport) = (session_id, Transport::HttpSse);
        }
        let is_mcp =
            self.session_id.is_some() || context.config.paths.iter().any(|prefix| path.starts_with(prefix.as_bytes()));
        self.keep_path(path);
        is_mcp
    }

    /// What describes the host is no stream, even where a client of MCP asks for it.
    fn kind_of_get(&mut self, context: &Context<'_>) -> Kind {
        let path = context.host.request_header(":path").unwrap_or_default();
        if is_well_known(&path) {
            return Kind::Other;
        }
        self.keep_path(path);
        Kind::Get
    }

    fn keep_path(&mut self, mut path: Vec<u8>) {
        let length = without_query(&path).len();
        if path.len() > PATH_BYTES {
            path = path.get(..length).unwrap_or_default().to_vec();
        }
        path.truncate(length);
        self.path = Some(path).filter(|path| path.len() <= PATH_BYTES);
    }
}

/// The first line of `Accept` names both forms as a rule, and the others are asked for only where it does not.
fn accepts_both_forms(context: &Context<'_>) -> bool {
    let Some(first) = context.host.request_header("accept") else { return false };
    accepts_both(&first) || context.host.request_header_lines("accept").is_some_and(|all| accepts_both(&all))
}
