//! The label values that are known beforehand: each set is an enum, so a free string cannot reach a label by accident.
//!
//! What the values mean is written at each variant. Source: the project's `docs/metrics.md`, MCP's schemas of all six protocol versions.

/// Declares an enum whose variants each have one label value.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this text, if it is one of the set.
            #[must_use]
            pub fn from_bytes(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() { return Some(Self::$variant); })+
                None
            }
        }
    };
}

closed! {
    /// Methods and notifications of all MCP protocol versions, 2024-11-05 to 2026-07-28, extensions included.
    KnownMethod {
        /// Handshake of the protocol versions before 2026-07-28.
        Initialize = "initialize",
        /// Liveness, both ways.
        Ping = "ping",
        /// Optional first request of 2026-07-28.
        ServerDiscover = "server/discover",
        /// The tools a server offers.
        ToolsList = "tools/list",
        /// Runs a tool.
        ToolsCall = "tools/call",
        /// The resources a server offers.
        ResourcesList = "resources/list",
        /// The URI templates a server offers.
        ResourceTemplatesList = "resources/templates/list",
        /// Reads a resource.
        ResourcesRead = "resources/read",
        /// Asks for updates of a resource.
        ResourcesSubscribe = "resources/subscribe",
        /// Ends such updates.
        ResourcesUnsubscribe = "resources/unsubscribe",
        /// The prompts a server offers.
        PromptsList = "prompts/list",
        /// Renders a prompt.
        PromptsGet = "prompts/get",
        /// Completes an argument.
        CompletionComplete = "completion/complete",
        /// Chooses how much the server logs.
        LoggingSetLevel = "logging/setLevel",
        /// The long-lived stream of 2026-07-28.
        SubscriptionsListen = "subscriptions/listen",
        /// The server asks for a model's answer.
        SamplingCreateMessage = "sampling/createMessage",
        /// The server asks for the client's roots.
        RootsList = "roots/list",
        /// The server asks a person.
        ElicitationCreate = "elicitation/create",
        /// State of a task.
        TasksGet = "tasks/get",
        /// Ends a task.
        TasksCancel = "tasks/cancel",
        /// Result of a task (2025-11-25).
        TasksResult = "tasks/result",
        /// Tasks of a session (2025-11-25).
        TasksList = "tasks/list",
        /// Input for a task (extension of 2026).
        TasksUpdate = "tasks/update",
        /// The client finished its handshake.
        Initialized = "notifications/initialized",
        /// A request is no longer wanted.
        Cancelled = "notifications/cancelled",
        /// Progress of a request.
        Progress = "notifications/progress",
        /// A log message of the server.
        LogMessage = "notifications/message",
        /// A resource changed.
        ResourceUpdated = "notifications/resources/updated",
        /// The list of resources changed.
        ResourcesListChanged = "notifications/resources/list_changed",
        /// The list of tools changed.
        ToolsListChanged = "notifications/tools/list_changed",
        /// The list of prompts changed.
        PromptsListChanged = "notifications/prompts/list_changed",
        /// The client's roots changed.
        RootsListChanged = "notifications/roots/list_changed",
        /// An elicitation by URL ended.
        ElicitationCompleted = "notifications/elicitation/complete",
        /// A task's status (2025-11-25).
        TaskStatusChanged = "notifications/tasks/status",
        /// A task's status (extension of 2026).
        TaskChanged = "notifications/tasks",
        /// A subscription stream began.
        SubscriptionAcknowledged = "notifications/subscriptions/acknowledged",
    }
}

closed! {
    /// What is new about a listed item.
    ListChange {
        /// Its name appeared after the first full list.
        Added = "added",
        /// Its definition is none of those known under its name.
        Changed = "changed",
        /// It had more definitions than are known: it depends on who asks.
        Varies = "varies",
    }
}

closed! {
    /// How an operation ended.
    Status {
        /// A result, and for `tools/call` not `isError: true`.
        Ok = "ok",
        /// It failed; [`ErrorType`] says how.
        Error = "error",
        /// The client's side ended first.
        Cancelled = "cancelled",
        /// The server asked for more; nothing failed.
        InputRequired = "input_required",
        /// A task was started in its place.
        Accepted = "accepted",
        /// A client probing for the protocol version or the transport was refused.
        Negotiation = "negotiation",
        /// The client was sent elsewhere, and asks again there.
        Redirected = "redirected",
        /// Answered, but the answer was not read.
        Unknown = "unknown",
    }
}

closed! {
    /// Why an operation has [`Status::Error`].
    ErrorType {
        /// A result with `isError: true`.
        ToolError = "tool_error",
        /// JSON-RPC error -32700, -32600, -32601, -32602 or -32002: the caller's fault.
        InvalidRequest = "invalid_request",
        /// Any other JSON-RPC error.
        RpcError = "rpc_error",
        /// HTTP 401 or 403 without a JSON-RPC body.
        Unauthorized = "unauthorized",
        /// Any other HTTP status >= 400 of the upstream without a JSON-RPC body.
        HttpError = "http_error",
        /// The upstream did not answer in time.
        Timeout = "timeout",
        /// No connection to the upstream.
        UpstreamUnavailable = "upstream_unavailable",
        /// The server's side broke before the answer.
        Reset = "reset",
        /// Envoy's own limits refused it.
        Overload = "overload",
        /// The exchange ended properly and no answer came.
        NoResponse = "no_response",
    }
}

