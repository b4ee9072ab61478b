//! Observations in, series out: the only place that knows which family counts what.
//!
//! Names become label values here, under their budgets. Series that alerts and dashboards build on exist at 0 before
//! their first event ([`born`]), because a counter that is born at 1 never shows in `increase()`.

mod budget;
mod budgets;
mod catalogue;
pub(crate) mod families;
mod initial;
mod lists;
mod names;
mod published;
mod series;
mod stats;

use crate::config::{Availability, Config, ServerNameFrom, clean_server_name};
use crate::host::{Metrics, SharedData};
use crate::label::Method;
use crate::label::resource;
use crate::label::{BudgetedLabel, Direction, ErrorType, KnownMethod, SkipReason, Status};
use crate::observation::{Ended, Observation, Session};
use crate::recorder::budget::Name;
use crate::recorder::families::FamilyName;
use budgets::Budgets;
use lists::Lists;
use rustc_hash::FxHashSet;
use series::{Series, Value};
use stats::Stats;
use std::rc::Rc;

/// Which server an exchange belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Server(Name);

/// Turns observations into stats, for one plugin in one VM.
#[derive(Debug)]
pub struct Recorder {
    config: Rc<Config>,
    stats: Stats,
    names: Budgets,
    lists: Lists,
    /// With many servers: which names have their first series on which.
    born: FxHashSet<(BudgetedLabel, Name, Server)>,
}

// === impl Recorder ===

impl Recorder {
    /// With nothing recorded but `mcp_filter_info` and, where the server is known, its series at 0.
    #[must_use]
    pub fn new(config: Rc<Config>) -> Self {
        let namespace = budgets::namespace(&config);
        let names = Budgets::new(&config, &namespace);
        let lists = Lists::new(namespace);
        let mut recorder = Self { config, stats: Stats::default(), names, lists, born: FxHashSet::default() };
        recorder.stats.set(FamilyName::FilterInfo, &[Value::FilterVersion], 1);
        if recorder.config.server_name_from != ServerNameFrom::Cluster {
            let name = recorder.config.server_name.clone();
            recorder.server(name.as_bytes());
        }
        recorder
    }

    /// The server with this name; characters outside `A-Za-z0-9_.-` become `_`.
    pub fn server(&mut self, name: &[u8]) -> Server {
        let admission = self.names.servers.admit(&clean_server_name(name), true, None);
        let server = Server(admission.name);
        if admission.is_new {
            let stats = &mut self.stats;
            initial::of_server(server.value(), &self.config, &mut |family, values| stats.add(family, values, 0));
        }
        server
    }

