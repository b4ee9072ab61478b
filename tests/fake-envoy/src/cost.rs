//! The cost of an exchange in figures that do not depend on the machine, and the committed table of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Fault;

/// Allowed rise of the fuel against the committed table, in percent.
const TOLERATED_PERCENT: u64 = 5;

const HEADING: &str = "exchange\tfuel\tcalls\tby call";

/// Fuel (one unit per executed instruction, roughly) and host calls by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// Wasm fuel.
    pub fuel: u64,
    /// Host calls.
    pub calls: BTreeMap<&'static str, u64>,
}

/// Costs by exchange, as committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CostTable(BTreeMap<String, Row>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    fuel: u64,
    calls: u64,
    by_call: String,
}

// === impl Cost ===

impl Cost {
    /// This minus an earlier reading of the same VM.
    pub fn since(&self, earlier: &Self) -> Self {
        let rise = |(name, count): (&&'static str, &u64)| {
            let rise = count - earlier.calls.get(name).unwrap_or(&0);
            (rise > 0).then_some((*name, rise))
        };
        Self { fuel: self.fuel - earlier.fuel, calls: self.calls.iter().filter_map(rise).collect() }
    }

    /// All host calls.
    pub fn total_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

// === impl CostTable ===

impl CostTable {
    /// Adds the cost of an exchange.
    pub fn insert(&mut self, exchange: &str, cost: &Cost) {
        let by_call: Vec<String> = cost.calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let row = Row { fuel: cost.fuel, calls: cost.total_calls(), by_call: by_call.join(", ") };
        self.0.insert(exchange.to_owned(), row);
    }

    /// Reads a committed table.
    ///
    /// # Errors
    ///
    /// The first line that is not one of a table.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && *line != HEADING) {
            let bad = || Fault::Fixture(format!("cost table: {line:?}"));
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            let &[exchange, fuel, calls, by_call] = fields.as_slice() else { return Err(bad()) };
            let row = Row {
                fuel: fuel.parse().map_err(|_| bad())?,
                calls: calls.parse().map_err(|_| bad())?,
                by_call: by_call.to_owned(),
            };
            table.0.insert(exchange.to_owned(), row);
        }
        Ok(table)
    }

    /// The table as it is committed: one line per exchange, fields separated by tabs.
    pub fn render(&self) -> String {
        let mut text = format!("{HEADING}\n");
        for (exchange, Row { fuel, calls, by_call }) in &self.0 {
            let _ = writeln!(text, "{exchange}\t{fuel}\t{calls}\t{by_call}");
        }
        text
    }

    /// The table for people: aligned, with the change of fuel against `kept`.
    pub fn aligned(&self, kept: &Self) -> String {
        let mut text = format!("{:<22}{:>12}{:>9}{:>7}  by call\n", "exchange", "fuel", "change", "calls");
        for (exchange, Row { fuel, calls, by_call }) in &self.0 {
            let change = kept
                .0
                .get(exchange)
                .filter(|row| row.fuel > 0)
                .map_or_else(String::new, |row| format!("{:+.1}%", (*fuel as f64 / row.fuel as f64 - 1.0) * 100.0));
            let _ = writeln!(text, "{exchange:<22}{fuel:>12}{change:>9}{calls:>7}  {by_call}");
        }
        text
    }

    /// What is worse or not comparable: fuel that rose by more than 5 %, a change of host calls, an exchange
    /// that is missing on one side. Fuel that fell is no problem.
    pub fn problems(&self, kept: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        for (exchange, now) in &self.0 {
            let Some(then) = kept.0.get(exchange) else {
                problems.push(format!("{exchange}: not in the table"));
                continue;
            };
            if now.fuel * 100 > then.fuel * (100 + TOLERATED_PERCENT) {
                problems.push(format!("{exchange}: fuel {} was {}", now.fuel, then.fuel));
            }
            if now.by_call != then.by_call {
                problems.push(format!("{exchange}: host calls {} were {}", now.by_call, then.by_call));
            }
        }
        let gone = kept.0.keys().filter(|exchange| !self.0.contains_key(*exchange));
        problems.extend(gone.map(|exchange| format!("{exchange}: only in the table")));
        problems
    }
}
