//! The one table of metric families. Each row makes the struct of a family's labels; Envoy's `stats_tags`, its histogram
//! bounds, the tables of the documentation and `examples/tables.rs` are made from the table too.
//!
//! To add a family, add a row here and record it in [`crate::Recorder`] (`CONTRIBUTING.md`, "A metric family").
//!
//! **What it does not do:** join family and labels to the name of an Envoy stat; see [`super::stat_tags`].

use super::family::{
    Counter, Family, Gauge, Histogram, Labels, MetricKind, OPERATION_BOUNDS, PEOPLE_BOUNDS, SIZE_BOUNDS, families,
};
use super::label_code::{
    AnsweredMethod, Client, Code, ErrorCode, FilterVersion, LabelValue as _, LabelValues, PromptName, ResourceUri,
    RuleName, Server, ToolName,
};
use super::series::{MAX_LABELS, Series};
use crate::label::{
    BudgetedLabel, Direction, ErrorType, ListChange, Method, MirrorHeader, ProtocolVersion, RateLimitOutcome,
    ServerRequestStatus, SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};

families! {
    Requests: Counter "mcp_requests_total" {
        method: Method,
        server_name: Server,
        status: Status,
        error_type: Option<ErrorType>,
    }
        "Operations that ended";
    RequestDuration: Histogram "mcp_request_duration_microseconds" {
        method: Method,
        server_name: Server,
        status: Status,
    }
        bounds OPERATION_BOUNDS
        "Duration of operations, from the last byte of the request to the last byte of the response";
    ClientRequests: Counter "mcp_client_requests_total" { client_name: Client, server_name: Server, status: Status }
        "Operations that ended, by client; not with labels.client_name: off";
    ClientToolCalls: Counter "mcp_client_tool_calls_total" {
        client_name: Client,
        tool_name: ToolName,
        server_name: Server,
        status: Status,
    }
        "tools/call operations that ended, by client; only with labels.client_name: tools";
    ActiveConnections: Gauge "mcp_active_connections" { server_name: Server }
        "Open MCP exchanges: POSTs in progress and open streams";
    ProtocolErrors: Counter "mcp_protocol_errors_total" {
        error_code: ErrorCode,
        method: AnsweredMethod,
        server_name: Server,
    }
        "JSON-RPC error objects from the server, regardless of the status of the operation";
    MessageBytes: Counter "mcp_message_bytes_total" { direction: Direction, server_name: Server }
        "Body bytes of MCP exchanges";
    ToolsListed: Counter "mcp_tools_listed_total" { server_name: Server }
        "tools/list operations that ended";
    ToolCalls: Counter "mcp_tool_calls_total" {
        tool_name: ToolName,
        server_name: Server,
        status: Status,
        error_type: Option<ErrorType>,
    }
        "tools/call operations that ended";
    ToolDuration: Histogram "mcp_tool_duration_microseconds" { tool_name: ToolName, server_name: Server }
        bounds OPERATION_BOUNDS
        "Duration of tools/call operations";
    ResourcesListed: Counter "mcp_resources_listed_total" { server_name: Server }
        "resources/list operations that ended";
    ResourceReads: Counter "mcp_resource_reads_total" {
        resource_uri: ResourceUri,
        server_name: Server,
        status: Status,
    }
        "resources/read operations that ended";
    PromptsListed: Counter "mcp_prompts_listed_total" { server_name: Server }
        "prompts/list operations that ended";
    PromptGets: Counter "mcp_prompt_gets_total" { prompt_name: PromptName, server_name: Server, status: Status }
        "prompts/get operations that ended";
    UpstreamAvailable: Gauge "mcp_upstream_available" { server_name: Server }
        "1 if the latest traffic reached the server, 0 if it did not; the filter does not export it with availability: off";
    SseStreamsActive: Gauge "mcp_sse_streams_active" { server_name: Server }
        "Open text/event-stream responses of MCP exchanges";
    StreamOpens: Counter "mcp_stream_opens_total" { status: StreamOpen, server_name: Server }
        "GET requests for an event stream, by the response of the server";
    RequestsInFlight: Gauge "mcp_requests_in_flight" { server_name: Server }
        "Operations in flight, without subscriptions/listen";
    ToolResultBytes: Histogram "mcp_tool_result_bytes" { tool_name: ToolName, server_name: Server }
        bounds SIZE_BOUNDS
        "Size of the responses to tools/call";
    ToolRequestBytes: Counter "mcp_tool_request_bytes_total" { tool_name: ToolName, server_name: Server }
        "Size of the requests of tools/call, arguments included";
    ToolDefinitionBytes: Gauge "mcp_tool_definition_bytes" { tool_name: ToolName, server_name: Server }
        "Size of the tool's definition in the latest list; 0 if the latest complete list lacks the tool";
    UnlistedToolCalls: Counter "mcp_unlisted_tool_calls_total" { server_name: Server }
        "tools/call operations that ended, of a name that none of the server's last four different lists has";
    ListedItems: Gauge "mcp_listed_items" { method: Method, server_name: Server }
        "Items in the latest response to a list request without a cursor";
    ListedBytes: Gauge "mcp_listed_bytes" { method: Method, server_name: Server }
        "Size of the latest response to a list request without a cursor";
    ListChanges: Counter "mcp_list_changes_total" { method: Method, change: ListChange, server_name: Server }
        "Listed items that were added after the first full list, changed, or found to vary between requests";
    Notifications: Counter "mcp_notifications_total" { method: Method, direction: Direction, server_name: Server }
        "Notifications in both directions";
    ServerRequests: Counter "mcp_server_requests_total" {
        method: Method,
        server_name: Server,
        status: ServerRequestStatus,
    }
        "Requests from server to client that ended: sampling, elicitation, roots, ping";
    ServerRequestDuration: Histogram "mcp_server_request_duration_microseconds" {
        method: Method,
        server_name: Server,
    }
        bounds PEOPLE_BOUNDS
        "Time from a request of the server to the response of the client, which may include the time of a person or a model";
    FirstEventDuration: Histogram "mcp_first_event_duration_microseconds" { method: Method, server_name: Server }
        bounds OPERATION_BOUNDS
        "Time from the last byte of an operation's request to the first event with data, if its HTTP response is an event stream";
    SessionsActive: Gauge "mcp_sessions_active" { transport: Transport, server_name: Server }
        "Active sessions with an id: initialize succeeded, the session did not end, and it had an exchange in the last 30 minutes";
    Sessions: Counter "mcp_sessions_total" {
        protocol_version: ProtocolVersion,
        transport: Transport,
        server_name: Server,
    }
        optional { client_name: Client }
        "Successful initialize operations; without the label client_name with labels.client_name: off";
    SessionDuration: Histogram "mcp_session_duration_microseconds" { server_name: Server }
        bounds PEOPLE_BOUNDS
        "Duration of sessions that end by DELETE, 404 or the end of the HTTP+SSE stream";
    Tasks: Counter "mcp_tasks_total" { tool_name: ToolName, status: TaskStatus, server_name: Server }
        "Tasks whose end was seen in tasks/get, tasks/result or a notification";
    Unmatched: Counter "mcp_unmatched_responses_total" { reason: UnmatchedReason, server_name: Server }
        "Responses that match no open request";
    HeaderMismatch: Counter "mcp_header_mismatch_total" { header: MirrorHeader, server_name: Server }
        "Headers of 2026-07-28 that contradict the body";
    ParseSkipped: Counter "mcp_parse_skipped_total" { direction: Direction, reason: SkipReason, server_name: Server }
        "Messages that the filter did not read";
    LabelsOverflowed: Counter "mcp_labels_overflowed_total" { label: BudgetedLabel, server_name: Server }
        "Label values replaced by other because the label budget was full";
    RateLimits: Counter "mcp_rate_limit_total" { rule: RuleName, outcome: RateLimitOutcome, server_name: Server }
        "Requests that a rule of rate_limit covers, by what the rule did; bodies that were not read; only with rate_limit";
    FilterStreams: Counter "mcp_filter_streams_total" { server_name: Server }
        "HTTP streams that the filter saw, MCP or not";
    FilterInfo: Gauge "mcp_filter_info" { filter_version: FilterVersion }
        "Always 1; the label is the version of the filter";
    OperationDuration: Histogram "mcp_server_operation_duration_microseconds" {
        method: Method,
        tool_name: Option<ToolName>,
        error_type: Option<ErrorType>,
        error_code: Option<ErrorCode>,
        protocol_version: Option<ProtocolVersion>,
        server_name: Server,
    }
        bounds OPERATION_BOUNDS
        "Duration of operations with the labels of OpenTelemetry's mcp.server.operation.duration; only with semconv";
}