    /// Counts one observation of an exchange with `server`.
    pub fn record(&mut self, server: Server, observation: &Observation<'_>, metrics: &dyn Metrics) {
        use FamilyName as F;
        let to = server.value();
        match *observation {
            Observation::StreamSeen => self.add(F::FilterStreams, &[to], 1),
            Observation::ExchangeOpened => self.add(F::ActiveConnections, &[to], 1),
            Observation::ExchangeClosed => self.add(F::ActiveConnections, &[to], -1),
            Observation::EventStreamOpened => self.add(F::SseStreamsActive, &[to], 1),
            Observation::EventStreamClosed => self.add(F::SseStreamsActive, &[to], -1),
            Observation::StreamOpened(status) => self.add(F::StreamOpens, &[Value::StreamOpen(status), to], 1),
            Observation::OperationStarted(operation) => {
                if !operation.method.is_listen() {
                    self.add(F::RequestsInFlight, &[to], 1);
                }
            }
            // A gauge that another VM lowers before this one has raised it would pass below zero.
            Observation::OperationsShared => self.flush_one(F::RequestsInFlight, &[to], metrics),
            Observation::OperationEnded(ended) => self.operation_ended(server, &ended, metrics),
            Observation::FirstEvent { method, microseconds } => {
                self.histogram(F::FirstEventDuration, &[Value::Method(method), to], microseconds, metrics);
            }
            Observation::Notification { method, direction } => {
                self.add(F::Notifications, &[Value::Method(method), Value::Direction(direction), to], 1);
            }
            Observation::ProtocolError { code, method } => {
                let code = self.error_code(code, server, metrics);
                let method = method.map_or(Value::NoMethod, Value::Method);
                self.add(F::ProtocolErrors, &[code, method, to], 1);
            }
            Observation::Bytes { direction, bytes } => {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                self.add(F::MessageBytes, &[Value::Direction(direction), to], bytes);
            }
            Observation::SessionStarted(session) => self.session_started(server, session, metrics),
            Observation::SessionActive(transport) => {
                let values = [Value::Transport(transport), to];
                self.add(F::SessionsActive, &values, 1);
                // As with operations: another VM may lower it from now on.
                self.flush_one(F::SessionsActive, &values, metrics);
            }
            Observation::SessionInactive(transport) => {
                self.add(F::SessionsActive, &[Value::Transport(transport), to], -1);
            }
            Observation::SessionEnded { microseconds } => {
                self.histogram(F::SessionDuration, &[to], microseconds, metrics);
            }
            Observation::ServerRequestEnded { method, status, duration } => {
                let method = Value::Method(method);
                self.add(F::ServerRequests, &[method, to, Value::ServerRequest(status)], 1);
                if let Some(duration) = duration {
                    self.histogram(F::ServerRequestDuration, &[method, to], duration, metrics);
                }
            }
            Observation::TaskEnded { tool, status } => {
                // The call that began it was counted under the same name, and has told an overflow.
                let label = BudgetedLabel::ToolName;
                let name = tool.map_or(Name::Other, |tool| self.place(label, tool, true, server, metrics).name);
                let tool = Value::Name(label, name);
                self.add(F::Tasks, &[tool, Value::Task(status), to], 1);
            }
            Observation::Unmatched(reason) => self.add(F::Unmatched, &[Value::Unmatched(reason), to], 1),
            Observation::HeaderMismatch(header) => self.add(F::HeaderMismatch, &[Value::Mirror(header), to], 1),
            Observation::Skipped { direction, reason } => self.skipped(direction, reason, to),
            Observation::Listed { method, items, bytes } => {
                self.stats.set(F::ListedItems, &[Value::Method(method), to], items);
                self.stats.set(F::ListedBytes, &[Value::Method(method), to], bytes);
            }
            Observation::Published { method, protocol_version, page } => {
                self.published(server, method, protocol_version, &page, metrics)
            }
            Observation::Reachable(reachable) => {
                if self.config.availability == Availability::Passive {
                    self.stats.set(F::UpstreamAvailable, &[to], reachable.into());
                }
            }
        }
    }

    /// Hands counters and gauges to the host; names that found no room may ask again.
    pub fn flush(&mut self, metrics: &dyn Metrics) {
        self.names.tick();
        let Self { config, stats, names, .. } = self;
        stats.flush(|series| series.stat_name(names, config), metrics);
    }

    fn flush_one(&mut self, family: FamilyName, values: &[Value], metrics: &dyn Metrics) {
        let Self { config, stats, names, .. } = self;
        stats.flush_one(family, values, |series| series.stat_name(names, config), metrics);
    }

    fn add(&mut self, family: FamilyName, values: &[Value], amount: i64) {
        self.stats.add(family, values, amount);
    }

    fn histogram(&mut self, family: FamilyName, values: &[Value], value: u64, metrics: &dyn Metrics) {
        let Self { config, stats, names, .. } = self;
        stats.record(family, values, value, |series| series.stat_name(names, config), metrics);
    }

    fn skipped(&mut self, direction: Direction, reason: SkipReason, to: Value) {
        self.add(FamilyName::ParseSkipped, &[Value::Direction(direction), Value::Reason(reason), to], 1);
    }

