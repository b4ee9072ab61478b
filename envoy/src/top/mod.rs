//! The command `top`: the tools of one sidecar or several, as a table in a terminal.
//!
//! It reads pages of metrics and nothing else: `fetch` gets a page, `parse` reads its samples, `figures` and `histogram` add
//! them up, `recent` keeps what happened in the last minute, `words`, `rows` and `table` turn it into text, `live` and
//! `screen` show it in a terminal, `job` stops it there, `watch` is for the command `demo`.
//!
//! **What this does not do:** figures of a time before the command started, except totals since Envoy started; TLS; other
//! families than those of the table (`/metrics` has them all). Cost: one page per URL every two seconds.

mod fetch;
mod figures;
mod histogram;
mod job;
mod live;
mod parse;
mod recent;
mod rows;
mod screen;
mod table;
mod text;
mod watch;
mod words;

pub use rows::Column;
pub(crate) use watch::{Counts, Watch};

use crate::console::{print_error, print_result};
use crate::probe::own_probe;
pub(crate) use fetch::Source;
use figures::Figures;
use recent::Activity;
use std::io::{self, IsTerminal};
use std::thread;
use table::Table;

/// Exit status if a URL does not answer, or the table cannot be shown.
const FAILED: u8 = 1;
/// Exit status for arguments that are refused.
const REFUSED: u8 = 2;

/// The arguments of `top`.
#[derive(clap::Args, Debug)]
pub struct TopOptions {
    /// A sidecar's probe port, such as http://localhost:9902, or the whole address of a page of metrics. Several are added up.
    /// [default: the sidecar at PROBE_PORT, 9902 by default]
    #[arg(value_name = "URL", default_values_t = [own_probe()], hide_default_value = true)]
    urls: Vec<String>,
    /// Prints the table once, with totals since the start, and ends.
    #[arg(long)]
    once: bool,
    /// The column by which the table is sorted: names from A, numbers from the largest.
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Column::Calls)]
    sort: Column,
    /// Shows only the server with this name.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

/// What is shown at a time.
#[derive(Default)]
struct View {
    figures: Figures,
    /// The last minute; `None` if there is only one page ever.
    activity: Option<Activity>,
    /// One line for each URL that does not answer.
    problems: Vec<String>,
    /// URLs that answered.
    pages: usize,
    /// These URLs, if they are to be told.
    urls: Vec<String>,
    /// The server that is shown alone, as it is shown.
    server: Option<String>,
    /// The names of all servers, as they are shown.
    all_servers: Vec<String>,
}

// === impl View ===

impl View {
    /// Leaves only the server that is shown alone.
    fn filtered(mut self, server: Option<&str>) -> Self {
        self.all_servers = self.figures.server_names().iter().map(|name| text::clean(name)).collect();
        if let Some(name) = server {
            // Names are compared as they are shown.
            let name = text::clean(name);
            let is_kept = |server: &str| text::clean(server) == name;
            self.figures.keep_servers(is_kept);
            if let Some(activity) = &mut self.activity {
                activity.keep_servers(is_kept);
            }
            self.server = Some(name);
        }
        self
    }
}

/// Runs the command, and returns its exit status.
#[must_use]
pub fn top(options: &TopOptions) -> u8 {
    let refuse = |problem: String| {
        print_error(format_args!("{problem}"));
        REFUSED
    };
    let mut sources: Vec<Source> = Vec::new();
    for argument in &options.urls {
        match Source::parse(argument) {
            // A page counts once.
            Ok(source) if sources.iter().any(|known| known.is(&source)) => {}
            Ok(source) => sources.push(source),
            Err(problem) => return refuse(problem),
        }
    }
    if options.once && options.sort == Column::Rate {
        return refuse("--sort rate: rates need two pages; allowed with --once: the other columns".to_owned());
    }
    if options.once {
        return print_once(&sources, options);
    }
    if !io::stdout().is_terminal() {
        return refuse(
            "standard output is not a terminal; mcp-sidecar top --once prints the table and ends".to_owned(),
        );
    }
    match live::run(&sources, options) {
        Ok(()) => 0,
        Err(error) => {
            print_error(format_args!(
                "the terminal cannot be used ({error}); mcp-sidecar top --once prints the table and ends"
            ));
            FAILED
        }
    }
}

