//! How an operation ended: by its answer, or else by what the proxy knows, in a fixed order of evidence.

use super::state::{End, Response};
use crate::correlation::links::Fallback;
use crate::host::{Failure, Host, Time};
use crate::label::Method;
use crate::label::{ErrorType, KnownMethod, Status};
use crate::observation::Operation;
use crate::read::message::{Message, ResultType, RpcErrorCode};

/// What became of operations that no message answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Envoy's flags name the failure.
    Failed(ErrorType),
    /// The client's side ended first.
    ClientLeft,
    /// The client is sent elsewhere.
    Redirected,
    /// The upstream answered with an HTTP error and no JSON-RPC.
    Refused(ErrorType),
    /// It did so where clients ask for the transport by trying.
    Probed,
    /// There was an answer, but it could not be read.
    Unread,
    /// The answer may come on another stream; and if none comes: how the operation ends, where this stream's end tells.
    Elsewhere(Option<Fallback>),
    /// Properly ended, nothing said.
    NoResponse,
}

// === impl Verdict ===

impl Verdict {
    /// Asks for the evidence in its order and stops at the first that decides. `can_be_resumed`: another stream can bring the
    /// response.
    pub(super) fn of(response: &Response, can_be_resumed: bool, now: Time, host: &dyn Host) -> Self {
        match Self::of_failure(host.failure(), response.end) {
            Some(Self::Failed(ErrorType::Reset)) if can_be_resumed => return Self::Elsewhere(None),
            Some(Self::ClientLeft) if can_be_resumed => return Self::Elsewhere(Some(Fallback::ClientLeft(now))),
            Some(failed) => return failed,
            None => {}
        }
        match response.status.or_else(|| host.response_status()) {
            Some(300..400) => Self::Redirected,
            // From the server or from the proxy: the client has no login.
            Some(401 | 403) => Self::Refused(ErrorType::Unauthorized),
            Some(400..) if host.is_from_upstream() => Self::Refused(ErrorType::HttpError),
            Some(200..300) if response.is_unread => Self::Unread,
            Some(202) => Self::Elsewhere(None),
            Some(200..300) if can_be_resumed => Self::Elsewhere(None),
            _ => Self::NoResponse,
        }
    }

    /// How the operations that wait for a stream end with it.
    pub(super) fn of_stream(response: &Response, now: Time, host: &dyn Host) -> Fallback {
        match Self::of_failure(host.failure(), response.end) {
            Some(Self::ClientLeft) => Fallback::ClientLeft(now),
            Some(_) => Fallback::Reset(now),
            None if response.is_unread => Fallback::Unknown,
            None => Fallback::NoResponse,
        }
    }

    /// Envoy names the reason of every early end but one: a client that resets its HTTP/2 stream with `NO_ERROR`, as Node does
    /// by default.
    fn of_failure(failure: Option<Failure>, end: End) -> Option<Self> {
        match failure {
            Some(Failure::Timeout) => Some(Self::Failed(ErrorType::Timeout)),
            Some(Failure::Overload) => Some(Self::Failed(ErrorType::Overload)),
            Some(Failure::Unavailable) => Some(Self::Failed(ErrorType::UpstreamUnavailable)),
            Some(Failure::UpstreamReset) => Some(Self::Failed(ErrorType::Reset)),
            Some(Failure::ClientReset) => Some(Self::ClientLeft),
            None if end == End::Cut => Some(Self::ClientLeft),
            Some(Failure::Other) | None => None,
        }
    }

    /// Status and error type of an operation under this verdict.
    pub(super) fn of_operation(self, operation: &Operation) -> (Status, Option<ErrorType>) {
        let method = operation.method;
        match self {
            Self::ClientLeft | Self::Elsewhere(Some(_)) if method.is_listen() => (Status::Ok, None),
            Self::ClientLeft | Self::Elsewhere(Some(Fallback::ClientLeft(_))) => (Status::Cancelled, None),
            Self::Redirected => (Status::Redirected, None),
            Self::Refused(_) | Self::Probed if method == Method::Known(KnownMethod::ServerDiscover) => {
                (Status::Negotiation, None)
            }
            Self::Probed if matches!(method, Method::Known(KnownMethod::Initialize) | Method::Unseen) => {
                (Status::Negotiation, None)
            }
            Self::Probed => (Status::Error, Some(ErrorType::HttpError)),
            Self::Failed(error_type) | Self::Refused(error_type) => (Status::Error, Some(error_type)),
            Self::Unread | Self::Elsewhere(_) => (Status::Unknown, None),
            Self::NoResponse => (Status::Error, Some(ErrorType::NoResponse)),
        }
    }

    /// Whether the server was reached, where the verdict tells.
    pub(super) fn shows_server(self) -> Option<bool> {
        match self {
            Self::Failed(ErrorType::UpstreamUnavailable) => Some(false),
            Self::Redirected | Self::Refused(_) | Self::Probed | Self::Unread | Self::Elsewhere(None) => Some(true),
            Self::Failed(_) | Self::ClientLeft | Self::Elsewhere(Some(_)) | Self::NoResponse => None,
        }
    }

    /// Whether an earlier cancellation by the client explains it.
    pub(super) fn may_be_cancelled(self) -> bool {
        matches!(self, Self::Failed(ErrorType::Reset) | Self::ClientLeft | Self::NoResponse | Self::Elsewhere(_))
    }

    /// The answer may have come on a stream that is not followed.
    pub(super) fn is_unfollowed(self) -> bool {
        self == Self::Elsewhere(None)
    }
}

/// How an operation ended by the message that answered it.
pub(super) fn judge(operation: &Operation, message: &Message) -> (Status, Option<ErrorType>) {
    use RpcErrorCode::Integer;
    let is_tool_call = operation.method == Method::Known(KnownMethod::ToolsCall);
    match (&message.result, message.error) {
        (Some(result), _) => match result.result_type {
            _ if is_tool_call && result.is_error => (Status::Error, Some(ErrorType::ToolError)),
            ResultType::InputRequired => (Status::InputRequired, None),
            ResultType::Task if is_tool_call => (Status::Accepted, None),
            _ if is_tool_call && (result.task || result.announced_task.is_some()) => (Status::Accepted, None),
            _ => (Status::Ok, None),
        },
        // Probing for the protocol version, not a fault.
        _ if operation.method == Method::Known(KnownMethod::ServerDiscover) => (Status::Negotiation, None),
        (None, Some(Integer(-32022))) if !is_past_probing(operation.method) => (Status::Negotiation, None),
        // A URL to open first (2025-11-25).
        (None, Some(Integer(-32042))) => (Status::InputRequired, None),
        (None, Some(Integer(-32700 | -32600 | -32601 | -32602 | -32002))) => {
            (Status::Error, Some(ErrorType::InvalidRequest))
        }
        (None, _) => (Status::Error, Some(ErrorType::RpcError)),
    }
}

/// A client that uses what it found has agreed on a protocol version before.
fn is_past_probing(method: Method) -> bool {
    use KnownMethod::{PromptsGet, ResourcesRead, ToolsCall};
    matches!(method, Method::Known(ToolsCall | ResourcesRead | PromptsGet))
}