/// Every label name once. No name is a suffix of another, because Istio's generated tag patterns are not anchored.
pub const LABELS: &[&str] = &[
    "method",
    "server_name",
    "status",
    "error_type",
    "error_code",
    "direction",
    "tool_name",
    "resource_uri",
    "prompt_name",
    "protocol_version",
    "transport",
    "client_name",
    "header",
    "reason",
    "label",
    "change",
    "rule",
    "outcome",
    "filter_version",
];

#[cfg(test)]
mod tests {
    use super::{FAMILIES, Family, LABELS, MetricKind};
    use crate::test;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_prometheus() {
        let mut names = BTreeSet::new();
        for family in FAMILIES {
            assert!(names.insert(family.name), "{} is there twice", family.name);
            assert!(family.name.starts_with("mcp_"), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == MetricKind::Counter, "{}", family.name);
            assert_eq!(family.bounds.is_empty(), family.kind != MetricKind::Histogram, "{}", family.name);
            assert!(family.bounds.is_sorted(), "{}", family.name);
        }
    }

    #[test]
    fn labels_are_those_of_the_families() {
        let labels = |family: &'static Family| family.labels.iter().chain(family.optional_labels).copied();
        let used: BTreeSet<&str> = FAMILIES.iter().flat_map(labels).collect();
        assert_eq!(used, LABELS.iter().copied().collect());
    }

    #[test]
    fn no_label_is_a_suffix_of_another() {
        for one in LABELS {
            for other in LABELS {
                assert!(one == other || !one.ends_with(other), "{other} is a suffix of {one}");
            }
        }
    }
}
