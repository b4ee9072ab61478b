//! What access logs and spans show of an exchange, beside its observations.

use super::Exchange;
use super::state::{End, MirroredHeaders, RequestKind};
use crate::label::{ProtocolVersion, Transport};
use crate::text::Text;

impl Exchange {
    /// Whether the exchange was recognised as MCP.
    pub(crate) fn is_mcp(&self) -> bool {
        self.is_recognised()
    }

    /// Whether the exchange is MCP, or can still be recognised as MCP. To be called after the request's headers passed.
    pub(crate) fn may_be_mcp(&self) -> bool {
        self.can_have_operations() || self.request.kind.is_get()
    }

    /// The name of an exchange without a method: it has no request and no notification. `None` while that is not known.
    pub(crate) fn name_without_method(&self) -> Option<&'static str> {
        match self.request.kind {
            RequestKind::Get { .. } => Some("stream"),
            RequestKind::Delete => Some("delete_session"),
            // A JSON-RPC message without a method is a response.
            RequestKind::Post(_) if self.request.has_ended => Some("response"),
            RequestKind::Post(_) | RequestKind::Unseen | RequestKind::Other => None,
        }
    }

    /// That of the header, where it was read.
    pub(crate) fn header_version(&self) -> Option<ProtocolVersion> {
        self.request.version.or_else(|| self.request.mirrored().and_then(MirroredHeaders::protocol_version))
    }

    /// As far as it is known.
    pub(crate) fn transport(&self) -> Transport {
        self.session.transport
    }

    /// The id of the session, as far as it is known.
    pub(crate) fn session_id(&self) -> Option<&Text> {
        self.session.id.as_ref()
    }

    /// Whether all messages of the request passed.
    pub(crate) fn has_request_ended(&self) -> bool {
        self.request.has_ended
    }

    /// Whether the exchange will end no more of its operations: its response has ended, and none is open.
    pub(crate) fn has_ended_operations(&self) -> bool {
        self.response.end != End::Open && self.operations.open.is_empty()
    }
}
