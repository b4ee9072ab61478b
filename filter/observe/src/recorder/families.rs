//! The one table of metric families. Documentation, Envoy's `stats_tags`, its histogram bounds and the tests are made from
//! it or checked against it; to add a family, add a line here and count it in [`crate::Recorder`].
//!
//! A series travels through Envoy as one string: `label=.=value;.;` for each label in order, then the family's name. Envoy
//! puts `wasmcustom.` in front; [`tag_regex`] is what takes the labels out again.

/// What kind of Envoy stat a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over [`Family::bounds`].
    Histogram,
}

/// One metric family as Envoy shows it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, with its unit; durations are in microseconds here and in seconds after the collector.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// Label names in the order in which the stat name carries them.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, in the unit of the name; empty for the other kinds.
    pub bounds: &'static [u64],
    /// What it counts, in one sentence.
    pub help: &'static str,
}

/// Bounds of operations and first events, microseconds: OpenTelemetry's MCP bounds with three finer ones.
pub const OPERATION_BOUNDS: &[u64] = &[
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// Bounds of what people decide, sessions and requests of the server, microseconds.
pub const PEOPLE_BOUNDS: &[u64] = &[
    1_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    14_400_000_000,
    86_400_000_000,
];

/// Bounds of message sizes, bytes.
pub const SIZE_BOUNDS: &[u64] = &[256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/// Declares [`FamilyName`] and [`FAMILIES`] together, so that their order cannot differ.
macro_rules! families {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $bounds:expr, $help:literal;)+) => {
        /// Names one family of [`FAMILIES`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum FamilyName { $(#[doc = $help] $id,)+ }

        impl FamilyName {
            /// The line of the table.
            #[must_use]
            pub const fn family(self) -> &'static Family {
                match self {
                    $(Self::$id => &Family {
                        name: $name, kind: MetricKind::$kind, labels: &[$($label),*], bounds: $bounds, help: $help,
                    },)+
                }
            }
        }

        /// Every family, in the order of the documentation.
        pub static FAMILIES: &[Family] = &[$(*FamilyName::$id.family(),)+];
    };
}

