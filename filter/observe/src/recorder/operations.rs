//! Start and end of an operation: the families of requests, tools, resources and prompts, and the histogram of `semconv`.

use super::Recorder;
use super::families::{
    OperationDuration, PromptGets, PromptsListed, RequestDuration, Requests, RequestsInFlight, ResourceReads,
    ResourcesListed, ToolCalls, ToolDuration, ToolRequestBytes, ToolResultBytes, ToolsListed,
};
use super::family::Labels as _;
use super::label_code::{Server, ToolName};
use super::label_texts::LabelTexts;
use super::series::Series;
use crate::host::{Metrics, SharedData};
use crate::label::{BudgetedLabel, ErrorType, KnownMethod, Method, Status};
use crate::observation::{Operation, OperationEnd};

// === impl Recorder ===

impl Recorder {
    pub(super) fn operation_started(&mut self, server_name: Server, operation: &Operation) {
        // `subscriptions/listen` stays open by design.
        if !operation.method.is_listen() {
            self.change(RequestsInFlight { server_name }, 1);
        }
    }

    pub(super) fn operation_ended(&mut self, server: Server, ended: &OperationEnd<'_>, metrics: &dyn Metrics) {
        let OperationEnd { operation, status, error_type, duration, .. } = *ended;
        let (server_name, method) = (server, operation.method);
        if server.is_other() {
            self.overflowed(BudgetedLabel::ServerName, server);
        }
        self.count(Requests { method, server_name, status, error_type }, 1);
        let duration = duration.filter(|_| !method.is_listen());
        if !method.is_listen() {
            self.change(RequestsInFlight { server_name }, -1);
        }
        if let Some(duration) = duration {
            self.observe(RequestDuration { method, server_name, status }, duration);
        }
        let tool_name = self.named_operation_ended(server, ended, metrics);
        self.client_operation_ended(server, ended, tool_name, metrics);
        if let Some(duration) = duration.filter(|_| self.config.semconv) {
            self.semconv_duration(server, ended, tool_name, duration, metrics);
        }
    }

    /// The families of single methods. Returns the tool of a `tools/call`.
    fn named_operation_ended(
        &mut self,
        server_name: Server,
        ended: &OperationEnd<'_>,
        metrics: &dyn Metrics,
    ) -> Option<ToolName> {
        let OperationEnd { operation, status, .. } = *ended;
        let Method::Known(method) = operation.method else { return None };
        let name = operation.name.as_deref();
        // A result proves that the name exists. A client that made the name up gets an error.
        let confirmed = has_result(status);
        match method {
            KnownMethod::ToolsCall => return Some(self.tool_call_ended(server_name, ended, confirmed, metrics)),
            KnownMethod::ResourcesRead => {
                let resource_uri = self.name(name, confirmed, server_name, metrics);
                self.count(ResourceReads { resource_uri, server_name, status }, 1);
            }
            KnownMethod::PromptsGet => {
                let prompt_name = self.name(name, confirmed, server_name, metrics);
                self.count(PromptGets { prompt_name, server_name, status }, 1);
            }
            KnownMethod::ToolsList => {
                self.count(ToolsListed { server_name }, 1);
                if status == Status::Unknown {
                    self.tools_list_missed(server_name, metrics);
                }
            }
            KnownMethod::ResourcesList => self.count(ResourcesListed { server_name }, 1),
            KnownMethod::PromptsList => self.count(PromptsListed { server_name }, 1),
            _ => {}
        }
        None
    }

    fn tool_call_ended(
        &mut self,
        server_name: Server,
        ended: &OperationEnd<'_>,
        confirmed: bool,
        metrics: &dyn Metrics,
    ) -> ToolName {
        let OperationEnd { operation, status, error_type, duration, answer_bytes, at, .. } = *ended;
        let tool_name = self.name(operation.name.as_deref(), confirmed, server_name, metrics);
        self.count(ToolCalls { tool_name, server_name, status, error_type }, 1);
        self.count(ToolRequestBytes { tool_name, server_name }, operation.request_bytes);
        if let Some(tool) = operation.tool {
            self.tool_called(server_name, tool.get(), at, metrics);
        }
        if let Some(duration) = duration {
            self.observe(ToolDuration { tool_name, server_name }, duration);
        }
        if let Some(bytes) = answer_bytes {
            self.observe(ToolResultBytes { tool_name, server_name }, bytes);
        }
        tool_name
    }

    /// OpenTelemetry's `mcp.server.operation.duration`. A combination of label values without room keeps only its error type and
    /// its server.
    fn semconv_duration(
        &mut self,
        server: Server,
        ended: &OperationEnd<'_>,
        tool_name: Option<ToolName>,
        duration: u64,
        metrics: &dyn Metrics,
    ) {
        let OperationEnd { operation, error_type, error_code, .. } = *ended;
        let mut labels = OperationDuration {
            method: operation.method,
            tool_name,
            // In the conventions an error of the caller has a code and no type.
            error_type: error_type.filter(|&error_type| error_type != ErrorType::InvalidRequest),
            error_code: error_code.map(|code| self.known_error_code(code, server, metrics)),
            protocol_version: operation.protocol_version,
            server_name: server,
        };
        if !self.has_semconv(labels.series(), metrics) {
            self.overflowed(BudgetedLabel::Semconv, server);
            labels = OperationDuration {
                method: Method::Other,
                tool_name: None,
                error_code: None,
                protocol_version: None,
                ..labels
            };
        }
        self.observe(labels, duration);
    }

    /// Whether the histogram of `semconv` has room for a combination of label values; the answer is the same in all workers.
    fn has_semconv(&mut self, series: Series, shared: &dyn SharedData) -> bool {
        self.stats.contains(series) || {
            let labels = LabelTexts { budgets: &self.budgets, config: &self.config }.labels(series);
            // No label value contains a line feed.
            let values = labels.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join("\n");
            !self.budgets.admit(BudgetedLabel::Semconv, &values, true, Some(shared)).overflowed
        }
    }
}

/// Whether the server did what the operation asked for, or began to.
pub(super) fn has_result(status: Status) -> bool {
    matches!(status, Status::Ok | Status::InputRequired | Status::Accepted)
}