closed! {
    /// What became of a GET for an event stream.
    StreamOpen {
        /// It is one.
        Ok = "ok",
        /// The server has none, and says so.
        Unsupported = "unsupported",
        /// Anything else.
        Error = "error",
    }
}

closed! {
    /// Which way a message went.
    Direction {
        /// Client to server.
        In = "in",
        /// Server to client.
        Out = "out",
    }
}

closed! {
    /// Why a message was passed on unread.
    SkipReason {
        /// Broken JSON.
        InvalidJson = "invalid_json",
        /// JSON, but no JSON-RPC 2.0 message.
        NotJsonRpc = "not_json_rpc",
        /// JSON-RPC, but not MCP.
        NotMcp = "not_mcp",
        /// A content encoding that is not read, or content that is not what its encoding says or grows without measure.
        ContentEncoding = "content_encoding",
        /// Nested deeper than the scanner follows.
        TooDeep = "too_deep",
        /// More messages in one body than are followed.
        TooLong = "too_long",
        /// Cut by the end of the stream.
        Truncated = "truncated",
    }
}

closed! {
    /// Revisions of MCP. `2024-10-07` is older than the first release and still accepted by SDKs.
    ProtocolVersion {
        /// Before the first release.
        V2024_10_07 = "2024-10-07",
        /// HTTP+SSE.
        V2024_11_05 = "2024-11-05",
        /// Streamable HTTP.
        V2025_03_26 = "2025-03-26",
        /// `MCP-Protocol-Version` on every request.
        V2025_06_18 = "2025-06-18",
        /// Polling, tasks.
        V2025_11_25 = "2025-11-25",
        /// Self-contained requests.
        V2026_07_28 = "2026-07-28",
        /// Any other text.
        Other = "other",
    }
}

impl ProtocolVersion {
    /// The protocol version named by `text`; [`ProtocolVersion::Other`] for anything else.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self::from_bytes(text).unwrap_or(Self::Other)
    }
}

closed! {
    /// Which of MCP's HTTP transports carried a session.
    Transport {
        /// One endpoint, since 2025-03-26.
        StreamableHttp = "streamable_http",
        /// Two endpoints: 2024-11-05.
        HttpSse = "http_sse",
    }
}

closed! {
    /// How a request from server to client ended.
    ServerRequestStatus {
        /// The client answered with a result.
        Ok = "ok",
        /// The client answered with an error.
        Error = "error",
        /// The server gave it up.
        Cancelled = "cancelled",
        /// Session or stream ended, or five minutes passed.
        Lost = "lost",
    }
}

closed! {
    /// How a task ended.
    TaskStatus {
        /// With a result.
        Completed = "completed",
        /// With a result that has `isError`.
        ToolError = "tool_error",
        /// With an error.
        Failed = "failed",
        /// Given up.
        Cancelled = "cancelled",
    }
}

closed! {
    /// Why a response answers nothing.
    UnmatchedReason {
        /// No request with its id is known.
        UnknownId = "unknown_id",
        /// Its request was answered before.
        Duplicate = "duplicate",
    }
}

closed! {
    /// The headers of 2026-07-28 that repeat what the body says.
    MirrorHeader {
        /// The method.
        Method = "Mcp-Method",
        /// The tool, prompt, resource or task.
        Name = "Mcp-Name",
        /// The protocol version.
        ProtocolVersion = "MCP-Protocol-Version",
    }
}

closed! {
    /// What has a budget of distinct values: labels, and one histogram.
    BudgetedLabel {
        /// Tools.
        ToolName = "tool_name",
        /// Prompts.
        PromptName = "prompt_name",
        /// Resources, in their label form.
        ResourceUri = "resource_uri",
        /// `clientInfo.name`.
        ClientName = "client_name",
        /// JSON-RPC error codes.
        ErrorCode = "error_code",
        /// Servers, where the name comes from the cluster.
        ServerName = "server_name",
        /// No label: the combinations of labels in the joint histogram of `semconv`.
        Joint = "semconv",
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorType, KnownMethod, ProtocolVersion};
    use crate::test;

    #[test]
    fn ok_every_value_is_found_by_its_text() {
        for &method in KnownMethod::ALL {
            assert_eq!(KnownMethod::from_bytes(method.as_str().as_bytes()), Some(method));
        }
        assert_eq!(KnownMethod::from_bytes(b"TOOLS/CALL"), None);
        assert_eq!(ErrorType::ALL.len(), 10);
    }

    #[test]
    fn ok_unknown_revision_is_other() {
        assert_eq!(ProtocolVersion::of(b"2026-07-28"), ProtocolVersion::V2026_07_28);
        assert_eq!(ProtocolVersion::of(b"v999.0.0"), ProtocolVersion::Other);
    }
}
