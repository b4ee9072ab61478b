//! Reads the samples of a page in Prometheus' text format: `name{label="value",…} value`, one per line.
//!
//! Only the families of the filter and Envoy's health of clusters are returned. Labels are as in the page, not cleaned for a
//! terminal: two names that look the same stay two. Comments, timestamps and exemplars are not read. A line that is
//! not a sample is skipped; [`is_page`] tells a page from something else.
//!
//! Cost: one pass over the page; lines of other families end at their name.

use std::collections::BTreeMap;

/// How the filter's families begin.
const PREFIX: &str = "mcp_";
/// Envoy's number of healthy hosts per cluster.
pub(super) const HEALTHY: &str = "envoy_cluster_membership_healthy";

/// One sample.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    labels: BTreeMap<&'a str, String>,
    pub(super) value: f64,
}

// === impl Sample ===

impl Sample<'_> {
    /// The value of a label; empty if it is absent, as in Prometheus.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// The samples of a page that this command needs.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    let needed = page.lines().filter(|line| line.starts_with(PREFIX) || line.starts_with(HEALTHY));
    needed.filter_map(sample).filter(|sample| sample.value.is_finite())
}

/// Whether a text is a page of metrics: its first line that is no comment is a sample.
pub(super) fn is_page(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| sample(line).is_some())
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' ', '\t']).filter(|end| *end > 0)?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// The labels after an opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = value(quoted)?;
        labels.insert(name.trim(), value);
        rest = after;
    }
}

/// A label's value after its opening quote, and what follows the closing one.
fn value(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => value.push(match letters.next()? {
                'n' => '\n',
                other => other,
            }),
            letter => value.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_page, samples};

    #[test]
    fn labels_and_values_are_read() {
        let page = "# TYPE mcp_a counter\nmcp_a{tool_name=\"x\",server_name=\"w\"} 3\nmcp_tools_listed_total{} 2.5 1700000000000\nmcp_c 1e+06\nother 4\n\
                    envoy_cluster_membership_healthy{envoy_cluster_name=\"w\"} 1\nmcp_d{le=\"+Inf\",} 7 # {trace_id=\"1\"} 1\n";
        let found: Vec<_> = samples(page).map(|sample| (sample.name, sample.value)).collect();
        let expected = [
            ("mcp_a", 3.0),
            ("mcp_tools_listed_total", 2.5),
            ("mcp_c", 1e6),
            ("envoy_cluster_membership_healthy", 1.0),
            ("mcp_d", 7.0),
        ];
        assert_eq!(found, expected);
        let first = samples(page).next().unwrap();
        assert_eq!((first.label("tool_name"), first.label("server_name"), first.label("absent")), ("x", "w", ""));
    }

    #[test]
    fn escapes_in_a_value_are_read() {
        let page = "mcp_a{tool_name=\"a\\\"b\\\\c\\nd}, e\x1b[2J\"} 1\n";
        assert_eq!(samples(page).next().unwrap().label("tool_name"), "a\"b\\c\nd}, e\x1b[2J");
    }

    #[test]
    fn lines_that_are_no_samples_are_skipped() {
        for line in [
            "mcp_a",
            "mcp_a{",
            "mcp_a{x=\"1} 2",
            "mcp_tools_listed_total{server_name=1} 2",
            "mcp_a one",
            "mcp_a NaN",
            "mcp_a +Inf",
            "",
            "{} 1",
        ] {
            assert_eq!(samples(line).count(), 0, "{line}");
        }
    }

    #[test]
    fn page_of_metrics_is_told_from_other_text() {
        assert!(is_page("# HELP a b\n# TYPE a counter\na{b=\"c\"} 0\n"));
        for text in ["", "# a comment\n", "<html>\n<body></body>\n", "404 page not found\n", "{\"a\": 1}\n"] {
            assert!(!is_page(text), "{text}");
        }
    }
}
