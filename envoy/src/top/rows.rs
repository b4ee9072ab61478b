//! The rows of the table: one per server and tool, with what its cells show, and their order.

use super::View;
use super::text;
use super::words::types;
use clap::ValueEnum;
use std::cmp::Ordering;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Name of the server.
    Server,
    /// Name of the tool.
    Tool,
    /// Calls that ended.
    Calls,
    /// Calls per second in the last minute.
    Rate,
    /// Calls that failed.
    Errors,
    /// Failed calls by error type.
    #[value(skip)]
    Types,
    /// Median duration.
    P50,
    /// 95th percentile of the durations.
    P95,
    /// Mean size of a result.
    Result,
    /// Size of the tool's definition.
    Definition,
}

/// All columns, from left to right.
pub(super) const COLUMNS: [Column; 10] = [
    Column::Server,
    Column::Tool,
    Column::Calls,
    Column::Rate,
    Column::Errors,
    Column::Types,
    Column::P50,
    Column::P95,
    Column::Result,
    Column::Definition,
];

// === impl Column ===

impl Column {
    pub(super) fn head(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Calls => "calls",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::Types => "error types",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::Result => "mean result",
            Self::Definition => "definition",
        }
    }

    /// Whether the column has names, as opposed to numbers.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Server | Self::Tool | Self::Types)
    }

    /// The next column to sort by.
    pub(super) fn next(self) -> Self {
        let sortable = || COLUMNS.into_iter().filter(|column| *column != Self::Types);
        sortable().skip_while(|column| *column != self).nth(1).unwrap_or(Self::Server)
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) server: String,
    pub(super) tool: String,
    calls: f64,
    rate: Option<f64>,
    errors: f64,
    types: String,
    p50: Option<f64>,
    p95: Option<f64>,
    result: Option<f64>,
    definition: Option<f64>,
    /// Whether calls failed in the last minute.
    pub(super) fails_now: bool,
}

/// The rows in the order of a column: names from A, numbers from the largest. Equal rows are in the order of their names.
pub(super) fn rows(view: &View, order: Column) -> Vec<Row> {
    let mut rows: Vec<_> = view.figures.tools.keys().filter_map(|key| Row::of(view, key)).collect();
    rows.sort_by(|one, other| match order {
        Column::Server | Column::Types => Ordering::Equal,
        Column::Tool => one.tool.cmp(&other.tool),
        number => other.number(number).total_cmp(&one.number(number)),
    });
    rows
}

// === impl Row ===

impl Row {
    fn of(view: &View, key: &(String, String)) -> Option<Self> {
        let tool = view.figures.tools.get(key)?;
        let activity = view.activity.as_ref().filter(|activity| !activity.covered.is_zero());
        let rate = activity.map(|activity| activity.rates.get(key).copied().unwrap_or(0.0));
        Some(Self {
            server: text::clean(&key.0),
            tool: text::clean(&key.1),
            calls: tool.calls.total(),
            rate,
            errors: tool.calls.failed(),
            types: types(&tool.calls),
            p50: tool.durations.quantile(0.5),
            p95: tool.durations.quantile(0.95),
            result: tool.mean_result(),
            definition: Some(tool.definition).filter(|size| *size > 0.0),
            fails_now: activity.and_then(|activity| activity.tools.get(key)).is_some_and(|calls| calls.failed() > 0.0),
        })
    }

    /// The number in a column; less than all others if there is none.
    fn number(&self, column: Column) -> f64 {
        let number = match column {
            Column::Calls => Some(self.calls),
            Column::Rate => self.rate,
            Column::Errors => Some(self.errors),
            Column::P50 => self.p50,
            Column::P95 => self.p95,
            Column::Result => self.result,
            Column::Definition => self.definition,
            Column::Server | Column::Tool | Column::Types => None,
        };
        number.unwrap_or(-1.0)
    }