families! {
    Requests Counter "mcp_requests_total" ["method", "server_name", "status", "error_type"] &[],
        "Operations ended";
    RequestDuration Histogram "mcp_request_duration_microseconds" ["method", "server_name", "status"] OPERATION_BOUNDS,
        "Time from an operation's last request byte to its answer's last byte";
    ActiveConnections Gauge "mcp_active_connections" ["server_name"] &[],
        "MCP exchanges open now: POSTs in progress and open streams";
    ProtocolErrors Counter "mcp_protocol_errors_total" ["error_code", "method", "server_name"] &[],
        "JSON-RPC error objects from the server, whatever status they lead to";
    MessageBytes Counter "mcp_message_bytes_total" ["direction", "server_name"] &[],
        "Body bytes on MCP exchanges";
    ToolsListed Counter "mcp_tools_listed_total" ["server_name"] &[],
        "tools/list operations ended";
    ToolCalls Counter "mcp_tool_calls_total" ["tool_name", "server_name", "status", "error_type"] &[],
        "tools/call operations ended";
    ToolDuration Histogram "mcp_tool_duration_microseconds" ["tool_name", "server_name"] OPERATION_BOUNDS,
        "Time of tools/call operations";
    ResourcesListed Counter "mcp_resources_listed_total" ["server_name"] &[],
        "resources/list operations ended";
    ResourceReads Counter "mcp_resource_reads_total" ["resource_uri", "server_name", "status"] &[],
        "resources/read operations ended";
    PromptsListed Counter "mcp_prompts_listed_total" ["server_name"] &[],
        "prompts/list operations ended";
    PromptGets Counter "mcp_prompt_gets_total" ["prompt_name", "server_name", "status"] &[],
        "prompts/get operations ended";
    UpstreamAvailable Gauge "mcp_upstream_available" ["server_name"] &[],
        "1 while the traffic shows that the server can be reached, 0 when it cannot; absent where Envoy's health check tells";
    SseStreamsActive Gauge "mcp_sse_streams_active" ["server_name"] &[],
        "Open text/event-stream responses on MCP exchanges";
    StreamOpens Counter "mcp_stream_opens_total" ["status", "server_name"] &[],
        "GETs for an event stream, by what the server answered";
    RequestsInFlight Gauge "mcp_requests_in_flight" ["server_name"] &[],
        "Operations sent and not yet ended; subscriptions/listen does not count";
    ToolResultBytes Histogram "mcp_tool_result_bytes" ["tool_name", "server_name"] SIZE_BOUNDS,
        "Size of the message that answered a tools/call";
    ListedItems Gauge "mcp_listed_items" ["method", "server_name"] &[],
        "Items in the latest list result asked for without a cursor";
    ListedBytes Gauge "mcp_listed_bytes" ["method", "server_name"] &[],
        "Size of the message that brought that list";
    ListChanges Counter "mcp_list_changes_total" ["method", "change", "server_name"] &[],
        "Listed items whose definition changed under its name, varies with who asks, or whose name is new since the first full list";
    Notifications Counter "mcp_notifications_total" ["method", "direction", "server_name"] &[],
        "Notifications passed, each way";
    ServerRequests Counter "mcp_server_requests_total" ["method", "server_name", "status"] &[],
        "Requests from server to client ended: sampling, elicitation, roots, ping";
    ServerRequestDuration Histogram "mcp_server_request_duration_microseconds" ["method", "server_name"] PEOPLE_BOUNDS,
        "Time from the server's request to the client's answer: how long the person or the model took";
    FirstEventDuration Histogram "mcp_first_event_duration_microseconds" ["method", "server_name"] OPERATION_BOUNDS,
        "Time to the first event with data of an operation answered by SSE on its own exchange";
    SessionsActive Gauge "mcp_sessions_active" ["transport", "server_name"] &[],
        "Sessions with an id whose initialize succeeded here and that did not end; without an exchange for 30 minutes one counts as ended until it comes back";
    Sessions Counter "mcp_sessions_total" ["protocol_version", "transport", "server_name"] &[],
        "Successful initialize; client_name is appended to the labels when labels.client_name is set";
    SessionDuration Histogram "mcp_session_duration_microseconds" ["server_name"] PEOPLE_BOUNDS,
        "Time from initialize to DELETE, 404 or the end of the HTTP+SSE stream; sessions that just vanish are not in it";
    Tasks Counter "mcp_tasks_total" ["tool_name", "status", "server_name"] &[],
        "Tasks seen to end in tasks/get, tasks/result or a notification";
    Unmatched Counter "mcp_unmatched_responses_total" ["reason", "server_name"] &[],
        "Responses that answer nothing known";
    HeaderMismatch Counter "mcp_header_mismatch_total" ["header", "server_name"] &[],
        "Headers of 2026-07-28 that contradict the body";
    ParseSkipped Counter "mcp_parse_skipped_total" ["direction", "reason", "server_name"] &[],
        "Messages passed on unread";
    LabelsOverflowed Counter "mcp_labels_overflowed_total" ["label", "server_name"] &[],
        "Label values replaced by other because a budget was full";
    FilterStreams Counter "mcp_filter_streams_total" ["server_name"] &[],
        "Every HTTP stream the filter saw, MCP or not";
    FilterInfo Gauge "mcp_filter_info" ["filter_version"] &[],
        "Always 1";
    OperationDuration Histogram "mcp_server_operation_duration_microseconds"
        ["method", "tool_name", "error_type", "error_code", "protocol_version", "server_name"] OPERATION_BOUNDS,
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

/// The pattern for Envoy's `stats_tags` that takes one label out of a stat name.
///
/// It starts with `^wasmcustom\.`, so Envoy tries it on this filter's stats only and not on every stat in the process.
#[must_use]
pub fn tag_regex(label: &str) -> String {
    format!(r"^wasmcustom\.(?:.*?;\.;)?({label}=\.=(.*?);\.;)")
}

/// The table of families in Markdown, as `README.md` and `docs/metrics.md` show it.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = String::from("| family | kind | labels | counts |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help, .. } in FAMILIES {
        let kind = format!("{kind:?}").to_lowercase();
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{FAMILIES, LABELS, MetricKind};
    use crate::test;
    use std::collections::BTreeSet;

    #[test]
    fn ok_names_follow_prometheus() {
        let mut names = BTreeSet::new();
        for family in FAMILIES {
            assert!(names.insert(family.name), "{} stands twice", family.name);
            assert!(family.name.starts_with("mcp_"), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == MetricKind::Counter, "{}", family.name);
            assert_eq!(family.bounds.is_empty(), family.kind != MetricKind::Histogram, "{}", family.name);
            assert!(family.bounds.is_sorted(), "{}", family.name);
        }
    }

    #[test]
    fn ok_labels_are_the_labels_of_the_families() {
        let mut used: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.labels.iter().copied()).collect();
        used.insert("client_name");
        assert_eq!(used, LABELS.iter().copied().collect());
    }

    #[test]
    fn ok_no_label_is_a_suffix_of_another() {
        for one in LABELS {
            for other in LABELS {
                assert!(one == other || !one.ends_with(other), "{other} is a suffix of {one}");
            }
        }
    }
}
