//! How a request ended for the client, as values of the filter's labels (docs/metrics.md).
//!
//! It uses only what the client receives: JSON-RPC responses, HTTP statuses, the ends of streams, and the texts of Envoy's own
//! responses.

use crate::message::{Message, Method};
use serde::de::IgnoredAny;

/// The end of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Ok,
    Error(ErrorType),
    Cancelled,
    InputRequired,
    Accepted,
    Negotiation,
    Redirected,
    Unknown,
    /// It did not reach the sidecar.
    NotSent,
}

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ErrorType {
    ToolError,
    InvalidRequest,
    RpcError,
    Unauthorized,
    RateLimited,
    HttpError,
    Timeout,
    UpstreamUnavailable,
    Reset,
    Overload,
    NoResponse,
}

// === impl Outcome ===

impl Outcome {
    /// The outcome by the JSON-RPC response.
    pub(crate) fn of_answer(method: Method, message: &Message) -> Self {
        let is_call = method == Method::ToolsCall;
        let Some(error) = &message.error else {
            let result = message.result.as_ref();
            let kind = result.and_then(|result| result.result_type.as_deref());
            return match result {
                Some(result) if is_call && result.is_error => Self::Error(ErrorType::ToolError),
                Some(_) if kind == Some("input_required") => Self::InputRequired,
                Some(result) if is_call && (kind == Some("task") || result.task.is_some()) => Self::Accepted,
                _ => Self::Ok,
            };
        };
        match error.code {
            _ if method == Method::Discover => Self::Negotiation,
            // Only other methods are used to find out the protocol version.
            -32022 if !matches!(method, Method::ToolsCall | Method::ResourcesRead) => Self::Negotiation,
            -32042 => Self::InputRequired,
            -32700 | -32600 | -32601 | -32602 | -32002 => Self::Error(ErrorType::InvalidRequest),
            _ => Self::Error(ErrorType::RpcError),
        }
    }

    /// The outcome by an HTTP response without JSON-RPC.
    pub(crate) fn of_http(method: Method, status: u16, body: &[u8]) -> Self {
        match status {
            300..400 => Self::Redirected,
            401 | 403 if method != Method::Discover => Self::Error(ErrorType::Unauthorized),
            400.. => match of_envoy(&String::from_utf8_lossy(body)) {
                Some(failure) => Self::Error(failure),
                None if method == Method::Discover => Self::Negotiation,
                None if method == Method::Initialize && status == 405 => Self::Negotiation,
                None => Self::Error(ErrorType::HttpError),
            },
            200..300 if !body.is_empty() && serde_json::from_slice::<IgnoredAny>(body).is_err() => Self::Unknown,
            _ => Self::Error(ErrorType::NoResponse),
        }
    }

    /// The labels `status` and `error_type`; `None` if the request did not reach the sidecar.
    pub(crate) fn labels(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Ok => ("ok", ""),
            Self::Error(kind) => ("error", kind.name()),
            Self::Cancelled => ("cancelled", ""),
            Self::InputRequired => ("input_required", ""),
            Self::Accepted => ("accepted", ""),
            Self::Negotiation => ("negotiation", ""),
            Self::Redirected => ("redirected", ""),
            Self::Unknown => ("unknown", ""),
            Self::NotSent => return None,
        })
    }

    /// The name in a report.
    pub(crate) fn name(self) -> &'static str {
        match self.labels() {
            Some((status, "")) => status,
            Some((_, error_type)) => error_type,
            None => "not sent",
        }
    }

    /// Whether there was no response. Then the sidecar may count the operation only at the end of the session.
    pub(crate) fn is_unanswered(self) -> bool {
        matches!(self, Self::Cancelled | Self::NotSent | Self::Error(ErrorType::NoResponse | ErrorType::Reset))
    }
}

// === impl ErrorType ===

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::ToolError => "tool_error",
            Self::InvalidRequest => "invalid_request",
            Self::RpcError => "rpc_error",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate_limited",
            Self::HttpError => "http_error",
            Self::Timeout => "timeout",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::Reset => "reset",
            Self::Overload => "overload",
            Self::NoResponse => "no_response",
        }
    }
}

