//! The table of costs: its committed form, its form for people, and what is worse than in the committed table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::{Cost, Fault, Footprint};

/// Allowed rise of a count against the committed table, in percent.
const TOLERATED_PERCENT: u64 = 5;

/// The counts that may rise a little, in the order of the columns.
const COLUMNS: [&str; 7] = ["fuel", "functions", "code", "lines", "pages", "allocations", "host allocations"];

/// Costs by exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CostTable(BTreeMap<String, Row>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    counts: [u64; COLUMNS.len()],
    calls: u64,
    by_call: String,
}

// === impl CostTable ===

impl CostTable {
    /// Adds the cost of an exchange.
    pub fn insert(&mut self, exchange: &str, cost: &Cost, footprint: &Footprint) {
        let by_call: Vec<String> = cost.calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let Footprint { functions, code, lines, pages, allocations } = *footprint;
        let counts = [cost.fuel, functions, code, lines, pages, allocations, cost.host_allocations];
        let row = Row { counts, calls: cost.total_calls(), by_call: by_call.join(", ") };
        self.0.insert(exchange.to_owned(), row);
    }

    /// Reads a committed table.
    ///
    /// # Errors
    ///
    /// If a line is not a row of a table; the error has the first such line.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && *line != heading()) {
            let (exchange, row) = Row::parse(line).ok_or_else(|| Fault::Fixture(format!("cost table: {line:?}")))?;
            table.0.insert(exchange.to_owned(), row);
        }
        Ok(table)
    }

    /// The table as it is committed: one line per exchange, fields separated by tabs.
    pub fn render(&self) -> String {
        let mut text = format!("{}\n", heading());
        for (exchange, Row { counts, calls, by_call }) in &self.0 {
            let counts = counts.map(|count| count.to_string()).join("\t");
            let _ = writeln!(text, "{exchange}\t{counts}\t{calls}\t{by_call}");
        }
        text
    }

    /// The table for people: aligned, each count with its change against `kept`. Host calls by name are shown where
    /// they changed.
    pub fn aligned(&self, kept: &Self) -> String {
        let mut lines = vec![["exchange"].into_iter().chain(COLUMNS).chain(["calls"]).map(str::to_owned).collect()];
        for (exchange, row) in &self.0 {
            let old = kept.0.get(exchange);
            let counts = row.counts.iter().enumerate();
            let mut cells = vec![exchange.clone()];
            cells.extend(counts.map(|(column, now)| cell(*now, old.and_then(|old| old.counts.get(column)))));
            cells.push(cell(row.calls, old.map(|old| &old.calls)));
            lines.push(cells);
        }
        let mut text = align(&lines);
        for (exchange, row) in &self.0 {
            if let Some(old) = kept.0.get(exchange).filter(|old| old.by_call != row.by_call) {
                let _ = writeln!(text, "{exchange}: host calls {} were {}", row.by_call, old.by_call);
            }
        }
        text
    }

    /// What is worse than in `kept`, or cannot be compared: a count that rose by more than 5 %, a change of host
    /// calls, an exchange that is in only one of the tables. A count that fell is no problem.
    pub fn problems(&self, kept: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        for exchange in self.0.keys().chain(kept.0.keys()).collect::<BTreeSet<_>>() {
            match (self.0.get(exchange), kept.0.get(exchange)) {
                (Some(now), Some(then)) => {
                    problems.extend(now.problems(then).map(|problem| format!("{exchange}: {problem}")));
                }
                (Some(_), None) => problems.push(format!("{exchange}: not in the table")),
                _ => problems.push(format!("{exchange}: only in the table")),
            }
        }
        problems
    }
}

// === impl Row ===

impl Row {
    fn parse(line: &str) -> Option<(&str, Self)> {
        let mut fields = line.split('\t').map(str::trim);
        let exchange = fields.next()?;
        let mut counts = [0; COLUMNS.len()];
        for count in &mut counts {
            *count = fields.next()?.parse().ok()?;
        }
        let calls = fields.next()?.parse().ok()?;
        let by_call = fields.next()?.to_owned();
        fields.next().is_none().then_some((exchange, Self { counts, calls, by_call }))
    }

    fn problems(&self, then: &Self) -> impl Iterator<Item = String> {
        let counts = COLUMNS.into_iter().zip(self.counts.into_iter().zip(then.counts));
        let risen = counts.filter(|(_, (now, then))| now * 100 > then * (100 + TOLERATED_PERCENT));
        let risen = risen.map(|(column, (now, then))| format!("{column} {now} was {then}"));
        let calls =
            (self.by_call != then.by_call).then(|| format!("host calls {} were {}", self.by_call, then.by_call));
        risen.chain(calls)
    }
}

fn heading() -> String {
    format!("exchange\t{}\tcalls\tby call", COLUMNS.join("\t"))
}

/// A count, and how it differs from an old one.
fn cell(now: u64, old: Option<&u64>) -> String {
    match old {
        Some(&old) if old > 0 && old != now => {
            format!("{now} {:+.1}%", (now as f64 / old as f64 - 1.0) * 100.0)
        }
        Some(&old) if old != now => format!("{now} was {old}"),
        _ => now.to_string(),
    }
}

/// Columns of equal width: the first to the left, the others to the right.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column| lines.iter().filter_map(|cells| cells.get(column)).map(String::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in lines {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(text, "{cell:<width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.push('\n');
    }
    text
}
