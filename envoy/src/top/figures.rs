//! The figures of one page, and the sum of several pages.
//!
//! Counters, histograms and numbers of open things are added by server and tool. The size of a definition is the same at all
//! replicas of a server, so the largest is taken. A server of several sidecars is reachable if it is for all of them.

use super::histogram::Histogram;
use super::parse::{HEALTHY, Sample, samples};
use crate::bootstrap::cluster_of;
use std::collections::BTreeMap;

/// Begin of the names of the sidecar's own clusters. A page without one is not a sidecar's, and its other clusters may be anything.
const OWN_CLUSTER: &str = "sidecar/";

/// A tool, or a method, of a server. Both names are as in the page; they are cleaned where they are shown.
pub(super) type Key = (String, String);

/// What the pages say.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// By server and tool.
    pub(super) tools: BTreeMap<Key, Tool>,
    /// Operations other than `tools/call`, by server and method.
    pub(super) methods: BTreeMap<Key, Outcomes>,
    pub(super) servers: BTreeMap<String, Server>,
    /// Whether the filter is in this Envoy.
    pub(super) has_filter: bool,
}

/// A tool of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Tool {
    pub(super) calls: Outcomes,
    pub(super) durations: Histogram,
    results: f64,
    result_bytes: f64,
    /// Size of the definition in the latest list; 0 if it is not known.
    pub(super) definition: f64,
}

/// Operations that ended, by status and error type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcomes {
    ended: BTreeMap<(String, String), f64>,
}

/// What is open at a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    /// Whether it can be reached; `None` if the page does not say.
    pub(super) is_available: Option<bool>,
    pub(super) sessions: f64,
    pub(super) streams: f64,
    pub(super) in_flight: f64,
}

// === impl Outcomes ===

impl Outcomes {
    fn add_sample(&mut self, sample: &Sample<'_>) {
        let key = (sample.label("status").to_owned(), sample.label("error_type").to_owned());
        *self.ended.entry(key).or_default() += sample.value;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (key, value) in &other.ended {
            *self.ended.entry(key.clone()).or_default() += value;
        }
    }

    /// The increase since earlier values of the same Envoy. A counter that is smaller now began at 0 again, and one that was not
    /// there began at 0.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let increase = |key, now: f64| match earlier.ended.get(key) {
            Some(before) if *before <= now => now - before,
            _ => now,
        };
        Self { ended: self.ended.iter().map(|(key, now)| (key.clone(), increase(key, *now))).collect() }
    }

    /// Takes later values of the same Envoy, and keeps those of counters that are absent now.
    pub(super) fn replace(&mut self, later: &Self) {
        self.ended.extend(later.ended.iter().map(|(key, value)| (key.clone(), *value)));
    }

    /// The number of counters.
    pub(super) fn counters(&self) -> usize {
        self.ended.len()
    }

    /// Operations by status and error type.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&(String, String), &f64)> {
        self.ended.iter()
    }

    /// All operations.
    pub(super) fn total(&self) -> f64 {
        sum(self.ended.values().copied())
    }

    /// Operations that failed.
    pub(super) fn failed(&self) -> f64 {
        sum(self.failures().into_iter().map(|(_, count)| count))
    }

    /// Operations that failed, by error type, the commonest first.
    pub(super) fn failures(&self) -> Vec<(&str, f64)> {
        let failed = self.ended.iter().filter(|((status, _), count)| status == "error" && **count > 0.0);
        let mut failures: Vec<_> = failed.map(|((_, error_type), count)| (error_type.as_str(), *count)).collect();
        failures.sort_by(|one, other| other.1.total_cmp(&one.1));
        failures
    }
}

// === impl Tool ===

impl Tool {
    fn add(&mut self, other: &Self) {
        self.calls.add(&other.calls);
        self.durations.add(&other.durations);
        self.results += other.results;
        self.result_bytes += other.result_bytes;
        self.definition = self.definition.max(other.definition);
    }

    /// Whether the histograms have all calls.
    pub(super) fn has_all_durations(&self) -> bool {
        let calls = self.calls.total();
        self.durations.total() >= calls && self.results >= calls
    }

    /// Mean size of a result in bytes; `None` without results.
    pub(super) fn mean_result(&self) -> Option<f64> {
        (self.results > 0.0).then(|| self.result_bytes / self.results)
    }
}

// === impl Server ===

impl Server {
    fn add(&mut self, other: &Self) {
        let both = self.is_available.zip(other.is_available).map(|(one, other)| one && other);
        self.is_available = both.or(self.is_available).or(other.is_available);
        self.sessions += other.sessions;
        self.streams += other.streams;
        self.in_flight += other.in_flight;
    }
}

