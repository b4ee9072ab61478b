//! What tools do while a call is open: send server requests, log messages and progress.

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

/// The pause between two notifications, so that clients receive them separately.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends a server request on the stream of the call (up to 2025-11-25).
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

/// Sends three log messages; since 2026-07-28 only if the request asks for them.
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
