//! The `method` label: MCP's methods, those the configuration adds, and `other`.

use super::KnownMethod;
use serde::{Deserialize, Serialize};

/// A method as a label value; never free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A method of MCP.
    Known(KnownMethod),
    /// A method of the configuration's `extra_methods`, by its index.
    Extra(u8),
    /// Any other method.
    Other,
    /// The body with the method was not seen, and no header names the method.
    Unseen,
}

/// The list members of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Tools,
    Prompts,
    Resources,
    ResourceTemplates,
}

// === impl Method ===

impl Method {
    pub(crate) fn of(text: &[u8], extra_methods: &[String]) -> Self {
        if let Some(known) = KnownMethod::from_bytes(text) {
            return Self::Known(known);
        }
        let extra = extra_methods.iter().position(|method| method.as_bytes() == text);
        extra.and_then(|index| u8::try_from(index).ok()).map_or(Self::Other, Self::Extra)
    }

    /// The label value.
    #[must_use]
    pub fn as_str(self, extra_methods: &[String]) -> &str {
        match self {
            Self::Known(known) => known.as_str(),
            Self::Extra(index) => extra_methods.get(usize::from(index)).map_or("other", String::as_str),
            Self::Other => "other",
            Self::Unseen => "unseen",
        }
    }

    /// Whether a JSON-RPC message with this method is MCP without further evidence. `tasks/*` is not enough, because A2A has
    /// methods of the same names.
    pub(crate) fn proves_mcp(self) -> bool {
        use KnownMethod::{TasksCancel, TasksGet, TasksList, TasksResult, TasksUpdate};
        match self {
            Self::Known(known) => !matches!(known, TasksCancel | TasksGet | TasksList | TasksResult | TasksUpdate),
            _ => false,
        }
    }

    /// The list that the method requests, if its size is measured.
    pub(crate) fn list_kind(self) -> Option<ListKind> {
        match self {
            Self::Known(KnownMethod::ToolsList) => Some(ListKind::Tools),
            Self::Known(KnownMethod::PromptsList) => Some(ListKind::Prompts),
            Self::Known(KnownMethod::ResourcesList) => Some(ListKind::Resources),
            Self::Known(KnownMethod::ResourceTemplatesList) => Some(ListKind::ResourceTemplates),
            _ => None,
        }
    }

    /// Whether the method opens a stream that stays open: it counts neither as in flight nor in a histogram.
    pub(crate) fn is_listen(self) -> bool {
        self == Self::Known(KnownMethod::SubscriptionsListen)
    }
}
