//! Calls of which some are refused: what the SDK's caller sees. `tests/e2e/drivers/refused.py` describes steps and output.

use std::{error::Error, time::Duration};

use rmcp::{
    service::ServiceError,
    transport::streamable_http_client::{HttpStatusError, StreamableHttpError},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Operation, Plan, conversation::Conversation};

const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Call { call: String, arguments: Map<String, Value> },
    Wait { wait: f64 },
}

pub(crate) async fn run(plan: &Plan) -> Result<Value, Box<dyn Error>> {
    let conversation = Conversation::open(plan).await?;
    let mut seen = Vec::new();
    for step in plan.steps.clone() {
        match step {
            Step::Wait { wait } => tokio::time::sleep(Duration::from_secs_f64(wait)).await,
            Step::Call { call, arguments } => {
                let method = "tools/call".to_owned();
                let operation = Operation { method, name: call, arguments, progress: false, cancel: false };
                seen.push(match tokio::time::timeout(PATIENCE, conversation.call(&operation)).await {
                    Err(_) => json!({"outcome": "hangs"}),
                    Ok(Err(error)) => describe(&error),
                    Ok(Ok(outcome)) => json!({"outcome": outcome}),
                });
            }
        }
    }
    conversation.close().await?;
    Ok(Value::Array(seen))
}

/// `http_status` and `retry_after` are in the error of the transport, behind the caller's.
fn describe(error: &ServiceError) -> Value {
    let (kind, code, data) = match error {
        ServiceError::McpError(error) => ("McpError", Some(error.code.0), error.data.clone()),
        ServiceError::TransportSend(_) => ("TransportSend", None, None),
        _ => ("ServiceError", None, None),
    };
    let http = http_status(error);
    json!({
        "outcome": "error",
        "type": kind,
        "text": error.to_string(),
        "code": code,
        "data": data,
        "http_status": http.map(|error| error.status),
        "retry_after": http.and_then(|error| error.retry_after.clone()),
    })
}

fn http_status(error: &ServiceError) -> Option<&HttpStatusError> {
    let ServiceError::TransportSend(sent) = error else { return None };
    match sent.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::HttpStatus(status)) => Some(status),
        _ => None,
    }
}
