//! The one table of metric families. Each row makes the struct of a family's labels; Envoy's `stats_tags`, its histogram
//! bounds, the tables of the documentation and `examples/tables.rs` are made from the table too.
//!
//! To add a family, add a row here and record it in [`crate::Recorder`] (`CONTRIBUTING.md`, "Add a metric family").
//!
//! **What it does not do:** join family and labels to the name of an Envoy stat; see [`super::stat_tags`].

use super::family::{
    Counter, Family, Gauge, Histogram, Labels, MetricKind, OPERATION_BOUNDS, PEOPLE_BOUNDS, SIZE_BOUNDS, families,
};
use super::label_code::{
    AnsweredMethod, ClientName, Code, ErrorCode, FilterVersion, LabelValue as _, LabelValues, PromptName, ResourceUri,
    Server, ToolName,
};
use super::series::{MAX_LABELS, Series};
use crate::label::{
    BudgetedLabel, Direction, ErrorType, ListChange, Method, MirrorHeader, ProtocolVersion, ServerRequestStatus,
    SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};

families! {
    Requests: Counter "mcp_requests_total" {
        method: Method,
        server_name: Server,
        status: Status,
        error_type: Option<ErrorType>,
    }
        "Operations ended";
    RequestDuration: Histogram "mcp_request_duration_microseconds" {
        method: Method,
        server_name: Server,
        status: Status,
    }
        bounds OPERATION_BOUNDS
        "Time from an operation's last request byte to its answer's last byte";
    ActiveConnections: Gauge "mcp_active_connections" { server_name: Server }
        "MCP exchanges open now: POSTs in progress and open streams";
    ProtocolErrors: Counter "mcp_protocol_errors_total" {
        error_code: ErrorCode,
        method: AnsweredMethod,
        server_name: Server,
    }
        "JSON-RPC error objects from the server, whatever status they lead to";
    MessageBytes: Counter "mcp_message_bytes_total" { direction: Direction, server_name: Server }
        "Body bytes on MCP exchanges";
    ToolsListed: Counter "mcp_tools_listed_total" { server_name: Server }
        "tools/list operations ended";
    ToolCalls: Counter "mcp_tool_calls_total" {
        tool_name: ToolName,
        server_name: Server,
        status: Status,
        error_type: Option<ErrorType>,
    }
        "tools/call operations ended";
    ToolDuration: Histogram "mcp_tool_duration_microseconds" { tool_name: ToolName, server_name: Server }
        bounds OPERATION_BOUNDS
        "Time of tools/call operations";
    ResourcesListed: Counter "mcp_resources_listed_total" { server_name: Server }
        "resources/list operations ended";
    ResourceReads: Counter "mcp_resource_reads_total" {
        resource_uri: ResourceUri,
        server_name: Server,
        status: Status,
    }
        "resources/read operations ended";
    PromptsListed: Counter "mcp_prompts_listed_total" { server_name: Server }
        "prompts/list operations ended";
    PromptGets: Counter "mcp_prompt_gets_total" { prompt_name: PromptName, server_name: Server, status: Status }
        "prompts/get operations ended";
    UpstreamAvailable: Gauge "mcp_upstream_available" { server_name: Server }
        "1 while the traffic shows that the server can be reached, 0 when it cannot; absent where Envoy's health check tells";
    SseStreamsActive: Gauge "mcp_sse_streams_active" { server_name: Server }
        "Open text/event-stream responses on MCP exchanges";
    StreamOpens: Counter "mcp_stream_opens_total" { status: StreamOpen, server_name: Server }
        "GETs for an event stream, by what the server answered";
    RequestsInFlight: Gauge "mcp_requests_in_flight" { server_name: Server }
        "Operations sent and not yet ended; subscriptions/listen does not count";
    ToolResultBytes: Histogram "mcp_tool_result_bytes" { tool_name: ToolName, server_name: Server }
        bounds SIZE_BOUNDS
        "Size of the message that answered a tools/call";
    ListedItems: Gauge "mcp_listed_items" { method: Method, server_name: Server }
        "Items in the latest list result asked for without a cursor";
    ListedBytes: Gauge "mcp_listed_bytes" { method: Method, server_name: Server }
        "Size of the message that brought that list";
    ListChanges: Counter "mcp_list_changes_total" { method: Method, change: ListChange, server_name: Server }
        "Listed items whose definition changed under its name, varies with who asks, or whose name is new since the first full list";
    Notifications: Counter "mcp_notifications_total" { method: Method, direction: Direction, server_name: Server }
        "Notifications passed, each way";
    ServerRequests: Counter "mcp_server_requests_total" {
        method: Method,
        server_name: Server,
        status: ServerRequestStatus,
    }
        "Requests from server to client ended: sampling, elicitation, roots, ping";
    ServerRequestDuration: Histogram "mcp_server_request_duration_microseconds" {
        method: Method,
        server_name: Server,
    }
        bounds PEOPLE_BOUNDS
        "Time from the server's request to the client's answer: how long the person or the model took";
    FirstEventDuration: Histogram "mcp_first_event_duration_microseconds" { method: Method, server_name: Server }
        bounds OPERATION_BOUNDS
        "Time to the first event with data of an operation answered by SSE on its own exchange";
    SessionsActive: Gauge "mcp_sessions_active" { transport: Transport, server_name: Server }
        "Sessions with an id whose initialize succeeded here and that did not end; without an exchange for 30 minutes one counts as ended until it comes back";
    Sessions: Counter "mcp_sessions_total" {
        protocol_version: ProtocolVersion,
        transport: Transport,
        server_name: Server,
    }
        optional { client_name: ClientName }
        "Successful initialize; client_name is appended to the labels when labels.client_name is set";
    SessionDuration: Histogram "mcp_session_duration_microseconds" { server_name: Server }
        bounds PEOPLE_BOUNDS
        "Time from initialize to DELETE, 404 or the end of the HTTP+SSE stream; sessions that just vanish are not in it";
    Tasks: Counter "mcp_tasks_total" { tool_name: ToolName, status: TaskStatus, server_name: Server }
        "Tasks seen to end in tasks/get, tasks/result or a notification";
    Unmatched: Counter "mcp_unmatched_responses_total" { reason: UnmatchedReason, server_name: Server }
        "Responses that answer nothing known";
    HeaderMismatch: Counter "mcp_header_mismatch_total" { header: MirrorHeader, server_name: Server }
        "Headers of 2026-07-28 that contradict the body";
    ParseSkipped: Counter "mcp_parse_skipped_total" { direction: Direction, reason: SkipReason, server_name: Server }
        "Messages passed on unread";
    LabelsOverflowed: Counter "mcp_labels_overflowed_total" { label: BudgetedLabel, server_name: Server }
        "Label values replaced by other because a budget was full";
    FilterStreams: Counter "mcp_filter_streams_total" { server_name: Server }
        "Every HTTP stream the filter saw, MCP or not";
    FilterInfo: Gauge "mcp_filter_info" { filter_version: FilterVersion }
        "Always 1";
    OperationDuration: Histogram "mcp_server_operation_duration_microseconds" {
        method: Method,
        tool_name: Option<ToolName>,
        error_type: Option<ErrorType>,
        error_code: Option<ErrorCode>,
        protocol_version: Option<ProtocolVersion>,
        server_name: Server,
    }
        bounds OPERATION_BOUNDS
        "Only with semconv: the joint labels behind OpenTelemetry's mcp.server.operation.duration";
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
