//! The protocol versions of MCP, and what a client does in each.

/// A protocol version that can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProtocolVersion {
    /// The transport HTTP+SSE; the others use Streamable HTTP.
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    /// The protocol version has no sessions.
    V2026_07_28,
}

/// The transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    StreamableHttp,
    HttpSse,
}

// === impl ProtocolVersion ===

impl ProtocolVersion {
    pub(crate) const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol_version| protocol_version.name() == name)
    }

    /// Whether it has no `initialize` and no sessions, and headers that repeat the body.
    pub(crate) fn is_modern(self) -> bool {
        self == Self::V2026_07_28
    }

    /// Whether requests of a session have the header `MCP-Protocol-Version`.
    pub(crate) fn has_header(self) -> bool {
        self >= Self::V2025_06_18
    }
}

// === impl Transport ===

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StreamableHttp => "streamable_http",
            Self::HttpSse => "http_sse",
        }
    }
}