// === impl Figures ===

impl Figures {
    /// The figures of a page.
    pub(super) fn read(page: &str) -> Self {
        let mut figures = Self::default();
        let mut clusters = BTreeMap::new();
        for sample in samples(page) {
            if sample.name == HEALTHY {
                clusters.insert(sample.label("envoy_cluster_name").to_owned(), sample.value >= 1.0);
            } else {
                figures.add_sample(&sample);
            }
        }
        if clusters.keys().any(|name| name.starts_with(OWN_CLUSTER)) {
            clusters.retain(|name, _| !name.contains('/'));
            for (cluster, is_healthy) in clusters {
                let known = figures.servers.keys().find(|server| cluster_of(server) == cluster).cloned();
                figures.servers.entry(known.unwrap_or(cluster)).or_default().is_available = Some(is_healthy);
            }
        }
        figures
    }

    fn add_sample(&mut self, sample: &Sample<'_>) {
        match sample.name {
            "mcp_filter_info" => self.has_filter = true,
            "mcp_requests_total" if sample.label("method") != "tools/call" => {
                self.methods.entry(key(sample, "method")).or_default().add_sample(sample);
            }
            "mcp_tool_calls_total" => self.tool(sample).calls.add_sample(sample),
            "mcp_tool_duration_microseconds_bucket" => self.tool(sample).durations.add_bucket(sample),
            "mcp_tool_result_bytes_count" => self.tool(sample).results += sample.value,
            "mcp_tool_result_bytes_sum" => self.tool(sample).result_bytes += sample.value,
            "mcp_tool_definition_bytes" if sample.value > 0.0 => self.tool(sample).definition = sample.value,
            "mcp_upstream_available" => self.server(sample).is_available = Some(sample.value >= 1.0),
            "mcp_sessions_active" => self.server(sample).sessions += sample.value,
            "mcp_sse_streams_active" => self.server(sample).streams += sample.value,
            "mcp_requests_in_flight" => self.server(sample).in_flight += sample.value,
            _ => {}
        }
    }

    fn tool(&mut self, sample: &Sample<'_>) -> &mut Tool {
        self.tools.entry(key(sample, "tool_name")).or_default()
    }

    fn server(&mut self, sample: &Sample<'_>) -> &mut Server {
        self.servers.entry(sample.label("server_name").to_owned()).or_default()
    }

    /// Adds the figures of another page.
    pub(super) fn add(&mut self, other: &Self) {
        self.has_filter |= other.has_filter;
        for (key, tool) in &other.tools {
            self.tools.entry(key.clone()).or_default().add(tool);
        }
        for (key, outcomes) in &other.methods {
            self.methods.entry(key.clone()).or_default().add(outcomes);
        }
        for (name, server) in &other.servers {
            self.servers.entry(name.clone()).or_default().add(server);
        }
    }

