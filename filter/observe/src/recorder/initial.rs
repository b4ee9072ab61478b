//! Which series exist at 0 before their first event: those that alerts and dashboards build on, not the full product.

use super::series::Value;
use crate::config::Config;
use crate::label::Method;
use crate::label::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, MirrorHeader, ProtocolVersion, ServerRequestStatus,
    SkipReason, Status, StreamOpen, Transport, UnmatchedReason,
};
use crate::recorder::families::FamilyName as F;

/// Methods whose failures people are called for.
const METHODS: [KnownMethod; 9] = [
    KnownMethod::Initialize,
    KnownMethod::ServerDiscover,
    KnownMethod::Ping,
    KnownMethod::ToolsList,
    KnownMethod::ToolsCall,
    KnownMethod::ResourcesList,
    KnownMethod::ResourcesRead,
    KnownMethod::PromptsList,
    KnownMethod::PromptsGet,
];

/// Failures of any method; tools have `tool_error` on top.
const COMMON_ERRORS: [ErrorType; 7] = [
    ErrorType::RpcError,
    ErrorType::HttpError,
    ErrorType::Timeout,
    ErrorType::UpstreamUnavailable,
    ErrorType::Reset,
    ErrorType::Overload,
    ErrorType::NoResponse,
];

/// What requests meet whose body was not seen: during an outage they may be all there is.
const UNSEEN_ERRORS: [ErrorType; 2] = [ErrorType::HttpError, ErrorType::UpstreamUnavailable];

/// Revisions with an `initialize`.
const HANDSHAKES: [ProtocolVersion; 4] = [
    ProtocolVersion::V2024_11_05,
    ProtocolVersion::V2025_03_26,
    ProtocolVersion::V2025_06_18,
    ProtocolVersion::V2025_11_25,
];

/// Notifications that dashboards show.
const NOTIFICATIONS: [(KnownMethod, Direction); 5] = [
    (KnownMethod::Initialized, Direction::In),
    (KnownMethod::Cancelled, Direction::In),
    (KnownMethod::Progress, Direction::Out),
    (KnownMethod::LogMessage, Direction::Out),
    (KnownMethod::ToolsListChanged, Direction::Out),
];

/// What servers ask of people and models.
const SERVER_REQUESTS: [KnownMethod; 3] =
    [KnownMethod::SamplingCreateMessage, KnownMethod::ElicitationCreate, KnownMethod::RootsList];
/// What servers list.
const LISTS: [KnownMethod; 4] =
    [KnownMethod::ToolsList, KnownMethod::PromptsList, KnownMethod::ResourcesList, KnownMethod::ResourceTemplatesList];

/// From the first use of a server's name.
pub(super) fn of_server(to: Value, config: &Config, add: &mut dyn FnMut(F, &[Value])) {
    for method in METHODS {
        let value = Value::Method(Method::Known(method));
        add(F::Requests, &[value, to, Value::Status(Status::Ok), Value::ErrorType(None)]);
        let tool_error = (method == KnownMethod::ToolsCall).then_some(ErrorType::ToolError);
        for error in COMMON_ERRORS.into_iter().chain(tool_error) {
            add(F::Requests, &[value, to, Value::Status(Status::Error), Value::ErrorType(Some(error))]);
        }
    }
    for error in UNSEEN_ERRORS {
        let error = Value::ErrorType(Some(error));
        add(F::Requests, &[Value::Method(Method::Unseen), to, Value::Status(Status::Error), error]);
    }
    for &direction in Direction::ALL {
        add(F::MessageBytes, &[Value::Direction(direction), to]);
        for &reason in SkipReason::ALL {
            add(F::ParseSkipped, &[Value::Direction(direction), Value::Reason(reason), to]);
        }
    }
    for method in LISTS {
        for &change in ListChange::ALL {
            add(F::ListChanges, &[Value::Method(Method::Known(method)), Value::Change(change), to]);
        }
    }
    for (method, direction) in NOTIFICATIONS {
        add(F::Notifications, &[Value::Method(Method::Known(method)), Value::Direction(direction), to]);
    }
    // With client names the labels of a session are not known beforehand.
    for protocol_version in HANDSHAKES.into_iter().filter(|_| !config.client_name) {
        add(F::Sessions, &[Value::ProtocolVersion(protocol_version), Value::Transport(Transport::StreamableHttp), to]);
    }
    for &transport in Transport::ALL {
        add(F::SessionsActive, &[Value::Transport(transport), to]);
    }
    for method in SERVER_REQUESTS {
        for status in [ServerRequestStatus::Ok, ServerRequestStatus::Error, ServerRequestStatus::Lost] {
            add(F::ServerRequests, &[Value::Method(Method::Known(method)), to, Value::ServerRequest(status)]);
        }
    }
    for &status in StreamOpen::ALL {
        add(F::StreamOpens, &[Value::StreamOpen(status), to]);
    }
    for &reason in UnmatchedReason::ALL {
        add(F::Unmatched, &[Value::Unmatched(reason), to]);
    }
    for &header in MirrorHeader::ALL {
        add(F::HeaderMismatch, &[Value::Mirror(header), to]);
    }
    for &label in BudgetedLabel::ALL.iter().filter(|&&label| label != BudgetedLabel::Joint || config.semconv) {
        add(F::LabelsOverflowed, &[Value::Label(label), to]);
    }
    for family in [
        F::ActiveConnections,
        F::SseStreamsActive,
        F::RequestsInFlight,
        F::ToolsListed,
        F::ResourcesListed,
        F::PromptsListed,
        F::FilterStreams,
    ] {
        add(family, &[to]);
    }
}

/// From the moment a name is admitted: its success and its commonest failure.
pub(super) fn of_name(label: BudgetedLabel, name: Value, to: Value, add: &mut dyn FnMut(F, &[Value])) {
    let (ok, error) = (Value::Status(Status::Ok), Value::Status(Status::Error));
    match label {
        BudgetedLabel::ToolName => {
            add(F::ToolCalls, &[name, to, ok, Value::ErrorType(None)]);
            add(F::ToolCalls, &[name, to, error, Value::ErrorType(Some(ErrorType::ToolError))]);
        }
        BudgetedLabel::ResourceUri => {
            add(F::ResourceReads, &[name, to, ok]);
            add(F::ResourceReads, &[name, to, error]);
        }
        BudgetedLabel::PromptName => {
            add(F::PromptGets, &[name, to, ok]);
            add(F::PromptGets, &[name, to, error]);
        }
        BudgetedLabel::ClientName | BudgetedLabel::ErrorCode | BudgetedLabel::ServerName | BudgetedLabel::Joint => {}
    }
}