/// Prints the table. URLs that do not answer are reported on standard error.
fn print_once(sources: &[Source], options: &TopOptions) -> u8 {
    let mut view = View::default();
    let mut status = 0;
    for (source, page) in sources.iter().zip(pages(sources)) {
        match page {
            Ok(page) => {
                view.figures.add(&Figures::read(&page));
                view.pages += 1;
                // Two sidecars may have servers of one name. Of a single URL the reader knows it.
                if sources.len() > 1 {
                    view.urls.push(source.shown());
                }
            }
            Err(problem) => {
                print_error(format_args!("{problem}"));
                status = FAILED;
            }
        }
    }
    if view.pages > 0 {
        let text = once(&view.filtered(options.server.as_deref()), options.sort, printed_width());
        if let Err(problem) = print_result(&text) {
            print_error(format_args!("{problem}"));
            status = FAILED;
        }
    }
    status
}

/// The pages of all sources, requested at the same time.
fn pages(sources: &[Source]) -> Vec<Result<String, String>> {
    thread::scope(|scope| {
        let requests: Vec<_> = sources.iter().map(|source| scope.spawn(|| source.get())).collect();
        let failed = || Err("a request failed".to_owned());
        requests.into_iter().map(|request| request.join().unwrap_or_else(|_| failed())).collect()
    })
}

/// The table and the words under it, as `--once` prints them. Rates need two pages.
fn once(view: &View, order: Column, width: usize) -> String {
    let table = Table::fit(rows::rows(view, order), width, view.activity.is_some());
    let mut lines = Vec::new();
    if table.lines().len() > 0 {
        lines.extend([table.header(), table.rule()]);
        lines.extend(table.lines().map(|(_, line)| line));
        lines.push(String::new());
    }
    lines.extend(words::lines(view).into_iter().map(|line| line.text));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The width for `--once`: `COLUMNS`, else the terminal's; without a terminal there is no limit.
fn printed_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let terminal = || ratatui::crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns));
    columns.or_else(|| terminal().filter(|_| io::stdout().is_terminal())).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Column, Figures, View, once};

    const PAGE: &str = "mcp_filter_info 1\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"ok\",tool_name=\"t\"} 2\n\
        mcp_tool_calls_total{server_name=\"w\",status=\"error\",error_type=\"tool_error\",tool_name=\"t\"} 1\n\
        mcp_sessions_active{server_name=\"w\"} 1\n\
        mcp_tool_calls_total{server_name=\"v\",status=\"ok\",tool_name=\"\x1b[31mu\"} 1\n";

    fn view() -> View {
        View { figures: Figures::read(PAGE), pages: 1, ..View::default() }
    }

    #[test]
    fn once_prints_table_and_words() {
        let expected = "\
            tool  calls  errors  error types   p50  p95  mean result  definition\n\
            ----  -----  ------  ------------  ---  ---  -----------  ----------\n\
            t         3       1  tool_error 1    -    -            -           -\n\
            \n\
            1 of 3 calls of t failed since the start: tool_error 1\n\
            w: 1 session, 0 streams, 0 operations in flight\n";
        assert_eq!(once(&view().filtered(Some("w")), Column::Calls, 70), expected);
    }

    #[test]
    fn once_prints_no_control_characters() {
        let text = once(&view().filtered(None), Column::Calls, usize::MAX);
        assert!(
            text.contains("_[31mu") && !text.contains(|letter: char| letter.is_control() && letter != '\n'),
            "{text:?}"
        );
    }
}
