//! Envoy's admin interface: whether Envoy is live, and the steps of a drain. A drain lets running exchanges finish, and does
//! not wait for streams that only listen.

use crate::bootstrap::{FIRST_ANSWERS_KEY, HTTP_STAT_PREFIX, READY_KEY, WEB_SOCKET_CLUSTER, cluster_of};
use crate::diagnosis::TlsFailure;
use crate::environment::Running;
use crate::machine::Machine;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;

/// Maximum wait for an answer of an Envoy that starts. It does not answer while it compiles the module, and signals wait as well.
const STARTING: Duration = Duration::from_millis(500);

/// A status that no answer has.
const NO_STATUS: u32 = 1000;

/// Envoy's admin interface.
#[derive(Clone)]
pub(crate) struct Admin {
    agent: Agent,
    origin: String,
    cluster: String,
    machine: Machine,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(running: &Running, machine: Machine) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).proxy(None).build();
        Self {
            agent: config.into(),
            origin: format!("http://127.0.0.1:{}", running.admin_port),
            cluster: cluster_of(&running.server_name),
            machine,
        }
    }

    /// Whether the Envoy with this bootstrap is live. Another Envoy may have the admin port.
    pub(crate) fn serves(&self, bootstrap: &Path) -> bool {
        let request = self.agent.get(format!("{}/server_info", self.origin));
        let response = request.config().timeout_global(Some(STARTING)).build().call();
        let text = response.and_then(|mut response| response.body_mut().read_to_string()).unwrap_or_default();
        let info: Value = serde_json::from_str(&text).unwrap_or_default();
        let config_path = info.pointer("/command_line_options/config_path").and_then(Value::as_str);
        let state = info.get("state").and_then(Value::as_str);
        state == Some("LIVE") && config_path.map(Path::new) == Some(bootstrap)
    }

    fn get(&self, path: &str) -> Result<String, ureq::Error> {
        self.agent.get(format!("{}/{path}", self.origin)).call()?.body_mut().read_to_string()
    }

    /// Begins the drain: `/ready` returns 503, and each response from now on closes its connection. The listener still
    /// accepts connections, so that load balancers have time to react.
    ///
    /// # Errors
    ///
    /// The admin interface does not answer.
    pub(crate) fn begin_drain(&self) -> Result<(), ureq::Error> {
        self.post(&format!("runtime_modify?{READY_KEY}=0"))?;
        self.post("drain_listeners?graceful&skip_exit&inboundonly")
    }

    /// Closes the MCP listener; accepted connections stay open.
    ///
    /// # Errors
    ///
    /// The admin interface does not answer.
    pub(crate) fn close_listener(&self) -> Result<(), ureq::Error> {
        self.post("drain_listeners?inboundonly")
    }

    /// Ends Envoy, as SIGTERM does.
    ///
    /// # Errors
    ///
    /// The admin interface does not answer.
    pub(crate) fn quit(&self) -> Result<(), ureq::Error> {
        self.post("quitquitquit")
    }

    fn post(&self, path: &str) -> Result<(), ureq::Error> {
        self.agent.post(format!("{}/{path}", self.origin)).send_empty().map(drop)
    }

    /// How the checks of the server ended so far. No counter if the admin interface does not answer.
    pub(crate) fn checks(&self) -> Checks {
        let counters = "health_check[.](success|failure)|ssl[.](fail_verify_error|fail_verify_san|connection_error)";
        let page = self.get(&format!("stats?filter=^cluster[.]{}[.]({counters})$", self.cluster));
        Checks(page.unwrap_or_default())
    }

    /// Ends the lines about successful and other answers, which Envoy writes until it is told.
    ///
    /// # Errors
    ///
    /// The admin interface does not answer.
    pub(crate) fn end_first_answers(&self) -> Result<(), ureq::Error> {
        self.post(&format!("runtime_modify?{FIRST_ANSWERS_KEY}={NO_STATUS}"))
    }

    /// How many times Envoy could not write or reopen a log file.
    pub(crate) fn failed_writes(&self) -> u64 {
        sum_of_counters(&self.get("stats?filter=^filesystem[.](write|reopen)_failed$").unwrap_or_default())
    }

    /// Whether all exchanges that the drain waits for have ended. `false` when the admin interface does not answer.
    pub(crate) fn is_drained(&self) -> bool {
        let Self { cluster, machine, .. } = self;
        let filter = format!(
            "^(http[.]{HTTP_STAT_PREFIX}[.]downstream_(rq_active|cx_tx_bytes_buffered)|cluster[.]({cluster}|{WEB_SOCKET_CLUSTER})[.]circuit_breakers[.]high[.]remaining_(rq|pending))$"
        );
        let request = self.agent.get(format!("{}/stats", self.origin)).query("filter", filter).call();
        let text = request.and_then(|mut response| response.body_mut().read_to_string()).unwrap_or_default();
        Gauges::read(&text, machine.connections).is_some_and(|gauges| gauges.are_drained())
    }
}

