//! One sidecar for the command `demo`: its page again and again, the table as text, and the counts.

use super::fetch::Source;
use super::figures::Figures;
use super::live::Urls;
use super::rows::Column;
use super::text::wrap;
use super::{View, once, printed_width};
use ratatui::crossterm::terminal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// Operations that ended, by tool or method, status and error type.
pub(crate) type Counts = BTreeMap<[String; 3], u64>;

/// A sidecar that is watched.
pub(crate) struct Watch {
    source: Source,
    urls: Urls,
    figures: Figures,
}

// === impl Watch ===

impl Watch {
    /// Watches the sidecar with this probe port.
    ///
    /// # Errors
    ///
    /// The address makes no URL.
    pub(crate) fn new(probe: SocketAddr) -> Result<Self, String> {
        let source = Source::parse(&probe.to_string())?;
        let urls = Urls::new(std::slice::from_ref(&source));
        Ok(Self { source, urls, figures: Figures::default() })
    }

    /// Gets the next page.
    ///
    /// # Errors
    ///
    /// A line that says why there is none.
    pub(crate) fn refresh(&mut self) -> Result<(), String> {
        self.figures = Figures::read(&self.source.get()?);
        self.urls.take(Instant::now(), 0, Ok(self.figures.clone()));
        Ok(())
    }

    /// The counts that are not 0.
    pub(crate) fn counts(&self) -> Counts {
        let tools = self.figures.tools.iter().map(|((_, tool), figures)| (tool, &figures.calls));
        let methods = self.figures.methods.iter().map(|((_, method), outcomes)| (method, outcomes));
        let mut counts = Counts::new();
        for (subject, outcomes) in tools.chain(methods) {
            for ((status, error_type), count) in outcomes.ended().filter(|(_, count)| **count > 0.0) {
                *counts.entry([subject, status, error_type].map(Clone::clone)).or_default() += *count as u64;
            }
        }
        counts
    }

    /// Whether a tool was called.
    pub(crate) fn has_calls(&self) -> bool {
        self.figures.tools.values().any(|tool| tool.calls.total() > 0.0)
    }

    /// Whether the histograms of durations and sizes have all calls. They are later than the counters.
    pub(crate) fn has_all_durations(&self) -> bool {
        self.figures.tools.values().all(|tool| tool.has_all_durations())
    }

    /// The table with the rates of the last minute, and the words, in lines that fit the terminal.
    pub(crate) fn table(&self) -> String {
        text(&self.urls.view(Instant::now()))
    }

    /// The same with totals only.
    pub(crate) fn total(&self) -> String {
        text(&View { figures: self.figures.clone(), pages: 1, ..View::default() })
    }

    /// The lines of the terminal; 0 without one.
    pub(crate) fn screen_lines() -> usize {
        terminal::size().map_or(0, |(_, lines)| lines.into())
    }
}

fn text(view: &View) -> String {
    let width = printed_width();
    once(view, Column::Tool, width).lines().flat_map(|line| wrap(line, width)).map(|line| line + "\n").collect()
}