    /// The text of a cell; `-` where there is no number.
    pub(super) fn cell(&self, column: Column) -> String {
        let number = match column {
            Column::Server => return self.server.clone(),
            Column::Tool => return self.tool.clone(),
            Column::Types => return self.types.clone(),
            Column::Calls => Some(text::count(self.calls)),
            Column::Rate => self.rate.map(text::rate),
            Column::Errors => Some(text::count(self.errors)),
            Column::P50 => self.p50.map(text::duration),
            Column::P95 => self.p95.map(text::duration),
            Column::Result => self.result.map(text::size),
            Column::Definition => self.definition.map(text::size),
        };
        number.unwrap_or_else(|| "-".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Column, rows};
    use crate::top::View;
    use crate::top::figures::Figures;

    /// Three tools of two servers. The tool `c` was listed and never called.
    fn view() -> View {
        let call = |server: &str, tool: &str, status: &str, number: u32, bucket: [u32; 2]| {
            let labels = format!("server_name=\"{server}\",tool_name=\"{tool}\"");
            format!(
                "mcp_tool_calls_total{{{labels},status=\"{status}\",error_type=\"\"}} {number}\n\
                 mcp_tool_duration_microseconds_bucket{{{labels},le=\"1000\"}} {}\n\
                 mcp_tool_duration_microseconds_bucket{{{labels},le=\"+Inf\"}} {}\n",
                bucket[0], bucket[1]
            )
        };
        let page = call("w", "a", "ok", 5, [5, 5])
            + &call("w", "b", "error", 3, [0, 3])
            + &call("v", "c", "ok", 0, [0, 0])
            + "mcp_tool_definition_bytes{server_name=\"v\",tool_name=\"c\"} 1500\n";
        View { figures: Figures::read(&page), pages: 1, ..View::default() }
    }

    fn order(column: Column) -> Vec<String> {
        rows(&view(), column).into_iter().map(|row| row.tool).collect()
    }

    #[test]
    fn numbers_are_sorted_from_the_largest_and_names_from_a() {
        assert_eq!(order(Column::Server), ["c", "a", "b"]);
        assert_eq!(order(Column::Tool), ["a", "b", "c"]);
        assert_eq!(order(Column::Calls), ["a", "b", "c"]);
        assert_eq!(order(Column::Errors), ["b", "c", "a"]);
        assert_eq!(order(Column::P95), ["b", "a", "c"]);
        assert_eq!(order(Column::Definition), ["c", "a", "b"]);
        assert_eq!(order(Column::Rate), ["c", "a", "b"]);
    }

    #[test]
    fn cells_without_a_number_have_a_dash() {
        let rows = rows(&view(), Column::Tool);
        let cells = |row: usize| COLUMNS.map(|column| rows[row].cell(column));
        assert_eq!(cells(0), ["w", "a", "5", "-", "0", "", "0.5 ms", "0.9 ms", "-", "-"]);
        assert_eq!(cells(2), ["v", "c", "0", "-", "0", "", "-", "-", "-", "1.5 kB"]);
    }

    #[test]
    fn tools_whose_names_look_the_same_have_a_row_each() {
        let call = |tool: &str, number: u32| {
            format!("mcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"{tool}\"}} {number}\n")
        };
        let page = call("a\u{3164}b", 1) + &call("a\u{fe0f}b", 2) + &call("a_b", 4);
        let view = View { figures: Figures::read(&page), pages: 1, ..View::default() };
        let shown: Vec<_> =
            rows(&view, Column::Calls).iter().map(|row| [row.cell(Column::Tool), row.cell(Column::Calls)]).collect();
        assert_eq!(shown, [["a_b", "4"], ["a_b", "2"], ["a_b", "1"]]);
    }

    #[test]
    fn every_column_with_numbers_or_names_is_reached() {
        let reached: Vec<_> =
            std::iter::successors(Some(Column::Server), |column| Some(column.next())).take(9).collect();
        assert_eq!(reached, COLUMNS.into_iter().filter(|column| *column != Column::Types).collect::<Vec<_>>());
        assert_eq!(Column::Definition.next(), Column::Server);
    }
}