/// Counters of the server's cluster, about health checks and TLS.
pub(crate) struct Checks(String);

// === impl Checks ===

impl Checks {
    pub(crate) fn has_succeeded(&self) -> bool {
        self.count("health_check.success") > 0
    }

    pub(crate) fn failures(&self) -> u64 {
        self.count("health_check.failure")
    }

    pub(crate) fn tls_failure(&self) -> Option<TlsFailure> {
        TlsFailure::of_counters(|name| self.count(&format!("ssl.{name}")))
    }

    fn count(&self, name: &str) -> u64 {
        let counters = self.0.lines().filter_map(|line| line.split_once(": "));
        let found =
            counters.filter(|(counter, _)| counter.ends_with(name)).find_map(|(_, value)| value.trim().parse().ok());
        found.unwrap_or(0)
    }
}

/// The sum of the counters in a page of Envoy's stats.
fn sum_of_counters(text: &str) -> u64 {
    text.lines().filter_map(|line| line.split_once(": ")?.1.trim().parse::<u64>().ok()).sum()
}

/// Envoy's gauges of open exchanges.
#[derive(Debug, PartialEq, Eq)]
struct Gauges {
    /// Open exchanges of the MCP listener.
    exchanges: u64,
    /// Open exchanges that are streams for listening.
    streams: u64,
    /// Bytes of responses that clients have not read yet.
    unsent: u64,
}

// === impl Gauges ===

impl Gauges {
    /// Reads `name: value` lines. The number of streams is the limit of their priority less what remains of it, summed over
    /// the clusters.
    fn read(text: &str, limit: u64) -> Option<Self> {
        let lines = || text.lines().filter_map(|line| line.split_once(": "));
        let values = |end: &'static str| {
            let values = lines().filter(move |(name, _)| name.ends_with(end));
            values.map(|(_, value)| value.trim().parse::<u64>().ok())
        };
        let gauge = |end| values(end).next().flatten();
        let used = |end| {
            let used: Option<Vec<_>> = values(end).map(|value| Some(limit.saturating_sub(value?))).collect();
            used.filter(|used| !used.is_empty()).map(|used| used.iter().sum::<u64>())
        };
        Some(Self {
            exchanges: gauge(".downstream_rq_active")?,
            streams: used(".high.remaining_rq")? + used(".high.remaining_pending")?,
            unsent: gauge(".downstream_cx_tx_bytes_buffered")?,
        })
    }

    fn are_drained(&self) -> bool {
        let Self { exchanges, streams, unsent } = self;
        exchanges <= streams && *unsent == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Gauges;

    const TEXT: &str = "cluster.weather.circuit_breakers.high.remaining_pending: 99\n\
        cluster.weather.circuit_breakers.high.remaining_rq: 97\n\
        http.mcp.downstream_cx_tx_bytes_buffered: 0\n\
        http.mcp.downstream_rq_active: 5\n";

    #[test]
    fn streams_are_not_waited_for() {
        let gauges = Gauges::read(TEXT, 100).unwrap();
        assert_eq!(gauges, Gauges { exchanges: 5, streams: 4, unsent: 0 });
        assert!(!gauges.are_drained());
        assert!(Gauges { exchanges: 4, ..gauges }.are_drained());
    }

    #[test]
    fn streams_of_all_clusters_are_counted() {
        let more = TEXT.replace("cluster.weather", "cluster.sidecar/websocket");
        assert_eq!(Gauges::read(&format!("{TEXT}{more}"), 100).unwrap().streams, 8);
    }

    #[test]
    fn unread_response_is_waited_for() {
        assert!(!Gauges { exchanges: 0, streams: 0, unsent: 1 }.are_drained());
    }

    #[test]
    fn missing_gauge_is_none() {
        for line in TEXT.lines() {
            assert_eq!(Gauges::read(&TEXT.replace(line, ""), 100), None, "{line}");
        }
    }
}
