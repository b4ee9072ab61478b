//! Reads the series of the sidecar's metrics page that the load counts too, summed over all other labels.

use std::collections::BTreeMap;
use std::fmt;

/// The families that are compared, each with the labels that are kept.
const FAMILIES: [(&str, &[&str]); 10] = [
    ("mcp_requests_total", &["method", "status", "error_type"]),
    ("mcp_tool_calls_total", &["tool_name", "status", "error_type"]),
    ("mcp_tools_listed_total", &[]),
    ("mcp_resources_listed_total", &[]),
    ("mcp_resource_reads_total", &["status"]),
    ("mcp_protocol_errors_total", &["error_code", "method"]),
    ("mcp_notifications_total", &["method", "direction"]),
    ("mcp_sessions_total", &["protocol_version", "transport"]),
    ("mcp_session_duration_microseconds_count", &[]),
    (RATE_LIMIT, &["rule", "outcome"]),
];

/// Compared only for the rule that the load knows.
const RATE_LIMIT: &str = "mcp_rate_limit_total";

/// A family and the values of its labels. An empty value is the same as no label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series(String);

/// Values by series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<Series, u64>);

/// One series on both sides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) series: Series,
    /// The count of the load.
    pub(crate) sent: i128,
    /// The count of the sidecar since the load began; negative if the sidecar was restarted.
    pub(crate) seen: i128,
}

// === impl Series ===

impl Series {
    pub(crate) fn new(family: &str, labels: &[(&str, &str)]) -> Self {
        let labels: Vec<_> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
        if labels.is_empty() {
            return Self(family.to_owned());
        }
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        Self(format!("{family}{{{}}}", pairs.join(",")))
    }

    /// The series of a sample, if it is compared. Notifications from the server are not compared, because the client does not
    /// receive those on a stream that it closed.
    fn of_sample(sample: &Sample<'_>, rule: Option<&str>) -> Option<Self> {
        let (family, names) = FAMILIES.iter().find(|(family, _)| *family == sample.family)?;
        let value = |name: &str| sample.labels.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        let is_other_rule = *family == RATE_LIMIT && rule != Some(value("rule"));
        if value("direction") == "out" || is_other_rule {
            return None;
        }
        let labels: Vec<_> = names.iter().map(|name| (*name, value(name))).collect();
        Some(Self::new(family, &labels))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` applies the width of a table's column.
        f.pad(&self.0)
    }
}

// === impl Counts ===

impl Counts {
    /// Reads a page in Prometheus' text format. Other families, and other rate limit rules than this one, are ignored.
    pub(crate) fn read(page: &str, rule: Option<&str>) -> Self {
        let mut counts = Self::default();
        for sample in page.lines().filter_map(Sample::parse) {
            if let Some(series) = Series::of_sample(&sample, rule) {
                counts.add(series, sample.value);
            }
        }
        counts
    }

    pub(crate) fn add(&mut self, series: Series, count: u64) {
        *self.0.entry(series).or_default() += count;
    }

    /// Every series that the load or the sidecar counted. The sidecar's count is the difference of two pages.
    pub(crate) fn compare(&self, before: &Self, after: &Self) -> Vec<Compared> {
        let of = |counts: &Self, series: &Series| i128::from(counts.0.get(series).copied().unwrap_or(0));
        let mut all: Vec<_> = self.0.keys().chain(after.0.keys()).chain(before.0.keys()).collect();
        all.sort();
        all.dedup();
        let compared = all.into_iter().map(|series| Compared {
            series: series.clone(),
            sent: of(self, series),
            seen: of(after, series) - of(before, series),
        });
        compared.filter(|one| (one.sent, one.seen) != (0, 0)).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(series, count)| writeln!(f, "{series} {count}"))
    }
}

// === impl Compared ===

impl Compared {
    pub(crate) fn differs(&self) -> bool {
        self.sent != self.seen
    }
}

/// A line of the page.
struct Sample<'a> {
    family: &'a str,
    labels: Vec<(&'a str, String)>,
    value: u64,
}

// === impl Sample ===

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (family, rest) = line.split_at_checked(end)?;
        if !family.starts_with("mcp_") {
            return None;
        }
        let mut labels = Vec::new();
        let mut rest = rest;
        if let Some(mut inside) = rest.strip_prefix('{') {
            while !inside.starts_with('}') {
                let (name, quoted) = inside.split_once("=\"")?;
                let (value, after) = unquote(quoted)?;
                labels.push((name, value));
                inside = after.strip_prefix(',').unwrap_or(after);
            }
            rest = inside.strip_prefix('}')?;
        }
        // The sums of histograms may be fractions; they are not compared.
        let value = rest.trim().parse().ok()?;
        Some(Self { family, labels, value })
    }
}

/// Text up to the next quote that is not escaped, and what follows that quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                escaped => escaped,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Compared, Counts, Series};

    const PAGE: &str = r#"# TYPE mcp_requests_total counter
mcp_requests_total{method="tools/call",server_name="a",status="ok",error_type=""} 3
mcp_requests_total{method="tools/call",server_name="b",status="ok",error_type=""} 4
mcp_requests_total{method="tools/call",server_name="a",status="error",error_type="tool_error"} 0
mcp_tool_calls_total{tool_name="a\"b\\c, d}",server_name="a",status="ok",error_type=""} 3
mcp_notifications_total{method="notifications/message",direction="out",server_name="a"} 9
mcp_session_duration_microseconds_sum{server_name="a"} 1.5
mcp_session_duration_microseconds_count{server_name="a"} 2
envoy_server_live 1
mcp_requests_total{method="broken
"#;

    #[test]
    fn prometheus_page_is_parsed() {
        let expected = r#"mcp_requests_total{method="tools/call",status="error",error_type="tool_error"} 0
mcp_requests_total{method="tools/call",status="ok"} 7
mcp_session_duration_microseconds_count 2
mcp_tool_calls_total{tool_name="a"b\c, d}",status="ok"} 3
"#;
        assert_eq!(Counts::read(PAGE, None).to_string(), expected);
    }

    #[test]
    fn only_the_known_rule_is_read() {
        let page = concat!(
            "mcp_rate_limit_total{rule=\"a\",outcome=\"allowed\",server_name=\"s\"} 3\n",
            "mcp_rate_limit_total{rule=\"b\",outcome=\"limited\",server_name=\"s\"} 4\n",
        );
        let read = |rule| Counts::read(page, rule).to_string();
        assert_eq!(read(Some("b")), "mcp_rate_limit_total{rule=\"b\",outcome=\"limited\"} 4\n");
        assert_eq!(read(None), "");
    }

    #[test]
    fn comparison_shows_changes_of_either_side() {
        let counts = |entries: &[(&str, u64)]| {
            let mut counts = Counts::default();
            entries.iter().for_each(|(family, count)| counts.add(Series::new(family, &[]), *count));
            counts
        };
        let sent = counts(&[("same", 2), ("lost", 1), ("zero", 0)]);
        let before = counts(&[("same", 5), ("old", 3), ("restarted", 4)]);
        let after = counts(&[("same", 7), ("old", 3), ("foreign", 1), ("restarted", 1)]);
        let compared = |family: &str, sent, seen| Compared { series: Series::new(family, &[]), sent, seen };
        let rows = sent.compare(&before, &after);
        assert_eq!(
            rows,
            [compared("foreign", 0, 1), compared("lost", 1, 0), compared("restarted", 0, -3), compared("same", 2, 2)]
        );
        assert_eq!(rows.iter().map(Compared::differs).collect::<Vec<_>>(), [true, true, true, false]);
    }
}
