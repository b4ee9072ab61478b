//! Counts observations in series. Only this module decides which families count an observation.
//!
//! | module | what it does |
//! |---|---|
//! | `family`, `families` | what a family is; the table of families, with the labels of each as a struct |
//! | `label_code` | label values as numbers |
//! | `operations` | the families of operations |
//! | `clients` | the families of clients |
//! | `series` | a family with its label values as one number |
//! | `label_texts` | a series as text |
//! | `stats` | the changes and samples of the series between two flushes |
//! | `initial` | the initial series |
//! | `budget`, `budgets` | the label budget of one label; those of all labels |
//! | `admission` | names become label values under their budgets |
//! | `lists`, `catalogue`, `listed_resources` | what servers list: names, changed definitions, resources |
//! | `tools`, `tool_lists` | what servers list as their tools: sizes of definitions, calls of tools that are not listed |
//! | `stat_tags` | how Envoy takes labels out of the name of a stat |
//! | `tables` | the tables for documentation and tests |
//!
//! Initial series are needed because Prometheus' `increase()` does not show a counter that starts at 1.

mod admission;
mod budget;
mod budgets;
mod catalogue;
mod clients;
pub(crate) mod families;
pub(crate) mod family;
mod initial;
pub(crate) mod label_code;
mod label_texts;
mod listed_resources;
mod lists;
mod operations;
mod series;
pub(crate) mod stat_tags;
mod stats;
pub(crate) mod tables;
mod tool_lists;
mod tools;

use crate::config::{Availability, Config, ServerNameFrom, clean_server_name};
use crate::host::{Metrics, SharedData};
use crate::label::{BudgetedLabel, Method, ServerRequestStatus, TaskStatus, Transport};
use crate::observation::{Observation, Session};
use crate::read::message::RpcErrorCode;
use crate::shared_data::KEY_PREFIX;
use crate::text::Text;
use budget::Name;
use budgets::Budgets;
use clients::LatestClient;
use families::{
    ActiveConnections, FilterInfo, FilterStreams, FirstEventDuration, HeaderMismatch, ListedBytes, ListedItems,
    MessageBytes, Notifications, ParseSkipped, ProtocolErrors, RateLimits, RequestsInFlight, ServerRequestDuration,
    ServerRequests, SessionDuration, Sessions, SessionsActive, SseStreamsActive, StreamOpens, Tasks, Unmatched,
    UpstreamAvailable,
};
use family::{Counter, Gauge, Histogram};
use label_code::{AnsweredMethod, BudgetedValue as _, FilterVersion, RuleName, Server, ToolName};
use label_texts::LabelTexts;
use lists::Lists;
use rustc_hash::FxHashSet;
use stats::Stats;
use std::rc::Rc;

/// Turns observations into stats, for one plugin in one VM.
#[derive(Debug)]
pub struct Recorder {
    config: Rc<Config>,
    stats: Stats,
    budgets: Budgets,
    lists: Lists,
    latest_client: Option<LatestClient>,
    /// With many servers: which names have their initial series on which server.
    has_initial_series: FxHashSet<(BudgetedLabel, Name, Server)>,
}

// === impl Recorder ===

impl Recorder {
    /// Makes a recorder with `mcp_filter_info` and, unless each exchange has the server of its cluster, the server's initial
    /// series.
    #[must_use]
    pub fn new(config: Rc<Config>) -> Self {
        let prefix = key_prefix(&config);
        let budgets = Budgets::new(&config, &prefix);
        let lists = Lists::new(prefix);
        let has_initial_series = FxHashSet::default();
        let mut recorder =
            Self { config, stats: Stats::new(), budgets, lists, latest_client: None, has_initial_series };
        recorder.set(FilterInfo { filter_version: FilterVersion }, 1);
        if recorder.config.server_name_from != ServerNameFrom::Cluster {
            let name = recorder.config.server_name.clone();
            recorder.server(name.as_bytes());
        }
        recorder
    }

