//! The server: a tool for every outcome, one resource, one prompt.

use std::{sync::Arc, time::Duration};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, GetPromptRequestParams,
        GetPromptResponse, GetPromptResult, JsonObject, ListPromptsResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptArgument, PromptMessage,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::json;

use crate::asking::ask_model;

const RESOURCE: &str = "notes://today";
const PROMPT: &str = "summary";
const PROGRESS_STEPS: u32 = 3;
const BIG_RESULT_BYTES: usize = 200_000;

/// The handler of all sessions, without state.
#[derive(Clone, Copy)]
pub(crate) struct TestServer;

type Context = RequestContext<RoleServer>;

impl ServerHandler for TestServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = [
            ("echo", "Answers with the text it was given"),
            ("slow", "Answers after `milliseconds`"),
            ("fails", "Answers with isError"),
            ("refused", "Answers with JSON-RPC error -32000"),
            ("big", "Answers with a large text"),
            ("progress", "Sends progress notifications, then answers"),
            ("waits", "Sends one progress notification, then waits until it is cancelled"),
            ("ask_model", "Asks the client's model, in the way of the revision"),
        ];
        Ok(ListToolsResult::with_all_items(tools.map(|(name, about)| tool(name, about)).to_vec()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = match request.name.as_ref() {
            "echo" => arguments.get("text").and_then(|text| text.as_str()).unwrap_or("").to_owned(),
            "slow" => {
                let wait = arguments.get("milliseconds").and_then(|wait| wait.as_u64());
                tokio::time::sleep(Duration::from_millis(wait.unwrap_or(0))).await;
                "late".to_owned()
            }
            "fails" => {
                let reason = vec![ContentBlock::text("this tool always fails")];
                return Ok(CallToolResult::error(reason).into());
            }
            "refused" => {
                return Err(ErrorData::new(ErrorCode(-32000), "this tool is refused", None));
            }
            "big" => "x".repeat(BIG_RESULT_BYTES),
            "progress" => {
                report_progress(&context, PROGRESS_STEPS).await?;
                "done".to_owned()
            }
            "waits" => {
                report_progress(&context, 1).await?;
                context.ct.cancelled().await;
                "never".to_owned()
            }
            "ask_model" => {
                let text = arguments.get("text").and_then(|text| text.as_str()).unwrap_or("");
                return ask_model(text, request.input_responses.is_some(), &context).await;
            }
            unknown => {
                return Err(ErrorData::invalid_params(format!("unknown tool {unknown}"), None));
            }
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(RESOURCE, "today")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != RESOURCE {
            return Err(ErrorData::resource_not_found("no such resource", None));
        }
        let text = ResourceContents::text("a quiet day", RESOURCE);
        Ok(ReadResourceResult::new(vec![text]).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let argument = PromptArgument::new("topic").with_required(false);
        let prompt = Prompt::new(PROMPT, Some("Asks for a summary"), Some(vec![argument]));
        Ok(ListPromptsResult::with_all_items(vec![prompt]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != PROMPT {
            return Err(ErrorData::invalid_params("no such prompt", None));
        }
        let message = PromptMessage::new_text(Role::User, "Summarise the day.");
        Ok(GetPromptResult::new(vec![message]).into())
    }
}

fn tool(name: &'static str, about: &'static str) -> Tool {
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), json!("object"));
    Tool::new(name, about, Arc::new(schema))
}

async fn report_progress(context: &Context, steps: u32) -> Result<(), ErrorData> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(());
    };
    for step in 1..=steps {
        let progress =
            ProgressNotificationParam::new(token.clone(), f64::from(step)).with_total(f64::from(PROGRESS_STEPS));
        context
            .peer
            .notify_progress(progress)
            .await
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    }
    Ok(())
}
