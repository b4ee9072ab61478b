//! The counts of the load: every request by how it ended, in the sidecar's series; and the times and failures for the report.
//!
//! **Cost:** memory depends on the number of different ends, not on the number of requests.

use crate::message::Method;
use crate::outcome::{ErrorType, Outcome};
use crate::protocol_version::{ProtocolVersion, Transport};
use crate::rate_limit::Rule;
use crate::series::{Counts, Series};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest label value in bytes: the filter's default.
const LABEL_BYTES: usize = 128;

/// Significant digits of the times.
const DIGITS: u8 = 2;

/// One operation that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) method: Method,
    /// The index of the tool in the offer.
    pub(crate) tool: Option<usize>,
    pub(crate) outcome: Outcome,
    /// The code of the JSON-RPC error, if the response was one.
    pub(crate) code: Option<i64>,
    pub(crate) took: Duration,
}

/// Times and failures of one method.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) microseconds: Histogram<u64>,
    pub(crate) failures: BTreeMap<(Outcome, Option<i64>), u64>,
}

/// The requests that a rate limit rule covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    /// Sessions of the load, each with a bucket of its own if the rule is `per` session.
    pub(crate) sessions: u64,
}

/// All counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    ends: BTreeMap<(Method, Outcome), u64>,
    calls: BTreeMap<(usize, Outcome), u64>,
    codes: BTreeMap<(Method, i64), u64>,
    sessions: BTreeMap<(&'static str, Transport), u64>,
    sessions_ended: u64,
    /// Refused requests by the name of the rule.
    refused: BTreeMap<String, u64>,
    initialized: u64,
    pub(crate) measured: BTreeMap<Method, Measured>,
}

// === impl Measured ===

impl Measured {
    fn new() -> Option<Self> {
        Some(Self { microseconds: Histogram::new(DIGITS).ok()?, failures: BTreeMap::new() })
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn ended(&mut self, ended: Ended) {
        *self.ends.entry((ended.method, ended.outcome)).or_default() += 1;
        if let Some(tool) = ended.tool {
            *self.calls.entry((tool, ended.outcome)).or_default() += 1;
        }
        if let Some(code) = ended.code {
            *self.codes.entry((ended.method, code)).or_default() += 1;
        }
        self.measure(ended);
    }

    fn measure(&mut self, ended: Ended) {
        let measured = match self.measured.entry(ended.method) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let Some(new) = Measured::new() else { return };
                place.insert(new)
            }
        };
        // The histogram resizes itself, so it accepts every value up to 584,000 years.
        let _ = measured.microseconds.record(ended.took.as_micros() as u64);
        if ended.outcome != Outcome::Ok {
            *measured.failures.entry((ended.outcome, ended.code)).or_default() += 1;
        }
    }

    /// `initialize` succeeded.
    pub(crate) fn session_begun(&mut self, negotiated: &str, transport: Transport) {
        let known = ProtocolVersion::parse(negotiated).map(ProtocolVersion::name);
        // It is older than the first release, but SDKs still accept it.
        let known = known.or_else(|| (negotiated == "2024-10-07").then_some("2024-10-07"));
        *self.sessions.entry((known.unwrap_or("other"), transport)).or_default() += 1;
    }

    /// A session that had started was ended, and the server confirmed it.
    pub(crate) fn session_ended(&mut self) {
        self.sessions_ended += 1;
    }

    /// The rule refused a request.
    pub(crate) fn refused(&mut self, rule: String) {
        *self.refused.entry(rule).or_default() += 1;
    }

    /// `notifications/initialized` was sent.
    pub(crate) fn initialized(&mut self) {
        self.initialized += 1;
    }

    /// Drops times and failures, not the counts: the measured part begins here.
    pub(crate) fn begin_measuring(&mut self) {
        self.measured.clear();
    }

    /// What became of the requests that the rule covers; `tools` are the tool names by index.
    pub(crate) fn limited(&self, rule: &Rule, tools: &[String]) -> Limited {
        let passed = |outcome: Outcome| !matches!(outcome, Outcome::NotSent | Outcome::Error(ErrorType::RateLimited));
        let ends = self.ends.iter().filter(|((method, outcome), _)| {
            *method != Method::ToolsCall && rule.covers(*method, None) && passed(*outcome)
        });
        let calls = self.calls.iter().filter(|((tool, outcome), _)| {
            rule.covers(Method::ToolsCall, tools.get(*tool).map(String::as_str)) && passed(*outcome)
        });
        let admitted = ends.map(|(_, count)| count).chain(calls.map(|(_, count)| count)).sum();
        let refused = self.refused.get(&rule.name).copied().unwrap_or(0);
        Limited { admitted, refused, sessions: self.sessions.values().sum() }
    }

    /// The counts that the sidecar should have; `tools` are the tool names by index.
    pub(crate) fn expected(&self, tools: &[String], rule: Option<&Rule>) -> Counts {
        let mut counts = Counts::default();
        for (&(method, outcome), &count) in &self.ends {
            let Some((status, error_type)) = outcome.labels() else { continue };
            let labels = [("method", method.name()), ("status", status), ("error_type", error_type)];
            counts.add(Series::new("mcp_requests_total", &labels), count);
            match method {
                Method::ToolsList => counts.add(Series::new("mcp_tools_listed_total", &[]), count),
                Method::ResourcesList => counts.add(Series::new("mcp_resources_listed_total", &[]), count),
                Method::ResourcesRead => {
                    counts.add(Series::new("mcp_resource_reads_total", &[("status", status)]), count)
                }
                Method::Initialize | Method::Discover | Method::ToolsCall => {}
            }
        }
        for (&(tool, outcome), &count) in &self.calls {
            let Some((status, error_type)) = outcome.labels() else { continue };
            let name = label(tools.get(tool).map_or("", String::as_str));
            let labels = [("tool_name", name.as_str()), ("status", status), ("error_type", error_type)];
            counts.add(Series::new("mcp_tool_calls_total", &labels), count);
        }
        for (&(method, code), &count) in &self.codes {
            let labels = [("error_code", &*code.to_string()), ("method", method.name())];
            counts.add(Series::new("mcp_protocol_errors_total", &labels), count);
        }
        for (&(version, transport), &count) in &self.sessions {
            let labels = [("protocol_version", version), ("transport", transport.name())];
            counts.add(Series::new("mcp_sessions_total", &labels), count);
        }
        counts.add(Series::new("mcp_session_duration_microseconds_count", &[]), self.sessions_ended);
        let notified = [("method", "notifications/initialized"), ("direction", "in")];
        counts.add(Series::new("mcp_notifications_total", &notified), self.initialized);
        if let Some(rule) = rule {
            let Limited { admitted, refused, .. } = self.limited(rule, tools);
            for (outcome, count) in [("allowed", admitted), ("limited", refused)] {
                let labels = [("rule", rule.name.as_str()), ("outcome", outcome)];
                counts.add(Series::new("mcp_rate_limit_total", &labels), count);
            }
        }
        counts
    }
}