    /// The server with this name; characters outside `A-Za-z0-9_.-` become `_`.
    pub fn server(&mut self, name: &[u8]) -> Server {
        // Not shared with other workers: all of them have the same few clusters.
        let admission = self.budgets.admit(BudgetedLabel::ServerName, &clean_server_name(name), true, None);
        let server = Server::new(admission.name);
        if admission.is_new {
            let stats = &mut self.stats;
            initial::of_server(server, &self.config, &mut |series| stats.change(series, 0));
        }
        server
    }

    /// Records one observation of an exchange with `server`.
    pub fn record(&mut self, server_name: Server, observation: &Observation<'_>, metrics: &dyn Metrics) {
        match *observation {
            Observation::StreamSeen => self.count(FilterStreams { server_name }, 1),
            Observation::ExchangeOpened => self.change(ActiveConnections { server_name }, 1),
            Observation::ExchangeClosed => self.change(ActiveConnections { server_name }, -1),
            Observation::EventStreamOpened => self.change(SseStreamsActive { server_name }, 1),
            Observation::EventStreamClosed => self.change(SseStreamsActive { server_name }, -1),
            Observation::StreamOpened(status) => self.count(StreamOpens { status, server_name }, 1),
            Observation::TraceParent(_) => {}
            Observation::OperationStarted(operation) => self.operation_started(server_name, operation),
            Observation::SavingOperations => self.flush_one(RequestsInFlight { server_name }, metrics),
            Observation::OperationEnded(ended) => self.operation_ended(server_name, &ended, metrics),
            Observation::FirstEvent { method, microseconds } => {
                self.observe(FirstEventDuration { method, server_name }, microseconds);
            }
            Observation::Notification { method, direction } => {
                self.count(Notifications { method, direction, server_name }, 1);
            }
            Observation::ProtocolError { code, method } => self.protocol_error(server_name, code, method, metrics),
            Observation::Bytes { direction, bytes } => self.count(MessageBytes { direction, server_name }, bytes),
            Observation::SessionStarted(session) => self.session_started(server_name, session, metrics),
            Observation::SessionActive(transport) => self.session_active(server_name, transport, metrics),
            Observation::SessionInactive(transport) => self.change(SessionsActive { transport, server_name }, -1),
            Observation::SessionEnded { microseconds } => {
                self.observe(SessionDuration { server_name }, microseconds);
            }
            Observation::ServerRequestEnded { method, status, duration } => {
                self.server_request_ended(server_name, method, status, duration);
            }
            Observation::TaskEnded { tool, status } => self.task_ended(server_name, tool, status, metrics),
            Observation::Unmatched(reason) => self.count(Unmatched { reason, server_name }, 1),
            Observation::HeaderMismatch(header) => self.count(HeaderMismatch { header, server_name }, 1),
            Observation::Skipped { direction, reason } => {
                self.count(ParseSkipped { direction, reason, server_name }, 1);
            }
            Observation::ListSize { method, items, bytes } => {
                self.list_size(server_name, method, items, bytes, metrics);
            }
            Observation::ListPage { method, protocol_version, page } => {
                self.list_page(server_name, method, protocol_version, &page, metrics);
            }
            Observation::RateLimited { rule, outcome, requests } => {
                self.count(RateLimits { rule: RuleName(rule), outcome, server_name }, requests);
            }
            Observation::Reachable(reachable) => self.reachable(server_name, reachable),
        }
        // Only here, so that a flush has all counts and samples of an observation.
        if self.stats.is_full() {
            self.flush_stats(metrics);
        }
    }

    /// Hands all that was gathered to the host. Names without room and lists of tools are looked up in the shared data again.
    pub(crate) fn flush(&mut self, metrics: &dyn Metrics) {
        self.budgets.tick();
        self.tick_tools(metrics);
        self.flush_stats(metrics);
    }