    fn operation_ended(&mut self, server: Server, ended: &Ended<'_>, metrics: &dyn Metrics) {
        use FamilyName as F;
        let Ended { operation, status, error_type, error_code, duration, answer_bytes } = *ended;
        if server.0 == Name::Other {
            self.overflowed(BudgetedLabel::ServerName, server);
        }
        let (to, method) = (server.value(), Value::Method(operation.method));
        let (status_value, error_value) = (Value::Status(status), Value::ErrorType(error_type));
        if !operation.method.is_listen() {
            self.add(F::RequestsInFlight, &[to], -1);
        }
        self.add(F::Requests, &[method, to, status_value, error_value], 1);
        let duration = duration.filter(|_| !operation.method.is_listen());
        if let Some(duration) = duration {
            self.histogram(F::RequestDuration, &[method, to, status_value], duration, metrics);
        }
        let Method::Known(known) = operation.method else { return self.joint(server, ended, Value::NoName, metrics) };
        // A result proves that the name exists; an error may be the answer to a name that was made up.
        let confirmed = matches!(status, Status::Ok | Status::InputRequired | Status::Accepted);
        let name = operation.name.as_deref();
        match known {
            KnownMethod::ToolsCall => {
                let tool = self.name(BudgetedLabel::ToolName, name, confirmed, server, metrics);
                self.add(F::ToolCalls, &[tool, to, status_value, error_value], 1);
                if let Some(duration) = duration {
                    self.histogram(F::ToolDuration, &[tool, to], duration, metrics);
                }
                if let Some(bytes) = answer_bytes {
                    self.histogram(F::ToolResultBytes, &[tool, to], bytes, metrics);
                }
                return self.joint(server, &Ended { error_code, ..*ended }, tool, metrics);
            }
            KnownMethod::ResourcesRead => {
                let resource = self.name(BudgetedLabel::ResourceUri, name, confirmed, server, metrics);
                self.add(F::ResourceReads, &[resource, to, status_value], 1);
            }
            KnownMethod::PromptsGet => {
                let prompt = self.name(BudgetedLabel::PromptName, name, confirmed, server, metrics);
                self.add(F::PromptGets, &[prompt, to, status_value], 1);
            }
            KnownMethod::ToolsList => self.add(F::ToolsListed, &[to], 1),
            KnownMethod::ResourcesList => self.add(F::ResourcesListed, &[to], 1),
            KnownMethod::PromptsList => self.add(F::PromptsListed, &[to], 1),
            _ => {}
        }
        self.joint(server, ended, Value::NoName, metrics);
    }

    /// The joint labels behind OpenTelemetry's `mcp.server.operation.duration`. What finds no room among them is told apart by its
    /// outcome alone.
    fn joint(&mut self, server: Server, ended: &Ended<'_>, tool: Value, metrics: &dyn Metrics) {
        let Ended { operation, error_type, error_code, duration, .. } = *ended;
        let Some(duration) = duration.filter(|_| self.config.semconv && !operation.method.is_listen()) else { return };
        let code = error_code.map_or(Value::NoName, |code| self.known_error_code(code, server, metrics));
        let protocol_version = operation.protocol_version.map_or(Value::NoName, Value::ProtocolVersion);
        // The conventions hold these for the caller's fault: only the code is set.
        let error_type = error_type.filter(|&error_type| error_type != ErrorType::InvalidRequest);
        let (error_type, to) = (Value::ErrorType(error_type), server.value());
        let mut values = [Value::Method(operation.method), tool, error_type, code, protocol_version, to];
        if !self.has_joint(&values, metrics) {
            self.overflowed(BudgetedLabel::Joint, server);
            values = [Value::Method(Method::Other), Value::NoName, error_type, Value::NoName, Value::NoName, to];
        }
        self.histogram(FamilyName::OperationDuration, &values, duration, metrics);
    }

    /// Whether these labels have a place in the joint histogram, the same on all workers.
    fn has_joint(&mut self, values: &[Value], shared: &dyn SharedData) -> bool {
        let family = FamilyName::OperationDuration;
        if self.stats.has(family, values) {
            return true;
        }
        let text = Series::new(family, values).stat_name(&self.names, &self.config);
        !self.names.of(BudgetedLabel::Joint).admit(&text, true, Some(shared)).overflowed
    }

    fn session_started(&mut self, server: Server, session: &Session, shared: &dyn SharedData) {
        let to = server.value();
        let (protocol_version, transport) =
            (Value::ProtocolVersion(session.protocol_version), Value::Transport(session.transport));
        if !self.config.client_name {
            return self.add(FamilyName::Sessions, &[protocol_version, transport, to], 1);
        }
        // Clients name themselves: none of these names is ever confirmed by the server, so all of the limit is theirs.
        let client = self.name(BudgetedLabel::ClientName, session.client_name.as_deref(), true, server, shared);
        self.add(FamilyName::Sessions, &[protocol_version, transport, to, client], 1);
    }
}

// === impl Server ===

impl Server {
    fn value(self) -> Value {
        Value::Name(BudgetedLabel::ServerName, self.0)
    }
}

/// The keyed hash under which a session may appear in spans and access logs; never the id itself.
#[must_use]
pub fn session_hash(key: &[u8], session_id: &[u8]) -> String {
    resource::keyed_hash(key, &[session_id])
}

#[cfg(test)]
mod tests;
