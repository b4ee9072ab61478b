//! What access logs and spans can show of an exchange: section "access logs and spans" of `docs/metrics.md`.
//!
//! The attributes of a batch describe its first request. Names, codes, request ids and keyed hashes are set, never contents or
//! session ids.
//!
//! **Cost:** one host call per attribute, and one for the session's header; only with `filter_state`.

use crate::config::Config;
use crate::host::Shell;
use crate::label::{ErrorType, KnownMethod, Method, Status};
use crate::observation::{Observation, Operation, OperationEnd};
use crate::recorder::session_hash;

/// The attributes of one exchange.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Keyed hash of the session's id.
    session: Option<Box<str>>,
    progress: Progress,
}

/// How much of the first request is described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    NoRequest,
    /// The request is described: its method and names.
    Request,
    /// The request and its end are described.
    End,
}

// === impl Attributes ===

impl Attributes {
    /// To be called in the callback of the request's headers, because the host has them only then.
    pub(super) fn read_session(&mut self, host: &impl Shell, key: &[u8]) {
        let session = host.request_header("mcp-session-id");
        self.session = session.map(|id| session_hash(key, &id).into_boxed_str());
    }

    /// Sets the attributes that an observation determines.
    pub(super) fn describe(&mut self, observation: &Observation<'_>, config: &Config, host: &impl Shell) {
        match observation {
            Observation::OperationStarted(operation) if self.progress == Progress::NoRequest => {
                self.progress = Progress::Request;
                self.describe_request(operation, config, host);
            }
            Observation::OperationEnded(ended) if self.progress != Progress::End => {
                self.progress = Progress::End;
                describe_end(ended, host);
            }
            Observation::SessionStarted(session) => {
                host.set_attribute("mcp.protocol_version", session.protocol_version.as_str());
            }
            _ => {}
        }
    }

    fn describe_request(&self, operation: &Operation, config: &Config, host: &impl Shell) {
        host.set_attribute("mcp.method", operation.method.as_str(&config.extra_methods));
        host.set_attribute("mcp.transport", operation.transport.as_str());
        if let (Some(key), Some(name)) = (name_key(operation.method), &operation.name) {
            host.set_attribute(key, name);
        }
        if let Some(id) = operation.id.shown() {
            host.set_attribute("mcp.request_id", id);
        }
        if let Some(protocol_version) = operation.protocol_version {
            host.set_attribute("mcp.protocol_version", protocol_version.as_str());
        }
        if let Some(session) = &self.session {
            host.set_attribute("mcp.session", session);
        }
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
