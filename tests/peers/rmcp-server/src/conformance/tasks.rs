//! Tools that run as tasks (the tasks extension of 2026-07-28).

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{CallToolResponse, CallToolResult, CreateTaskResult, InputResponses, JsonObject},
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use serde_json::Value;

use super::offer::{OfferedTask, result};

const TTL_MILLISECONDS: u64 = 60_000;
const POLL_MILLISECONDS: u64 = 100;

/// The arguments of the call, and the answers of earlier rounds.
pub(crate) struct Call {
    pub(crate) arguments: JsonObject,
    pub(crate) responses: InputResponses,
}

/// Starts the task and returns its handle.
pub(crate) fn start(manager: &TaskManager, offer: OfferedTask, call: Call) -> CallToolResponse {
    let options = TaskOptions::new().with_ttl_ms(TTL_MILLISECONDS).with_poll_interval_ms(POLL_MILLISECONDS);
    let task = manager.spawn(options, |context| Box::pin(async move { run(&context, &offer, &call).await }));
    CreateTaskResult::new(task).into()
}

/// Does the same work within the call, for a client without the extension.
pub(crate) async fn at_once(offer: &OfferedTask, call: &Call) -> Result<CallToolResponse, ErrorData> {
    tokio::time::sleep(duration(call)).await;
    Ok(outcome(offer, call)?.into())
}

async fn run(context: &TaskContext, offer: &OfferedTask, call: &Call) -> Result<CallToolResult, TaskExit> {
    let mut waiting = Vec::new();
    for (key, request) in &offer.asks {
        let (context, key, request) = (context.clone(), key.clone(), request.clone());
        waiting.push(tokio::spawn(async move { context.request_input(key, request).await }));
    }
    for answer in waiting {
        let answer = answer.await.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        answer?;
    }
    tokio::select! {
        () = context.cancelled() => Err(TaskExit::Cancelled),
        () = tokio::time::sleep(duration(call)) => Ok(outcome(offer, call)?),
    }
}

fn duration(call: &Call) -> Duration {
    Duration::from_secs_f64(call.arguments.get("seconds").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 60.0))
}

fn outcome(offer: &OfferedTask, call: &Call) -> Result<CallToolResult, ErrorData> {
    if let Some(error) = &offer.error {
        return Err(error.clone());
    }
    let answers = serde_json::to_string(&call.responses).unwrap_or_default();
    result(offer.answer.as_ref().unwrap_or(&Value::Null), [("answers", answers.as_str())])
}
