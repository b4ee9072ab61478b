//! A tool that needs the client's model: up to 2025-11-25 by a server request on the call's stream, since 2026-07-28 by a result of
//! type `input_required`, after which the client repeats the call.

// Sampling is deprecated since 2026-07-28 and still in use.
#![allow(deprecated)]

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResponse, CallToolResult, ContentBlock, CreateMessageRequest, CreateMessageRequestParams, InputRequest,
        InputRequests, InputRequiredResult, ProtocolVersion, SamplingMessage,
    },
    service::RequestContext,
};

const LONGEST_ANSWER: u32 = 10;

pub(crate) async fn ask_model(
    text: &str,
    answered: bool,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let question = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(text)], LONGEST_ANSWER);
    if context.protocol_version() < Some(ProtocolVersion::V_2026_07_28) {
        let answer = context.peer.create_message(question).await;
        let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        return Ok(CallToolResult::success(vec![ContentBlock::text(answer.model)]).into());
    }
    if answered {
        return Ok(CallToolResult::success(vec![ContentBlock::text("thanks")]).into());
    }
    let mut requests = InputRequests::new();
    requests.insert("question".to_owned(), InputRequest::CreateMessage(CreateMessageRequest::new(question)));
    Ok(InputRequiredResult::new(Some(requests), None).into())
}