/// The texts of Envoy's local replies.
fn of_envoy(body: &str) -> Option<ErrorType> {
    if body == "no healthy upstream" {
        return Some(ErrorType::UpstreamUnavailable);
    }
    if matches!(body, "upstream request timeout" | "stream timeout") {
        return Some(ErrorType::Timeout);
    }
    let reason = body.strip_prefix("upstream connect error or disconnect/reset before headers. ")?;
    if reason.contains("overflow") {
        Some(ErrorType::Overload)
    } else if reason.contains("connection failure") || reason.contains("connection timeout") {
        Some(ErrorType::UpstreamUnavailable)
    } else {
        Some(ErrorType::Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::message::{Message, Method};

    #[track_caller]
    fn assert_answer(method: Method, answer: &str, expected: &str) {
        let message: Message = serde_json::from_str(answer).unwrap();
        assert_eq!(Outcome::of_answer(method, &message).name(), expected, "{answer}");
    }

    #[test]
    fn responses_map_to_outcomes() {
        assert_answer(Method::ToolsCall, r#"{"id":1,"result":{"content":[]}}"#, "ok");
        assert_answer(Method::ToolsCall, r#"{"id":1,"result":{"isError":true}}"#, "tool_error");
        assert_answer(Method::ResourcesRead, r#"{"id":1,"result":{"isError":true}}"#, "ok");
        assert_answer(Method::ToolsCall, r#"{"id":1,"result":{"resultType":"input_required"}}"#, "input_required");
        assert_answer(Method::ToolsCall, r#"{"id":1,"result":{"resultType":"task"}}"#, "accepted");
        assert_answer(Method::ToolsCall, r#"{"id":1,"result":{"task":{"taskId":"a"}}}"#, "accepted");
        assert_answer(Method::ToolsCall, r#"{"id":1,"error":{"code":-32602,"message":""}}"#, "invalid_request");
        assert_answer(Method::ToolsCall, r#"{"id":1,"error":{"code":-32000,"message":""}}"#, "rpc_error");
        assert_answer(Method::ToolsCall, r#"{"id":1,"error":{"code":-32022,"message":""}}"#, "rpc_error");
        assert_answer(Method::ToolsList, r#"{"id":1,"error":{"code":-32022,"message":""}}"#, "negotiation");
        assert_answer(Method::Discover, r#"{"id":1,"error":{"code":-32601,"message":""}}"#, "negotiation");
    }

    #[test]
    fn http_statuses_map_to_outcomes() {
        let of = |method, status, body: &str| Outcome::of_http(method, status, body.as_bytes()).name();
        assert_eq!(of(Method::ToolsList, 401, ""), "unauthorized");
        assert_eq!(of(Method::ToolsList, 404, "no session"), "http_error");
        assert_eq!(of(Method::Discover, 403, ""), "negotiation");
        assert_eq!(of(Method::Initialize, 405, "no"), "negotiation");
        assert_eq!(of(Method::ToolsList, 405, "no"), "http_error");
        assert_eq!(of(Method::ToolsList, 307, ""), "redirected");
        assert_eq!(of(Method::ToolsList, 200, ""), "no_response");
        assert_eq!(of(Method::ToolsList, 200, "{}"), "no_response");
        assert_eq!(of(Method::ToolsList, 200, "{"), "unknown");
        assert_eq!(of(Method::ToolsList, 503, "no healthy upstream"), "upstream_unavailable");
        assert_eq!(of(Method::ToolsList, 504, "upstream request timeout"), "timeout");
        let reset = |reason| {
            let body = format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
            of(Method::ToolsList, 503, &body)
        };
        assert_eq!(reset("connection termination"), "reset");
        assert_eq!(reset("remote connection failure, transport failure reason: refused"), "upstream_unavailable");
        assert_eq!(reset("overflow"), "overload");
    }
}
