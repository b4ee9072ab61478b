//! The tools, resources and prompts of the server, from `conformance.json`, which the Python server reads too.

use std::collections::BTreeMap;

use rmcp::model::{
    CallToolResult, ErrorData, InputRequest, InputRequests, Prompt, PromptMessage, Resource, ResourceContents,
    ResourceTemplate, ResultType, Tool,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

const FILE: &str = include_str!("../../../conformance.json");

#[derive(Clone, Deserialize)]
pub(crate) struct Offer {
    pub(crate) tools: Vec<OfferedTool>,
    pub(crate) resources: Vec<OfferedResource>,
    pub(crate) templates: Vec<OfferedTemplate>,
    pub(crate) prompts: Vec<OfferedPrompt>,
}

/// A tool. It responds at once, after a server request, after some other behaviour, or as a task.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferedTool {
    pub(crate) definition: Tool,
    pub(crate) answer: Option<Value>,
    pub(crate) asks: Option<Value>,
    #[serde(default)]
    pub(crate) rounds: Vec<InputRequests>,
    #[serde(default)]
    pub(crate) keeps_state: bool,
    pub(crate) behaviour: Option<String>,
    pub(crate) task: Option<OfferedTask>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OfferedTask {
    /// Whether a client without the tasks extension is refused.
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) asks: BTreeMap<String, InputRequest>,
    pub(crate) answer: Option<Value>,
    pub(crate) error: Option<ErrorData>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OfferedResource {
    pub(crate) definition: Resource,
    pub(crate) contents: ResourceContents,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OfferedTemplate {
    pub(crate) definition: ResourceTemplate,
    pub(crate) contents: Value,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OfferedPrompt {
    pub(crate) definition: Prompt,
    pub(crate) messages: Value,
    #[serde(default)]
    pub(crate) rounds: Vec<InputRequests>,
}

impl Offer {
    pub(crate) fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(FILE)
    }

    pub(crate) fn tool(&self, name: &str) -> Result<&OfferedTool, ErrorData> {
        let tool = self.tools.iter().find(|tool| tool.definition.name == name);
        tool.ok_or_else(|| ErrorData::invalid_params(format!("unknown tool {name}"), None))
    }

    pub(crate) fn resource(&self, uri: &str) -> Result<ResourceContents, ErrorData> {
        if let Some(found) = self.resources.iter().find(|resource| resource.definition.uri == uri) {
            return Ok(found.contents.clone());
        }
        for template in &self.templates {
            let parts = template.definition.uri_template.split_once("{id}");
            let id = parts.and_then(|(before, after)| uri.strip_prefix(before)?.strip_suffix(after));
            if let Some(id) = id {
                return filled(&template.contents, [("id", id)]);
            }
        }
        Err(ErrorData::invalid_params("no such resource", Some(serde_json::json!({ "uri": uri }))))
    }

    pub(crate) fn prompt(&self, name: &str) -> Result<&OfferedPrompt, ErrorData> {
        let prompt = self.prompts.iter().find(|prompt| prompt.definition.name == name);
        prompt.ok_or_else(|| ErrorData::invalid_params(format!("unknown prompt {name}"), None))
    }
}

impl OfferedPrompt {
    pub(crate) fn messages<'a>(
        &self,
        words: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        filled(&self.messages, words)
    }
}

/// The result of a tool, with every `{name}` replaced.
pub(crate) fn result<'a>(
    answer: &Value,
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<CallToolResult, ErrorData> {
    let mut result: CallToolResult = filled(answer, words)?;
    // The file has no value. The SDK removes it in protocol versions that do not have it.
    result.result_type = Some(ResultType::COMPLETE);
    Ok(result)
}

/// Returns the value with every `{name}` in its texts replaced.
pub(crate) fn filled<'a, T: DeserializeOwned>(
    value: &Value,
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<T, ErrorData> {
    let mut text = value.to_string();
    for (name, word) in words {
        let quoted = Value::from(word).to_string();
        text = text.replace(&format!("{{{name}}}"), quoted.trim_matches('"'));
    }
    serde_json::from_str(&text).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
