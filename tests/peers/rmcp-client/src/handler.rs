//! The client's responses to server requests, and its record of notifications.

// Sampling and roots are deprecated since 2026-07-28 and still in use.
#![allow(deprecated)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitationCapability,
        ErrorCode, ErrorData, Implementation, ListRootsResult, ProgressNotificationParam, Root, RootsCapabilities,
        SamplingCapability, SamplingMessage,
    },
    service::{NotificationContext, RequestContext},
};
use tokio::sync::Notify;

/// Counts and signals for the driver. Elicitations are declined, which is the SDK's default.
#[derive(Clone, Default)]
pub(crate) struct Handler {
    pub(crate) progress: Arc<AtomicUsize>,
    pub(crate) progressed: Arc<Notify>,
    pub(crate) roots_told: Arc<Notify>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = Some(SamplingCapability::default());
        capabilities.roots = Some(RootsCapabilities::default());
        capabilities.elicitation = Some(ElicitationCapability::default());
        ClientConfig::new(capabilities, Implementation::new("e2e", "1"))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let question = serde_json::to_string(&params.messages).unwrap_or_default();
        if question.contains("refuse") {
            return Err(ErrorData::new(ErrorCode(-1), "this model is refused", None));
        }
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("an answer"), "m".to_owned()))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        self.roots_told.notify_one();
        Ok(ListRootsResult::new(vec![Root::new("file:///here")]))
    }

    async fn on_progress(&self, _params: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.progress.fetch_add(1, Ordering::SeqCst);
        self.progressed.notify_one();
    }
}
