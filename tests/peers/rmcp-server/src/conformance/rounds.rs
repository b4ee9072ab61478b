//! Questions to the client in `input_required` results (since 2026-07-28), until all were answered.

use rmcp::{
    ErrorData,
    model::{
        ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses, RequestStateCodec,
        RootsCapabilities, SamplingCapability,
    },
};
use serde_json::Value;

/// The members that a repeated request adds.
pub(crate) struct Retry {
    pub(crate) responses: Option<InputResponses>,
    pub(crate) state: Option<String>,
}

/// The questions of the next round; `None` after all rounds were answered.
pub(crate) fn next_round(
    rounds: &[InputRequests],
    retry: Retry,
    declared: &ClientCapabilities,
    keeper: Option<&RequestStateCodec>,
) -> Result<Option<InputRequiredResult>, ErrorData> {
    let mut number: usize = match (keeper, &retry.state) {
        (Some(keeper), Some(state)) => keeper
            .open_json(state)
            .map_err(|error| ErrorData::invalid_params(format!("requestState: {error}"), None))?,
        _ => 0,
    };
    let Some(due) = rounds.get(number) else { return Ok(None) };
    if answered(due, &retry.responses.unwrap_or_default())? {
        number += 1;
    }
    let Some(due) = rounds.get(number) else { return Ok(None) };
    let able: InputRequests =
        due.iter().filter(|(_, ask)| can_answer(declared, ask)).map(|(key, ask)| (key.clone(), ask.clone())).collect();
    if able.is_empty() {
        return Err(ErrorData::missing_required_client_capability(needed(due)));
    }
    let sealed = keeper.map(|keeper| keeper.seal_json(&number)).transpose();
    let state = sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(Some(InputRequiredResult::new(Some(able), state)))
}

/// Whether every question has an answer. An answer that is not an object is refused.
fn answered(asked: &InputRequests, responses: &InputResponses) -> Result<bool, ErrorData> {
    if let Some((key, _)) = responses.iter().find(|(_, response)| !matches!(response, Value::Object(_))) {
        return Err(ErrorData::invalid_params(format!("inputResponses: {key} is not an object"), None));
    }
    Ok(asked.keys().all(|key| responses.contains_key(key)))
}

fn can_answer(declared: &ClientCapabilities, ask: &InputRequest) -> bool {
    match ask {
        InputRequest::Elicitation(_) => declared.elicitation.is_some(),
        InputRequest::CreateMessage(_) => declared.sampling.is_some(),
        InputRequest::ListRoots(_) => declared.roots.is_some(),
        _ => false,
    }
}

fn needed(asked: &InputRequests) -> ClientCapabilities {
    let mut needed = ClientCapabilities::default();
    for ask in asked.values() {
        match ask {
            InputRequest::Elicitation(_) => needed.elicitation = Some(Default::default()),
            InputRequest::CreateMessage(_) => needed.sampling = Some(SamplingCapability::default()),
            InputRequest::ListRoots(_) => needed.roots = Some(RootsCapabilities::default()),
            _ => {}
        }
    }
    needed
}
