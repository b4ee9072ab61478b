//! The closed sets of label values. Each set is an enum, so that free text cannot become a label value by mistake.
//!
//! The shared data has methods, protocol versions and transports by their place in the enum: a new one goes to the end, or the
//! number in [`crate::shared_data::KEY_PREFIX`] changes.
//!
//! The variants say what the values mean. Sources: `docs/metrics.md`, and MCP's schemas of all protocol versions.

/// Declares an enum with one label value per variant.
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

            /// The value with this text; `None` if the set does not have it.
            #[must_use]
            pub fn from_bytes(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() { return Some(Self::$variant); })+
                None
            }
        }
    };
}

closed! {
    /// Methods of requests and notifications in all protocol versions from 2024-11-05 to 2026-07-28, with extensions.
    KnownMethod {
        /// The handshake of the protocol versions before 2026-07-28.
        Initialize = "initialize",
        /// Tests the connection; client and server may send it.
        Ping = "ping",
        /// The optional first request of 2026-07-28.
        ServerDiscover = "server/discover",
        /// Lists the tools.
        ToolsList = "tools/list",
        /// Runs a tool.
        ToolsCall = "tools/call",
        /// Lists the resources.
        ResourcesList = "resources/list",
        /// Lists the URI templates of resources.
        ResourceTemplatesList = "resources/templates/list",
        /// Reads a resource.
        ResourcesRead = "resources/read",
        /// Subscribes to updates of a resource.
        ResourcesSubscribe = "resources/subscribe",
        /// Ends such a subscription.
        ResourcesUnsubscribe = "resources/unsubscribe",
        /// Lists the prompts.
        PromptsList = "prompts/list",
        /// Renders a prompt.
        PromptsGet = "prompts/get",
        /// Completes an argument.
        CompletionComplete = "completion/complete",
        /// Sets the level of the server's log messages.
        LoggingSetLevel = "logging/setLevel",
        /// Opens the notification stream of 2026-07-28.
        SubscriptionsListen = "subscriptions/listen",
        /// The server asks the client for the output of a model.
        SamplingCreateMessage = "sampling/createMessage",
        /// The server asks the client for its roots.
        RootsList = "roots/list",
        /// The server asks the user for input.
        ElicitationCreate = "elicitation/create",
        /// Returns the state of a task.
        TasksGet = "tasks/get",
        /// Cancels a task.
        TasksCancel = "tasks/cancel",
        /// Returns the result of a task (2025-11-25).
        TasksResult = "tasks/result",
        /// Lists the tasks of a session (2025-11-25).
        TasksList = "tasks/list",
        /// Sends input to a task (extension of 2026-07-28).
        TasksUpdate = "tasks/update",
        /// The client finished the handshake.
        Initialized = "notifications/initialized",
        /// The sender cancels a request.
        Cancelled = "notifications/cancelled",
        /// The progress of a request.
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
        /// An elicitation by URL is complete.
        ElicitationCompleted = "notifications/elicitation/complete",
        /// The status of a task changed (2025-11-25).
        TaskStatusChanged = "notifications/tasks/status",
        /// The status of a task changed (extension of 2026-07-28).
        TaskChanged = "notifications/tasks",
        /// The stream of `subscriptions/listen` started.
        SubscriptionAcknowledged = "notifications/subscriptions/acknowledged",
    }
}

closed! {
    /// Why a listed item counts as a change.
    ListChange {
        /// Its name is new since the first full list.
        Added = "added",
        /// Its definition is new under its name.
        Changed = "changed",
        /// It has more definitions than are kept, so its definition depends on the caller or the time.
        Varies = "varies",
    }
}

closed! {
    /// How an operation ended.
    Status {
        /// A result, and for `tools/call` not `isError: true`.
        Ok = "ok",
        /// It failed; [`ErrorType`] is the reason.
        Error = "error",
        /// The client cancelled it, or ended the exchange before the response.
        Cancelled = "cancelled",
        /// The server asked for more input; nothing failed.
        InputRequired = "input_required",
        /// The server started a task for it.
        Accepted = "accepted",
        /// The server refused a client that probed for protocol version or transport.
        Negotiation = "negotiation",
        /// The server redirected the client to another URL.
        Redirected = "redirected",
        /// There was a response, but the filter could not read it.
        Unknown = "unknown",
    }
}

closed! {
    /// Why an operation has [`Status::Error`].
    ErrorType {
        /// A result with `isError: true`.
        ToolError = "tool_error",
        /// JSON-RPC error -32700, -32600, -32601, -32602 or -32002: an error of the caller.
        InvalidRequest = "invalid_request",
        /// Any other JSON-RPC error.
        RpcError = "rpc_error",
        /// HTTP 401 or 403 without a JSON-RPC body.
        Unauthorized = "unauthorized",
        /// Any other HTTP status >= 400 of the server without a JSON-RPC body.
        HttpError = "http_error",
        /// The server did not respond in time.
        Timeout = "timeout",
        /// There was no connection to the server.
        UpstreamUnavailable = "upstream_unavailable",
        /// The server reset the connection before the response.
        Reset = "reset",
        /// A limit of Envoy refused it.
        Overload = "overload",
        /// A rule of `rate_limit` refused it.
        RateLimited = "rate_limited",
        /// The exchange ended normally without a response to it.
        NoResponse = "no_response",
    }
}

