//! How an operation ended. The JSON-RPC response decides, or else the failure that the proxy reports, or else the HTTP status.

use super::state::{End, Response};
use crate::correlation::links::Fallback;
use crate::host::{Failure, Host, Time};
use crate::label::{ErrorType, KnownMethod, Method, Status};
use crate::observation::Operation;
use crate::read::message::{Message, ResultType, RpcErrorCode};

/// How those operations of an exchange end that have no JSON-RPC response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The proxy reports a failure.
    Failed(ErrorType),
    /// The client ended the exchange before the response was complete.
    ClientLeft,
    /// The response is a redirect.
    Redirected,
    /// The response is an HTTP error without JSON-RPC.
    HttpError(ErrorType),
    /// The response is an HTTP error, and the client probes for the transport.
    HttpErrorOfProbe,
    /// The response could not be read.
    Unread,
    /// Another stream may bring the JSON-RPC response. The fallback is how the operation ends without one, if the end of this
    /// stream decides that.
    Elsewhere(Option<Fallback>),
    /// The HTTP response ended normally, without a JSON-RPC response.
    NoResponse,
}

// === impl Verdict ===

impl Verdict {
    /// Checks the failure, then the HTTP status; the first that decides counts. `can_be_resumed`: another stream can bring the
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
            // The client is not authorized, whether the server or the proxy refused it.
            Some(401 | 403) => Self::HttpError(ErrorType::Unauthorized),
            Some(400..) if host.is_from_upstream() => Self::HttpError(ErrorType::HttpError),
            Some(200..300) if response.is_unread => Self::Unread,
            Some(202) => Self::Elsewhere(None),
            Some(200..300) if can_be_resumed => Self::Elsewhere(None),
            _ => Self::NoResponse,
        }
    }

    /// How the operations that wait for a stream end when that stream ends.
    pub(super) fn of_stream(response: &Response, now: Time, host: &dyn Host) -> Fallback {
        match Self::of_failure(host.failure(), response.end) {
            Some(Self::ClientLeft) => Fallback::ClientLeft(now),
            Some(_) => Fallback::Reset(now),
            None if response.is_unread => Fallback::Unknown,
            None => Fallback::NoResponse,
        }
    }

    /// Envoy reports a reason for every early end but one: a client that resets its HTTP/2 stream with `NO_ERROR`, as Node
    /// does by default. So a cut response without a reason counts as ended by the client.
    fn of_failure(failure: Option<Failure>, end: End) -> Option<Self> {
        match failure {
            Some(Failure::Timeout) => Some(Self::Failed(ErrorType::Timeout)),
            Some(Failure::Overload) => Some(Self::Failed(ErrorType::Overload)),
            Some(Failure::RateLimited) => Some(Self::Failed(ErrorType::RateLimited)),
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
            Self::HttpError(_) | Self::HttpErrorOfProbe if method == Method::Known(KnownMethod::ServerDiscover) => {
                (Status::Negotiation, None)
            }
            Self::HttpErrorOfProbe if matches!(method, Method::Known(KnownMethod::Initialize) | Method::Unseen) => {
                (Status::Negotiation, None)
            }
            Self::HttpErrorOfProbe => (Status::Error, Some(ErrorType::HttpError)),
            Self::Failed(error_type) | Self::HttpError(error_type) => (Status::Error, Some(error_type)),
            Self::Unread | Self::Elsewhere(_) => (Status::Unknown, None),
            Self::NoResponse => (Status::Error, Some(ErrorType::NoResponse)),
        }
    }

    /// Whether the server can be reached; `None` if the verdict does not show it.
    pub(super) fn shows_reachable(self) -> Option<bool> {
        match self {
            Self::Failed(ErrorType::UpstreamUnavailable) => Some(false),
            Self::Redirected | Self::HttpError(_) | Self::HttpErrorOfProbe | Self::Unread | Self::Elsewhere(None) => {
                Some(true)
            }
            Self::Failed(_) | Self::ClientLeft | Self::Elsewhere(Some(_)) | Self::NoResponse => None,
        }
    }

    /// Whether an earlier cancellation by the client can be the reason.
    pub(super) fn may_be_cancelled(self) -> bool {
        matches!(self, Self::Failed(ErrorType::Reset) | Self::ClientLeft | Self::NoResponse | Self::Elsewhere(_))
    }

    /// Whether the JSON-RPC response may have come on a stream that is not followed.
    pub(super) fn is_unfollowed(self) -> bool {
        self == Self::Elsewhere(None)
    }
}

/// Status and error type of an operation that a JSON-RPC response answers.
pub(super) fn status_of_response(operation: &Operation, message: &Message) -> (Status, Option<ErrorType>) {
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
        // The client probes for the protocol version, so this is not an error.
        _ if operation.method == Method::Known(KnownMethod::ServerDiscover) => (Status::Negotiation, None),
        (None, Some(Integer(-32022))) if !follows_negotiation(operation.method) => (Status::Negotiation, None),
        // The user has to open a URL first (2025-11-25).
        (None, Some(Integer(-32042))) => (Status::InputRequired, None),
        (None, Some(Integer(-32700 | -32600 | -32601 | -32602 | -32002))) => {
            (Status::Error, Some(ErrorType::InvalidRequest))
        }
        (None, _) => (Status::Error, Some(ErrorType::RpcError)),
    }
}

/// Whether clients call this method only after they agreed on a protocol version.
fn follows_negotiation(method: Method) -> bool {
    use KnownMethod::{PromptsGet, ResourcesRead, ToolsCall};
    matches!(method, Method::Known(ToolsCall | ResourcesRead | PromptsGet))
}
