//! Initial series: those that alerts and dashboards read, not every combination of label values.

use super::budget::Name;
use super::families::{
    ActiveConnections, ClientRequests, FilterStreams, HeaderMismatch, LabelsOverflowed, ListChanges, MessageBytes,
    Notifications, ParseSkipped, PromptGets, PromptsListed, RateLimits, Requests, RequestsInFlight, ResourceReads,
    ResourcesListed, ServerRequests, Sessions, SessionsActive, SseStreamsActive, StreamOpens, ToolCalls,
    ToolRequestBytes, ToolsListed, UnlistedToolCalls, Unmatched,
};
use super::family::Labels as _;
use super::label_code::{BudgetedValue as _, Client, ClientName, PromptName, ResourceUri, RuleName, Server, ToolName};
use super::series::Series;
use crate::config::Config;
use crate::label::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, Method, MirrorHeader, ProtocolVersion,
    RateLimitOutcome, ServerRequestStatus, SkipReason, Status, StreamOpen, Transport, UnmatchedReason,
};

/// Methods that alerts on failures read.
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

/// Failures of any method; `tools/call` has `tool_error` as well.
const COMMON_ERRORS: [ErrorType; 7] = [
    ErrorType::RpcError,
    ErrorType::HttpError,
    ErrorType::Timeout,
    ErrorType::UpstreamUnavailable,
    ErrorType::Reset,
    ErrorType::Overload,
    ErrorType::NoResponse,
];

/// How operations of the method `unseen` fail during an outage: by an error page of a proxy, or because Envoy has no connection.
const UNSEEN_ERRORS: [ErrorType; 2] = [ErrorType::HttpError, ErrorType::UpstreamUnavailable];

/// Protocol versions with an `initialize`.
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

/// Server requests that dashboards show.
const SERVER_REQUESTS: [KnownMethod; 3] =
    [KnownMethod::SamplingCreateMessage, KnownMethod::ElicitationCreate, KnownMethod::RootsList];

/// How server requests end, without `cancelled`.
const SERVER_REQUEST_ENDS: [ServerRequestStatus; 3] =
    [ServerRequestStatus::Ok, ServerRequestStatus::Error, ServerRequestStatus::Lost];

/// The methods that list what a server offers.
const LISTS: [KnownMethod; 4] =
    [KnownMethod::ToolsList, KnownMethod::PromptsList, KnownMethod::ResourcesList, KnownMethod::ResourceTemplatesList];

/// The initial series of a server.
pub(super) fn of_server(server_name: Server, config: &Config, add: &mut dyn FnMut(Series)) {
    // First those that every exchange changes, so that they are neighbours in memory.
    add(FilterStreams { server_name }.series());
    add(ActiveConnections { server_name }.series());
    add(RequestsInFlight { server_name }.series());
    for &direction in Direction::ALL {
        add(MessageBytes { direction, server_name }.series());
    }
    add(SseStreamsActive { server_name }.series());
    add(ToolsListed { server_name }.series());
    add(UnlistedToolCalls { server_name }.series());
    add(ResourcesListed { server_name }.series());
    add(PromptsListed { server_name }.series());
    requests(server_name, add);
    messages(server_name, add);
    sessions(server_name, config, add);
    for &header in MirrorHeader::ALL {
        add(HeaderMismatch { header, server_name }.series());
    }
    for &label in BudgetedLabel::ALL.iter().filter(|&&label| label != BudgetedLabel::Semconv || config.semconv) {
        add(LabelsOverflowed { label, server_name }.series());
    }
    rate_limits(server_name, config, add);
}

fn requests(server_name: Server, add: &mut dyn FnMut(Series)) {
    let mut request = |method, status, error_type| {
        add(Requests { method, server_name, status, error_type }.series());
    };
    for known in METHODS {
        let method = Method::Known(known);
        request(method, Status::Ok, None);
        let tool_error = (known == KnownMethod::ToolsCall).then_some(ErrorType::ToolError);
        for error_type in COMMON_ERRORS.into_iter().chain(tool_error) {
            request(method, Status::Error, Some(error_type));
        }
    }
    for error_type in UNSEEN_ERRORS {
        request(Method::Unseen, Status::Error, Some(error_type));
    }
}

fn messages(server_name: Server, add: &mut dyn FnMut(Series)) {
    for &direction in Direction::ALL {
        for &reason in SkipReason::ALL {
            add(ParseSkipped { direction, reason, server_name }.series());
        }
    }
    for method in LISTS.map(Method::Known) {
        for &change in ListChange::ALL {
            add(ListChanges { method, change, server_name }.series());
        }
    }
    for (method, direction) in NOTIFICATIONS {
        add(Notifications { method: Method::Known(method), direction, server_name }.series());
    }
    for method in SERVER_REQUESTS.map(Method::Known) {
        for status in SERVER_REQUEST_ENDS {
            add(ServerRequests { method, server_name, status }.series());
        }
    }
    for &reason in UnmatchedReason::ALL {
        add(Unmatched { reason, server_name }.series());
    }
}

fn sessions(server_name: Server, config: &Config, add: &mut dyn FnMut(Series)) {
    // The names of the clients are not known before they call.
    let client_name = config.wants_client_name().then_some(Client::Unknown);
    for protocol_version in HANDSHAKES {
        let transport = Transport::StreamableHttp;
        add(Sessions { protocol_version, transport, server_name, client_name }.series());
    }
    if let Some(client_name) = client_name {
        client_requests(client_name, server_name, add);
    }
    for &transport in Transport::ALL {
        add(SessionsActive { transport, server_name }.series());
    }
    for &status in StreamOpen::ALL {
        add(StreamOpens { status, server_name }.series());
    }
}

fn client_requests(client_name: Client, server_name: Server, add: &mut dyn FnMut(Series)) {
    for status in [Status::Ok, Status::Error] {
        add(ClientRequests { client_name, server_name, status }.series());
    }
}

/// All that a rule can count, so that the first request over a limit is seen.
fn rate_limits(server_name: Server, config: &Config, add: &mut dyn FnMut(Series)) {
    let rules = config.rate_limit.as_ref().map_or(0, |block| block.rules.len());
    for rule in (0..rules).filter_map(|rule| u8::try_from(rule).ok()).map(RuleName) {
        for &outcome in RateLimitOutcome::ALL {
            add(RateLimits { rule, outcome, server_name }.series());
        }
    }
}

/// The initial series of an admitted name: its success and its most frequent failure, and the bytes of a tool's requests.
pub(super) fn of_name(label: BudgetedLabel, name: Name, server_name: Server, add: &mut dyn FnMut(Series)) {
    match label {
        BudgetedLabel::ToolName => {
            let tool_name = ToolName::new(name);
            add(ToolRequestBytes { tool_name, server_name }.series());
            for (status, error_type) in [(Status::Ok, None), (Status::Error, Some(ErrorType::ToolError))] {
                add(ToolCalls { tool_name, server_name, status, error_type }.series());
            }
        }
        BudgetedLabel::ResourceUri => {
            for status in [Status::Ok, Status::Error] {
                add(ResourceReads { resource_uri: ResourceUri::new(name), server_name, status }.series());
            }
        }
        BudgetedLabel::PromptName => {
            for status in [Status::Ok, Status::Error] {
                add(PromptGets { prompt_name: PromptName::new(name), server_name, status }.series());
            }
        }
        BudgetedLabel::ClientName => client_requests(Client::Named(ClientName::new(name)), server_name, add),
        BudgetedLabel::ErrorCode | BudgetedLabel::ServerName | BudgetedLabel::Semconv => {}
    }
}