/// A name as a label value of the sidecar.
fn label(name: &str) -> String {
    // Quotes and separators, and what breaks or reorders a line on a screen.
    let is_harmful =
        |c| matches!(c, '"' | '\\' | ';' | '=' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let harmless = |c: char| if c.is_control() || is_harmful(c) { '_' } else { c };
    let mut label = String::new();
    for c in name.chars().map(harmless) {
        if label.len() + c.len_utf8() > LABEL_BYTES {
            break;
        }
        label.push(c);
    }
    let kept = label.trim_end_matches('.').len();
    let dots = label.len() - kept;
    label.truncate(kept);
    label + &"_".repeat(dots)
}

#[cfg(test)]
mod tests {
    use super::{Ended, Limited, Tally, label};
    use crate::message::Method;
    use crate::outcome::{ErrorType, Outcome};
    use crate::protocol_version::Transport;
    use crate::rate_limit::Rule;
    use std::time::Duration;

    #[test]
    fn tally_equals_what_the_sidecar_counts() {
        let mut tally = Tally::default();
        let ended = |method, tool, outcome, code| Ended { method, tool, outcome, code, took: Duration::from_millis(3) };
        tally.session_begun("2025-11-25", Transport::StreamableHttp);
        tally.session_begun("1999-01-01", Transport::HttpSse);
        tally.initialized();
        tally.session_ended();
        tally.ended(ended(Method::ToolsList, None, Outcome::Ok, None));
        tally.ended(ended(Method::ToolsCall, Some(1), Outcome::Error(ErrorType::ToolError), None));
        tally.ended(ended(Method::ToolsCall, Some(0), Outcome::Error(ErrorType::RpcError), Some(-32000)));
        tally.ended(ended(Method::ToolsCall, Some(0), Outcome::NotSent, None));
        tally.ended(ended(Method::ResourcesRead, None, Outcome::Ok, None));
        let expected = tally.expected(&["a=b".to_owned(), "echo".to_owned()], None).to_string();
        assert_eq!(
            expected.lines().collect::<Vec<_>>(),
            [
                r#"mcp_notifications_total{method="notifications/initialized",direction="in"} 1"#,
                r#"mcp_protocol_errors_total{error_code="-32000",method="tools/call"} 1"#,
                r#"mcp_requests_total{method="resources/read",status="ok"} 1"#,
                r#"mcp_requests_total{method="tools/call",status="error",error_type="rpc_error"} 1"#,
                r#"mcp_requests_total{method="tools/call",status="error",error_type="tool_error"} 1"#,
                r#"mcp_requests_total{method="tools/list",status="ok"} 1"#,
                r#"mcp_resource_reads_total{status="ok"} 1"#,
                r#"mcp_session_duration_microseconds_count 1"#,
                r#"mcp_sessions_total{protocol_version="2025-11-25",transport="streamable_http"} 1"#,
                r#"mcp_sessions_total{protocol_version="other",transport="http_sse"} 1"#,
                r#"mcp_tool_calls_total{tool_name="a_b",status="error",error_type="rpc_error"} 1"#,
                r#"mcp_tool_calls_total{tool_name="echo",status="error",error_type="tool_error"} 1"#,
                r#"mcp_tools_listed_total 1"#,
            ]
        );
        let calls = &tally.measured[&Method::ToolsCall];
        assert_eq!(calls.failed(), 3);
        assert!(calls.microseconds.equivalent(calls.microseconds.max(), 3000));
    }

    #[test]
    fn covered_requests_are_admitted_or_refused() {
        let mut tally = Tally::default();
        let ended = |method, tool, outcome| Ended { method, tool, outcome, code: None, took: Duration::ZERO };
        tally.session_begun("2025-11-25", Transport::StreamableHttp);
        for tool in [0, 1] {
            tally.ended(ended(Method::ToolsCall, Some(tool), Outcome::Ok));
            tally.ended(ended(Method::ToolsCall, Some(tool), Outcome::Error(ErrorType::ToolError)));
            tally.ended(ended(Method::ToolsCall, Some(tool), Outcome::NotSent));
        }
        tally.ended(ended(Method::ToolsList, None, Outcome::Ok));
        tally.ended(ended(Method::ToolsCall, Some(1), Outcome::Error(ErrorType::RateLimited)));
        tally.refused("calls".to_owned());
        let tools = ["a".to_owned(), "b".to_owned()];
        let rule = |fields: &str| {
            serde_json::from_str::<Rule>(&format!(r#"{{"requests": 1, "interval_ms": 1000, {fields}}}"#)).unwrap()
        };
        let all = rule(r#""name": "calls", "method": "tools/call""#);
        assert_eq!(tally.limited(&all, &tools), Limited { admitted: 4, refused: 1, sessions: 1 });
        let one = rule(r#""name": "one", "method": "tools/call", "tool": "b""#);
        assert_eq!(tally.limited(&one, &tools), Limited { admitted: 2, refused: 0, sessions: 1 });
        let lists = rule(r#""name": "lists", "method": "tools/list""#);
        assert_eq!(tally.limited(&lists, &tools), Limited { admitted: 1, refused: 0, sessions: 1 });
        let expected = tally.expected(&tools, Some(&all)).to_string();
        let shown: Vec<_> = expected.lines().filter(|line| line.contains("rate_limit")).collect();
        assert_eq!(
            shown,
            [
                r#"mcp_rate_limit_total{rule="calls",outcome="allowed"} 4"#,
                r#"mcp_rate_limit_total{rule="calls",outcome="limited"} 1"#,
                r#"mcp_requests_total{method="tools/call",status="error",error_type="rate_limited"} 1"#,
                r#"mcp_tool_calls_total{tool_name="b",status="error",error_type="rate_limited"} 1"#,
            ]
        );
    }

    #[test]
    fn labels_are_cleaned_and_cut() {
        assert_eq!(label("get_forecast"), "get_forecast");
        assert_eq!(label("a\"b;c=d\\e\n.."), "a_b_c_d_e___");
        assert_eq!(label("\u{feff}a\u{2028}b\u{202e}c\u{2066}"), "_a_b_c_");
        assert_eq!(label(&"é".repeat(100)).len(), 128);
    }
}
