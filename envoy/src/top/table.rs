//! The table as lines that fit a width.
//!
//! Where the width is not enough, long names are cut first; then columns are left out, those that tell least first. The name
//! of the tool and its errors stay.

use super::rows::{COLUMNS, Column, Row};
use super::text::{cut, pad, width};

/// Columns between two columns of the table.
const GAP: usize = 2;
/// A name is not cut to less, unless nothing else is left.
const SHORTEST_NAME: usize = 16;
/// Which columns are left out, the first first.
const LEFT_OUT: [Column; 8] = [
    Column::Definition,
    Column::Result,
    Column::Rate,
    Column::P50,
    Column::Types,
    Column::Server,
    Column::P95,
    Column::Calls,
];

/// The table's lines, all of the same columns.
pub(super) struct Table {
    /// Each column with its width.
    columns: Vec<(Column, usize)>,
    rows: Vec<Row>,
    /// Lines are cut here.
    width: usize,
}

// === impl Table ===

impl Table {
    /// The table of these rows in at most so many columns. `with_rate` is false where rates are not known.
    pub(super) fn fit(rows: Vec<Row>, width: usize, with_rate: bool) -> Self {
        let mut columns: Vec<_> = COLUMNS.into_iter().filter(|column| with_rate || *column != Column::Rate).collect();
        let mut left_out: Vec<_> = LEFT_OUT.into_iter().rev().collect();
        if rows.windows(2).all(|pair| matches!(pair, [one, other] if one.server == other.server)) {
            left_out.push(Column::Server);
        }
        let widths =
            |columns: &[Column]| columns.iter().map(|column| (*column, natural_width(*column, &rows))).collect();
        let mut fitted: Vec<_> = widths(&columns);
        while !narrow(&mut fitted, width)
            && let Some(column) = left_out.pop()
        {
            columns.retain(|kept| *kept != column);
            fitted = widths(&columns);
        }
        Self { columns: fitted, rows, width }
    }

    pub(super) fn header(&self) -> String {
        self.line(|column| column.head().to_owned())
    }

    /// The line under the header.
    pub(super) fn rule(&self) -> String {
        let dashes = self.columns.iter().map(|(_, width)| "-".repeat(*width)).collect::<Vec<_>>();
        cut(&dashes.join(&" ".repeat(GAP)), self.width)
    }

    /// The rows and their lines.
    pub(super) fn lines(&self) -> impl ExactSizeIterator<Item = (&Row, String)> {
        self.rows.iter().map(|row| (row, self.line(|column| row.cell(column))))
    }

    fn line(&self, cell: impl Fn(Column) -> String) -> String {
        let cells = self.columns.iter().map(|(column, width)| pad(&cell(*column), *width, !column.is_text()));
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        cut(line.trim_end(), self.width)
    }
}

/// The width at which nothing in a column is cut.
fn natural_width(column: Column, rows: &[Row]) -> usize {
    let cells = rows.iter().map(|row| width(&row.cell(column)));
    cells.chain([width(column.head())]).max().unwrap_or(0)
}

/// Cuts columns of names until all columns fit, the widest first; whether they fit. With two columns left the name gives way.
fn narrow(columns: &mut [(Column, usize)], limit: usize) -> bool {
    let shortest = if columns.len() > 2 { SHORTEST_NAME } else { 1 };
    loop {
        let total: usize = columns.iter().map(|(_, width)| width + GAP).sum();
        let Some(excess @ 1..) = total.checked_sub(limit.saturating_add(GAP)) else { return true };
        let names = columns.iter_mut().filter(|(column, width)| column.is_text() && *width > shortest);
        let Some((_, widest)) = names.max_by_key(|(_, width)| *width) else { return false };
        // One column after the other would be as right, and slow for a name of many columns.
        *widest -= excess.min((*widest - shortest).div_ceil(2));
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::top::View;
    use crate::top::figures::Figures;
    use crate::top::rows::{Column, rows};
    use crate::top::text::width;

    fn view(tools: &[(&str, &str)]) -> View {
        let line = |(server, tool): &(&str, &str)| {
            format!(
                "mcp_tool_calls_total{{server_name=\"{server}\",tool_name=\"{tool}\",status=\"ok\"}} 10\n\
                 mcp_tool_calls_total{{server_name=\"{server}\",tool_name=\"{tool}\",status=\"error\",error_type=\"tool_error\"}} 2\n\
                 mcp_tool_definition_bytes{{server_name=\"{server}\",tool_name=\"{tool}\"}} 700\n"
            )
        };
        View { figures: Figures::read(&tools.iter().map(line).collect::<String>()), pages: 1, ..View::default() }
    }

    fn text(tools: &[(&str, &str)], columns: usize) -> Vec<String> {
        let table = Table::fit(rows(&view(tools), Column::Tool), columns, false);
        [table.header(), table.rule()].into_iter().chain(table.lines().map(|(_, line)| line)).collect()
    }

    #[test]
    fn columns_are_aligned_with_wide_characters() {
        let expected = [
            "server  tool      calls  errors  error types   p50  p95  mean result  definition",
            "------  --------  -----  ------  ------------  ---  ---  -----------  ----------",
            "w       forecast     12       2  tool_error 2    -    -            -       700 B",
            "w       天気         12       2  tool_error 2    -    -            -       700 B",
        ];
        assert_eq!(text(&[("w", "天気"), ("w", "forecast")], usize::MAX), expected);
    }

    #[test]
    fn server_is_left_out_first_if_there_is_only_one() {
        assert!(text(&[("w", "a"), ("w", "b")], 70)[0].starts_with("tool  calls"));
        let two = text(&[("w", "a"), ("v", "b")], 64);
        assert!(two[0].starts_with("server  tool") && !two[0].contains("definition"), "{two:?}");
    }

    #[test]
    fn long_name_is_cut_before_columns_are_left_out() {
        let lines = text(&[("w", &"x".repeat(60))], 110);
        assert!(lines[0].contains("definition") && lines[2].contains("x…"), "{lines:?}");
    }

    #[test]
    fn lines_fit_every_width_and_keep_the_tool() {
        let tools = [("weather", "a_tool_with_a_long_name_of_40_characters"), ("shop", "天気予報天気予報天気予報")];
        for columns in 1..140 {
            for line in text(&tools, columns) {
                assert!(width(&line) <= columns, "{columns}: {line:?}");
            }
        }
        assert_eq!(
            text(&tools, 20),
            ["tool          errors", "------------  ------", "a_tool_with…       2", "天気予報天…        2"]
        );
    }
}