    fn flush_stats(&mut self, metrics: &dyn Metrics) {
        let Self { config, stats, budgets, .. } = self;
        stats.flush(LabelTexts { budgets, config }, metrics);
    }

    /// Hands a gauge to the host before another VM may lower it; otherwise it could fall below zero.
    fn flush_one(&mut self, labels: impl Gauge, metrics: &dyn Metrics) {
        let Self { config, stats, budgets, .. } = self;
        stats.flush_one(labels.series(), LabelTexts { budgets, config }, metrics);
    }

    fn count(&mut self, labels: impl Counter, amount: u64) {
        self.stats.change(labels.series(), i64::try_from(amount).unwrap_or(i64::MAX));
    }

    fn change(&mut self, labels: impl Gauge, change: i64) {
        self.stats.change(labels.series(), change);
    }

    fn set(&mut self, labels: impl Gauge, level: u64) {
        self.stats.set(labels.series(), level);
    }

    fn observe(&mut self, labels: impl Histogram, value: u64) {
        self.stats.record(labels.series(), value);
    }

    fn protocol_error(
        &mut self,
        server_name: Server,
        code: RpcErrorCode,
        method: Option<Method>,
        metrics: &dyn Metrics,
    ) {
        let error_code = self.error_code(code, server_name, metrics);
        self.count(ProtocolErrors { error_code, method: AnsweredMethod(method), server_name }, 1);
    }

    fn session_started(&mut self, server: Server, session: &Session, shared: &dyn SharedData) {
        let Session { protocol_version, transport, ref client_name } = *session;
        let wants_client = self.config.wants_client_name();
        let client_name = wants_client.then(|| self.client_of_session(client_name.as_deref(), server, shared));
        self.count(Sessions { protocol_version, transport, server_name: server, client_name }, 1);
    }

    fn session_active(&mut self, server_name: Server, transport: Transport, metrics: &dyn Metrics) {
        let sessions = SessionsActive { transport, server_name };
        self.change(sessions, 1);
        self.flush_one(sessions, metrics);
    }

    /// Handed to the host at once: at the tick, a worker with an older list could be the last.
    fn list_size(&mut self, server_name: Server, method: Method, items: u64, bytes: u64, metrics: &dyn Metrics) {
        let (listed_items, listed_bytes) = (ListedItems { method, server_name }, ListedBytes { method, server_name });
        self.set(listed_items, items);
        self.flush_one(listed_items, metrics);
        self.set(listed_bytes, bytes);
        self.flush_one(listed_bytes, metrics);
    }

    fn reachable(&mut self, server_name: Server, reachable: bool) {
        if self.config.availability == Availability::Passive {
            self.set(UpstreamAvailable { server_name }, reachable.into());
        }
    }

    fn server_request_ended(
        &mut self,
        server_name: Server,
        method: Method,
        status: ServerRequestStatus,
        duration: Option<u64>,
    ) {
        self.count(ServerRequests { method, server_name, status }, 1);
        if let Some(duration) = duration {
            self.observe(ServerRequestDuration { method, server_name }, duration);
        }
    }

    fn task_ended(&mut self, server: Server, tool: Option<&str>, status: TaskStatus, shared: &dyn SharedData) {
        // The call that created the task was counted under this name; if the name overflowed, that was counted too.
        let tool_name: ToolName = self.known_name(tool, server, shared);
        self.count(Tasks { tool_name, status, server_name: server }, 1);
    }
}

/// The prefix of the keys in the shared data. Plugins with the same series have the same one.
fn key_prefix(config: &Config) -> String {
    let by_cluster = config.server_name_from == ServerNameFrom::Cluster;
    let name = if by_cluster { String::new() } else { format!("={}", config.server_name) };
    format!("{KEY_PREFIX}{:016x}", Text::of(name.as_bytes()).digest())
}

#[cfg(test)]
mod tests;
