//! One session: runs the operations of the plan through the SDK.

use std::{error::Error, sync::atomic::Ordering};

use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams, PingRequest, ProtocolVersion,
        ReadResourceRequestParams,
    },
    service::{PeerRequestOptions, RunningService, ServiceError},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};

use crate::{Operation, Plan, Seen, handler::Handler};

pub(crate) struct Conversation {
    service: RunningService<RoleClient, Handler>,
    handler: Handler,
}

impl Conversation {
    /// Connects to a server at a URL, or to one that it starts.
    pub(crate) async fn open(plan: &Plan) -> Result<Self, Box<dyn Error>> {
        let handler = Handler::default();
        let lifecycle = match plan.mode.as_str() {
            "legacy" => ClientLifecycleMode::Initialize,
            _ => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: None,
            },
        };
        let client = handler.clone();
        let service = if let Some((program, arguments)) = plan.command.split_first() {
            let mut command = tokio::process::Command::new(program);
            command.args(arguments);
            client.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?
        } else {
            client.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(&*plan.url), lifecycle).await?
        };
        Ok(Self { service, handler })
    }

    pub(crate) async fn roots_told(&self) {
        self.handler.roots_told.notified().await;
    }

    pub(crate) async fn run(&self, operation: Operation) -> Result<Seen, Box<dyn Error>> {
        let told_before = self.handler.progress.load(Ordering::SeqCst);
        let done = if operation.cancel { self.cancelled_call(&operation).await } else { self.call(&operation).await };
        let outcome = match done {
            Ok(outcome) => outcome.to_owned(),
            Err(ServiceError::McpError(error)) => format!("rpc {}", error.code.0),
            Err(other) => return Err(other.into()),
        };
        // This SDK sends a progress token with every call, even if the caller wants no progress.
        let progress = self.handler.progress.load(Ordering::SeqCst) - told_before;
        Ok(Seen { method: operation.method, name: operation.name, outcome, progress })
    }

    pub(crate) async fn call(&self, operation: &Operation) -> Result<&'static str, ServiceError> {
        let name = operation.name.clone();
        match operation.method.as_str() {
            "ping" => self.service.send_request(ClientRequest::PingRequest(PingRequest::default())).await.map(drop)?,
            "tools/list" => self.service.list_tools(None).await.map(drop)?,
            "resources/list" => self.service.list_resources(None).await.map(drop)?,
            "resources/templates/list" => self.service.list_resource_templates(None).await.map(drop)?,
            "prompts/list" => self.service.list_prompts(None).await.map(drop)?,
            "resources/read" => {
                self.service.read_resource(ReadResourceRequestParams::new(name)).await.map(drop)?;
            }
            "prompts/get" => {
                let request = GetPromptRequestParams::new(name).with_arguments(operation.arguments.clone());
                self.service.get_prompt(request).await.map(drop)?;
            }
            _ => {
                let result = self.service.call_tool(parameters(operation)).await?;
                return Ok(if result.is_error == Some(true) { "tool_error" } else { "ok" });
            }
        }
        Ok("ok")
    }

    /// Starts a call, waits until it has arrived, and cancels it.
    async fn cancelled_call(&self, operation: &Operation) -> Result<&'static str, ServiceError> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(parameters(operation)));
        let running = self.service.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        if operation.progress {
            self.handler.progressed.notified().await;
        } else {
            // The server does not confirm that the call has arrived. A ping that was sent after it has a response.
            self.service.send_request(ClientRequest::PingRequest(PingRequest::default())).await?;
        }
        running.cancel(Some("no longer needed".to_owned())).await?;
        Ok("cancelled")
    }

    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        self.service.cancel().await?;
        Ok(())
    }
}

fn parameters(operation: &Operation) -> CallToolRequestParams {
    CallToolRequestParams::new(operation.name.clone()).with_arguments(operation.arguments.clone())
}
