//! Metrics of one process by Envoy's rules, and the scrape that Prometheus would see.
//!
//! A stat is shared by name; an id belongs to the VM that defined it, and every definition makes a new one.

use std::collections::BTreeMap;
use std::fmt;

use crate::Fault;

/// Kind of a metric, with Envoy's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// The current value of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A counter.
    Counter(u64),
    /// A gauge.
    Gauge(u64),
    /// A histogram's samples, in the order they were recorded.
    Histogram(Vec<u64>),
}

/// One series as Prometheus would name it: family and labels in the order of the stat name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Family name.
    pub family: String,
    /// Label names and values; empty values included.
    pub labels: Vec<(String, String)>,
}

/// All series of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesTable(pub BTreeMap<Series, Value>);

/// All stats of a process by name.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    stats: BTreeMap<Vec<u8>, Value>,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn define(&mut self, kind: Kind, name: &[u8]) {
        self.stats.entry(name.to_vec()).or_insert_with(|| match kind {
            Kind::Counter => Value::Counter(0),
            Kind::Gauge => Value::Gauge(0),
            Kind::Histogram => Value::Histogram(Vec::new()),
        });
    }

    /// `proxy_increment_metric`: counters rise only, histograms cannot be incremented.
    pub(crate) fn increment(&mut self, name: &[u8], offset: i64) -> Result<(), String> {
        let change = offset.unsigned_abs();
        match self.stats.get_mut(name) {
            Some(Value::Counter(value)) if offset > 0 => *value += change,
            Some(Value::Gauge(value)) if offset >= 0 => *value += change,
            // Envoy has no guard here: the gauge would wrap around.
            Some(Value::Gauge(value)) if *value >= change => *value -= change,
            found => return Err(format!("increment by {offset} of {found:?}")),
        }
        Ok(())
    }

    /// `proxy_record_metric`: adds to a counter, sets a gauge, records a sample.
    pub(crate) fn record(&mut self, name: &[u8], value: u64) {
        match self.stats.get_mut(name) {
            Some(Value::Counter(counter)) => *counter += value,
            Some(Value::Gauge(gauge)) => *gauge = value,
            Some(Value::Histogram(samples)) => samples.push(value),
            None => {}
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.stats.len()
    }

    pub(crate) fn table(&self) -> Result<SeriesTable, Fault> {
        let mut table = SeriesTable::default();
        for (name, value) in &self.stats {
            table.0.insert(Series::from_stat_name(name)?, value.clone());
        }
        Ok(table)
    }
}

// === impl Series ===

impl Series {
    /// Takes `label=.=value;.;...family` apart as the shipped tag expressions do.
    ///
    /// # Errors
    ///
    /// The name, if it is not text, a token is no label, or the family is not a metric name.
    pub fn from_stat_name(name: &[u8]) -> Result<Self, Fault> {
        let bad = || Fault::BadSeries(String::from_utf8_lossy(name).into_owned());
        let text = std::str::from_utf8(name).map_err(|_| bad())?;
        let mut tokens: Vec<&str> = text.split(";.;").collect();
        let family = tokens.pop().unwrap_or_default();
        if family.is_empty() || !family.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(bad());
        }
        let mut labels: Vec<(String, String)> = Vec::with_capacity(tokens.len());
        for token in tokens {
            let (label, value) = token.split_once("=.=").ok_or_else(bad)?;
            if value.chars().any(|c| c.is_control() || "\"\\;=".contains(c))
                || labels.iter().any(|(known, _)| known == label)
            {
                return Err(bad());
            }
            labels.push((label.to_owned(), value.to_owned()));
        }
        Ok(Self { family: family.to_owned(), labels })
    }

    /// Value of a label, or nothing if the series does not have it.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Series {
    /// Family and labels; empty labels are left out as Prometheus leaves them out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, labels } = self;
        let shown: Vec<String> = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| format!("{label}={value}"))
            .collect();
        write!(out, "{family}{{{}}}", shown.join(","))
    }
}

// === impl Value ===

impl Value {
    /// Zero, or a histogram without samples.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Counter(value) | Self::Gauge(value) => *value == 0,
            Self::Histogram(samples) => samples.is_empty(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) | Self::Gauge(value) => write!(out, "{value}"),
            Self::Histogram(samples) => write!(out, "{samples:?}"),
        }
    }
}

// === impl SeriesTable ===

impl SeriesTable {
    /// Lines `family{label=value,...} value`, sorted, of the series that are not zero.
    pub fn non_zero(&self) -> Vec<String> {
        let moved = self.0.iter().filter(|(_, value)| !value.is_zero());
        moved.map(|(series, value)| format!("{series} {value}")).collect()
    }

    /// Lines of the series that are zero, without their value.
    pub fn zero(&self) -> Vec<String> {
        let still = self.0.iter().filter(|(_, value)| value.is_zero());
        still.map(|(series, _)| series.to_string()).collect()
    }

    /// All series of one family.
    pub fn family<'table>(&'table self, name: &'table str) -> impl Iterator<Item = (&'table Series, &'table Value)> {
        self.0.iter().filter(move |(series, _)| series.family == name)
    }

    /// Sum of a family's counters and gauges; for histograms, the number of samples.
    pub fn sum(&self, family: &str) -> u64 {
        let values = self.family(family).map(|(_, value)| match value {
            Value::Counter(value) | Value::Gauge(value) => *value,
            Value::Histogram(samples) => samples.len() as u64,
        });
        values.sum()
    }
}
