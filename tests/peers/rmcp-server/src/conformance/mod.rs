//! A server for the MCP conformance suite, with all protocol versions.
//!
//! `conformance.json` lists its tools, resources and prompts; this module has the behaviour of each kind of tool. The only state
//! is the tasks. All sessions share them, because 2026-07-28 has no sessions.

#![expect(deprecated, reason = "the suite asks for what 2026-07-28 calls deprecated: logging, sampling, subscriptions")]

mod behaviour;
mod offer;
mod rounds;
mod tasks;

use std::{error::Error, sync::Arc, time::Duration};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities, CompleteRequestParams,
        CompleteResult, CompletionInfo, GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams,
        GetTaskResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, RequestStateCodec,
        ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
    task_manager::TaskManager,
    transport::streamable_http_server::session::local::LocalSessionManager,
};
use serde_json::Value;
use tokio::sync::broadcast;

use behaviour::{ask, broken, log, progress, text};
use offer::{Offer, OfferedTool, filled, result};
use rounds::{Retry, next_round};
use tasks::Call;

const STATE_KEY: [u8; 32] = *b"a key that guards only test data";
const RETRY: Duration = Duration::from_millis(100);
/// Time for the client to resume the stream: the SDK does not deliver a response that was ready before.
const AWAY: Duration = Duration::from_millis(500);
const MOST_STREAMS: u64 = 1000;

type Context = RequestContext<RoleServer>;

#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

/// The handler, which is cloned for every session.
#[derive(Clone)]
pub(crate) struct ConformanceServer {
    offer: Arc<Offer>,
    tasks: TaskManager,
    changes: broadcast::Sender<Change>,
    keeper: RequestStateCodec,
    sessions: Arc<LocalSessionManager>,
}

impl ConformanceServer {
    pub(crate) fn new(sessions: Arc<LocalSessionManager>) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            offer: Arc::new(Offer::read()?),
            tasks: TaskManager::new(),
            changes: broadcast::channel(16).0,
            keeper: RequestStateCodec::try_new(STATE_KEY)?,
            sessions,
        })
    }

    async fn behave(&self, behaviour: &str, context: &Context) -> Result<(), ErrorData> {
        match behaviour {
            "log" => log(context).await.map_err(broken),
            "progress" => progress(context).await.map_err(broken),
            "reconnection" => self.end_stream(context).await,
            "tools_changed" => self.changed(Change::Tools),
            "prompts_changed" => self.changed(Change::Prompts),
            other => Err(ErrorData::internal_error(format!("conformance.json: unknown behaviour {other}"), None)),
        }
    }

    /// It is no error if no client listens.
    fn changed(&self, change: Change) -> Result<(), ErrorData> {
        self.changes.send(change).ok();
        Ok(())
    }

    /// Closes the event stream of this call, the newest of its session. The response comes on the stream that resumes it.
    async fn end_stream(&self, context: &Context) -> Result<(), ErrorData> {
        let head = context.extensions.get::<Parts>();
        let id = head.and_then(|head| head.headers.get("mcp-session-id")?.to_str().ok());
        let session = match id {
            Some(id) => self.sessions.sessions.read().await.get(id).cloned(),
            None => None,
        };
        if let Some(session) = session {
            for stream in (0..MOST_STREAMS).rev() {
                if session.close_sse_stream(stream, Some(RETRY)).await.is_ok() {
                    break;
                }
            }
        }
        tokio::time::sleep(AWAY).await;
        Ok(())
    }
}

impl ServerHandler for ConformanceServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tasks()
            .enable_tools()
            .enable_tool_list_changed();
        ServerConfig::new(capabilities.build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.offer.tools.iter().map(|tool| tool.definition.clone());
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.offer.tool(name).ok().map(|tool| tool.definition.clone())
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        let tool = self.offer.tool(&request.name)?.clone();
        let arguments = request.arguments.unwrap_or_default();
        if let Some(answer) = tool.answer {
            return Ok(result(&answer, texts(&arguments))?.into());
        }
        if let Some(question) = tool.asks {
            return ask(&context, filled(&question, texts(&arguments))?).await;
        }
        if let Some(behaviour) = tool.behaviour {
            self.behave(&behaviour, &context).await?;
        }
        let declared = context.client_capabilities().unwrap_or_default();
        let responses = request.input_responses.clone().unwrap_or_default();
        let OfferedTool { task, rounds, keeps_state, .. } = tool;
        if task.as_ref().is_some_and(|task| task.required) && !declared.supports_tasks() {
            let needed = ClientCapabilities::builder().enable_tasks().build();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        let retry = Retry { responses: request.input_responses, state: request.request_state };
        if let Some(questions) = next_round(&rounds, retry, &declared, keeps_state.then_some(&self.keeper))? {
            return Ok(questions.into());
        }
        let call = Call { arguments, responses };
        match task {
            Some(task) if declared.supports_tasks() => Ok(tasks::start(&self.tasks, task, call)),
            Some(task) => tasks::at_once(&task, &call).await,
            None => Ok(text("Done.")),
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = self.offer.resources.iter().map(|resource| resource.definition.clone());
        Ok(ListResourcesResult::with_all_items(resources.collect()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.offer.templates.iter().map(|template| template.definition.clone());
        Ok(ListResourceTemplatesResult::with_all_items(templates.collect()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(ReadResourceResult::new(vec![self.offer.resource(&request.uri)?]).into())
    }

    async fn subscribe(&self, _request: SubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _request: UnsubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // The SDK drops notifications to which the client did not subscribe, and returns an error.
            let sink = context.sink();
            match change {
                Ok(Change::Tools) => sink.notify_tool_list_changed().await.ok(),
                Ok(Change::Prompts) => sink.notify_prompt_list_changed().await.ok(),
                Err(_) => return Ok(()),
            };
        }
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self.offer.prompts.iter().map(|prompt| prompt.definition.clone());
        Ok(ListPromptsResult::with_all_items(prompts.collect()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompt = self.offer.prompt(&request.name)?;
        let declared = context.client_capabilities().unwrap_or_default();
        let retry = Retry { responses: request.input_responses, state: request.request_state };
        if let Some(questions) = next_round(&prompt.rounds, retry, &declared, None)? {
            return Ok(questions.into());
        }
        let arguments = request.arguments.unwrap_or_default();
        Ok(GetPromptResult::new(prompt.messages(texts(&arguments))?).into())
    }

    async fn complete(&self, request: CompleteRequestParams, _context: Context) -> Result<CompleteResult, ErrorData> {
        let all = ["paris", "park", "party"].into_iter().filter(|value| value.starts_with(&request.argument.value));
        let values = CompletionInfo::with_all_values(all.map(str::to_owned).collect());
        Ok(CompleteResult::new(values.map_err(|error| ErrorData::internal_error(error, None))?))
    }

    async fn set_level(&self, _request: SetLevelRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn get_task(&self, request: GetTaskParams, _context: Context) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(&self, request: UpdateTaskParams, _context: Context) -> Result<(), ErrorData> {
        self.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _context: Context) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }
}

fn texts(arguments: &serde_json::Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    arguments.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}