closed! {
    /// How the server answered a GET for an event stream.
    StreamOpen {
        /// With an event stream.
        Ok = "ok",
        /// With HTTP 405: the server has no such stream.
        Unsupported = "unsupported",
        /// With anything else.
        Error = "error",
    }
}

closed! {
    /// The direction of a message.
    Direction {
        /// Client to server.
        In = "in",
        /// Server to client.
        Out = "out",
    }
}

closed! {
    /// Why the filter did not read a message.
    SkipReason {
        /// The JSON is invalid.
        InvalidJson = "invalid_json",
        /// It is JSON, but not a JSON-RPC 2.0 message.
        NotJsonRpc = "not_json_rpc",
        /// It is JSON-RPC, but not MCP.
        NotMcp = "not_mcp",
        /// The content encoding is not supported, the content is not in that encoding, or it decodes to too much.
        ContentEncoding = "content_encoding",
        /// It is nested too deeply for the scanner.
        TooDeep = "too_deep",
        /// The body has too many messages.
        TooLong = "too_long",
        /// The stream ended within it.
        Truncated = "truncated",
    }
}

closed! {
    /// Protocol versions of MCP. SDKs still accept `2024-10-07`, which is older than the first release.
    ProtocolVersion {
        /// Before the first release.
        V2024_10_07 = "2024-10-07",
        /// HTTP+SSE.
        V2024_11_05 = "2024-11-05",
        /// Streamable HTTP.
        V2025_03_26 = "2025-03-26",
        /// `MCP-Protocol-Version` on every request.
        V2025_06_18 = "2025-06-18",
        /// Polling and tasks.
        V2025_11_25 = "2025-11-25",
        /// Requests without a session.
        V2026_07_28 = "2026-07-28",
        /// Any other version.
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
    /// The HTTP transport of a session.
    #[derive(Default)]
    Transport {
        /// One endpoint; since 2025-03-26.
        #[default]
        StreamableHttp = "streamable_http",
        /// Two endpoints: 2024-11-05.
        HttpSse = "http_sse",
    }
}

closed! {
    /// How a server request ended.
    ServerRequestStatus {
        /// The client answered with a result.
        Ok = "ok",
        /// The client answered with an error.
        Error = "error",
        /// The server cancelled it.
        Cancelled = "cancelled",
        /// The session or its stream ended, or five minutes passed.
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
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

closed! {
    /// Why a response does not belong to a request.
    UnmatchedReason {
        /// No request has its id.
        UnknownId = "unknown_id",
        /// Its request already has a response.
        Duplicate = "duplicate",
    }
}

closed! {
    /// The headers of 2026-07-28 that repeat a value of the body.
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
    /// What the rate limit did with a request that a rule covers, or with a body.
    RateLimitOutcome {
        /// It passed.
        Allowed = "allowed",
        /// It was over the limit of the rule, and its body was refused.
        Limited = "limited",
        /// It was over the limit of the rule, but `shadow` lets all requests pass.
        Shadowed = "shadowed",
        /// The body could not be read, so no rule was applied. This counts bodies, for each rule.
        Unread = "unread",
        /// It passed because the count could not be saved.
        NoRoom = "no_room",
    }
}

closed! {
    /// The labels with a budget, and one histogram with a budget.
    BudgetedLabel {
        /// Tools.
        ToolName = "tool_name",
        /// Prompts.
        PromptName = "prompt_name",
        /// Resources, in the form of their label.
        ResourceUri = "resource_uri",
        /// `clientInfo.name`.
        ClientName = "client_name",
        /// JSON-RPC error codes.
        ErrorCode = "error_code",
        /// Servers, if their name comes from the cluster.
        ServerName = "server_name",
        /// Not a label: the combinations of label values of the histogram of `semconv`.
        Semconv = "semconv",
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownMethod, ProtocolVersion};
    use crate::test;

    #[test]
    fn value_is_found_by_its_text() {
        for &method in KnownMethod::ALL {
            assert_eq!(KnownMethod::from_bytes(method.as_str().as_bytes()), Some(method));
        }
        assert_eq!(KnownMethod::from_bytes(b"TOOLS/CALL"), None);
    }

    #[test]
    fn unknown_protocol_version_is_other() {
        assert_eq!(ProtocolVersion::of(b"2026-07-28"), ProtocolVersion::V2026_07_28);
        assert_eq!(ProtocolVersion::of(b"v999.0.0"), ProtocolVersion::Other);
    }
}