    /// The names of all servers.
    pub(super) fn server_names(&self) -> Vec<String> {
        let of_operations = self.tools.keys().chain(self.methods.keys()).map(|(server, _)| server);
        let mut names: Vec<_> = self.servers.keys().chain(of_operations).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Drops the figures of all servers that are not chosen.
    pub(super) fn keep_servers(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.tools.retain(|(server, _), _| is_kept(server));
        self.methods.retain(|(server, _), _| is_kept(server));
        self.servers.retain(|server, _| is_kept(server));
    }
}

/// The sum of counters. `Iterator::sum` of no floats is -0.
fn sum(counters: impl Iterator<Item = f64>) -> f64 {
    counters.fold(0.0, |sum, counter| sum + counter)
}

fn key(sample: &Sample<'_>, label: &str) -> Key {
    (sample.label("server_name").to_owned(), sample.label(label).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Figures, Server};

    const PAGE: &str = "mcp_filter_info{filter_version=\"1\"} 1\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"ok\",error_type=\"\",tool_name=\"t\"} 9\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"error\",error_type=\"timeout\",tool_name=\"t\"} 1\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"error\",error_type=\"tool_error\",tool_name=\"t\"} 2\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"error\",error_type=\"reset\",tool_name=\"t\"} 0\n\
        mcp_requests_total{method=\"tools/call\",server_name=\"w\",status=\"ok\"} 9\n\
        mcp_requests_total{method=\"ping\",server_name=\"w\",status=\"ok\"} 4\n\
        mcp_tool_result_bytes_sum{server_name=\"w\",tool_name=\"t\"} 300\n\
        mcp_tool_result_bytes_count{server_name=\"w\",tool_name=\"t\"} 12\n\
        mcp_tool_definition_bytes{server_name=\"w\",tool_name=\"t\"} 700\n\
        mcp_sessions_active{server_name=\"w\",transport=\"streamable_http\"} 2\n\
        mcp_sessions_active{server_name=\"w\",transport=\"http_sse\"} 1\n\
        mcp_sse_streams_active{server_name=\"w\"} 5\n\
        mcp_requests_in_flight{server_name=\"w\"} 1\n";

    fn key(server: &str, name: &str) -> (String, String) {
        (server.to_owned(), name.to_owned())
    }

    #[test]
    fn page_is_read() {
        let figures = Figures::read(PAGE);
        let tool = &figures.tools[&key("w", "t")];
        assert_eq!((tool.calls.total(), tool.calls.failed(), tool.definition), (12.0, 3.0, 700.0));
        assert_eq!(tool.calls.failures(), [("tool_error", 2.0), ("timeout", 1.0)]);
        assert_eq!(tool.mean_result(), Some(25.0));
        assert_eq!(figures.methods.keys().collect::<Vec<_>>(), [&key("w", "ping")]);
        assert_eq!(figures.servers["w"], Server { is_available: None, sessions: 3.0, streams: 5.0, in_flight: 1.0 });
        assert!(figures.has_filter);
    }

    #[test]
    fn pages_are_added_and_the_definition_is_not() {
        let mut sum = Figures::read(PAGE);
        sum.add(&Figures::read(PAGE));
        sum.add(&Figures::read(&PAGE.replace("server_name=\"w\"", "server_name=\"v\"")));
        assert_eq!(sum.server_names(), ["v", "w"]);
        let tool = &sum.tools[&key("w", "t")];
        assert_eq!((tool.calls.total(), tool.calls.failed(), tool.definition), (24.0, 6.0, 700.0));
        assert_eq!((sum.servers["w"].sessions, sum.servers["v"].sessions), (6.0, 3.0));
        sum.keep_servers(|server| server == "v");
        assert_eq!((sum.server_names(), sum.tools.len(), sum.methods.len()), (vec!["v".to_owned()], 1, 1));
    }

    #[test]
    fn health_is_that_of_the_servers_cluster_of_a_sidecar() {
        let health = |cluster: &str, value: u8| {
            format!("envoy_cluster_membership_healthy{{envoy_cluster_name=\"{cluster}\"}} {value}\n")
        };
        let page = PAGE.replace("server_name=\"w\"", "server_name=\"w.eu\"");
        let own = Figures::read(&(page.clone() + &health("w_eu", 0) + &health("sidecar/admin", 1)));
        assert_eq!(own.servers["w.eu"].is_available, Some(false));
        assert_eq!(own.servers.len(), 1);
        let foreign = Figures::read(&(page + &health("w_eu", 0) + &health("database", 1)));
        assert_eq!(foreign.servers["w.eu"].is_available, None);
        assert_eq!(foreign.servers.len(), 1);
        let idle = Figures::read(&(health("weather", 1) + &health("sidecar/admin", 1)));
        assert_eq!(idle.servers["weather"].is_available, Some(true));
    }

    #[test]
    fn server_of_two_sidecars_is_available_if_both_reach_it() {
        let page = |value: u8| Figures::read(&format!("mcp_upstream_available{{server_name=\"w\"}} {value}\n"));
        let mut sum = page(1);
        sum.add(&page(0));
        sum.add(&Figures::read(PAGE));
        assert_eq!(sum.servers["w"].is_available, Some(false));
    }

    #[test]
    fn counter_that_restarted_has_no_negative_increase() {
        let outcomes = |ok: u32, failed: u32| {
            let page = format!(
                "mcp_tool_calls_total{{status=\"ok\",tool_name=\"t\"}} {ok}\n\
                 mcp_tool_calls_total{{status=\"error\",error_type=\"reset\",tool_name=\"t\"}} {failed}\n"
            );
            Figures::read(&page).tools[&key("", "t")].calls.clone()
        };
        assert_eq!(outcomes(12, 5).since(&outcomes(10, 5)), outcomes(2, 0));
        assert_eq!(outcomes(3, 1).since(&outcomes(10, 5)), outcomes(3, 1));
        assert_eq!(outcomes(3, 1).since(&super::Outcomes::default()), outcomes(3, 1));
    }
}
