//! What tools do while their call is open: ask the client, log, report progress.

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{
        CallToolResponse, CallToolResult, ContentBlock, ElicitRequest, InputRequest, LoggingLevel,
        LoggingMessageNotificationParam, ProgressNotificationParam,
    },
    service::ServiceError,
};
use serde_json::Value;

use super::Context;

/// Between two notifications, that a client can tell them apart.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks the client in a request of our own, on the stream of the call (until 2025-11-25).
pub(crate) async fn ask(context: &Context, question: InputRequest) -> Result<CallToolResponse, ErrorData> {
    let answer = match question {
        InputRequest::Elicitation(ElicitRequest { params, .. }) => {
            context.peer.create_elicitation(params).await.map(|answer| serde_json::to_string(&answer))
        }
        InputRequest::CreateMessage(request) => {
            context.peer.create_message(request.params).await.map(|answer| serde_json::to_string(&answer))
        }
        _ => return Err(ErrorData::internal_error("conformance.json: a question that no client is asked", None)),
    };
    let answer = answer.map_err(broken)?.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(text(answer))
}

/// Logs three times; since 2026-07-28 only where the request asks for it.
pub(crate) async fn log(context: &Context) -> Result<(), ServiceError> {
    let wanted = context.meta.protocol_version().is_none() || context.meta.log_level().is_some();
    for step in ["started", "going on", "done"] {
        if wanted {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, Value::from(step));
            context.peer.notify_logging_message(message).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

pub(crate) async fn progress(context: &Context) -> Result<(), ServiceError> {
    for step in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let step = ProgressNotificationParam::new(token, step).with_total(100.0);
            context.peer.notify_progress(step).await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

pub(crate) fn broken(error: ServiceError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

pub(crate) fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}
