//! What happened in the last minute at one URL: the increases between its pages.
//!
//! Increases are taken per URL and before pages are added up, so that the restart of one sidecar does not hide what others
//! counted. A restarted counter counts from 0, as in Prometheus; calls between the last page and the restart are lost.
//!
//! Cost: one set of increases per page and tool that was called, for a minute.

use super::figures::{Figures, Key, Outcomes};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long increases are kept.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The last minute of one URL.
#[derive(Default)]
pub(super) struct Recent {
    last: Option<(Instant, Figures)>,
    increases: VecDeque<Increase>,
}

/// What happened between two pages.
struct Increase {
    from: Instant,
    to: Instant,
    tools: BTreeMap<Key, Outcomes>,
    methods: BTreeMap<Key, Outcomes>,
}

/// What happened in the last minute, at all URLs.
#[derive(Default)]
pub(super) struct Activity {
    pub(super) tools: BTreeMap<Key, Outcomes>,
    pub(super) methods: BTreeMap<Key, Outcomes>,
    /// Calls per second, by server and tool.
    pub(super) rates: BTreeMap<Key, f64>,
    /// The time that the increases cover; zero until a URL has a second page.
    pub(super) covered: Duration,
}

// === impl Recent ===

impl Recent {
    /// Takes the next page, and forgets what is older than a minute.
    pub(super) fn add(&mut self, now: Instant, figures: Figures) {
        if let Some((from, last)) = &self.last {
            let calls = |figures: &Figures| -> BTreeMap<Key, Outcomes> {
                figures.tools.iter().map(|(key, tool)| (key.clone(), tool.calls.clone())).collect()
            };
            let tools = increases(&calls(last), &calls(&figures));
            let methods = increases(&last.methods, &figures.methods);
            self.increases.push_back(Increase { from: *from, to: now, tools, methods });
        }
        self.increases.retain(|increase| now.duration_since(increase.to) < WINDOW);
        self.last = Some((now, figures));
    }

    /// When the last page came, and its figures.
    pub(super) fn last(&self) -> Option<&(Instant, Figures)> {
        self.last.as_ref()
    }
}

fn increases(before: &BTreeMap<Key, Outcomes>, now: &BTreeMap<Key, Outcomes>) -> BTreeMap<Key, Outcomes> {
    let none = Outcomes::default();
    let increases = now.iter().map(|(key, now)| (key.clone(), now.since(before.get(key).unwrap_or(&none))));
    increases.filter(|(_, increase)| increase.total() > 0.0).collect()
}

// === impl Activity ===

impl Activity {
    /// Adds the last minute of a URL.
    pub(super) fn add(&mut self, now: Instant, recent: &Recent) {
        // A URL that did not answer for a while has one increase that covers more than a minute.
        let Some(from) = recent.increases.front().map(|increase| increase.from) else { return };
        let covered = now.duration_since(from).max(Duration::from_millis(1));
        for increase in &recent.increases {
            for (key, outcomes) in &increase.tools {
                *self.rates.entry(key.clone()).or_default() += outcomes.total() / covered.as_secs_f64();
                self.tools.entry(key.clone()).or_default().add(outcomes);
            }
            for (key, outcomes) in &increase.methods {
                self.methods.entry(key.clone()).or_default().add(outcomes);
            }
        }
        self.covered = self.covered.max(covered);
    }

    /// Drops what happened at all other servers.
    pub(super) fn keep_server(&mut self, name: &str) {
        self.tools.retain(|(server, _), _| server == name);
        self.methods.retain(|(server, _), _| server == name);
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, Recent};
    use crate::top::figures::Figures;
    use std::time::{Duration, Instant};

    fn calls(number: u32) -> Figures {
        Figures::read(&format!("mcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"t\"}} {number}\n"))
    }

    /// Rate of the tool after pages at these seconds, and the time that it covers.
    fn rate(pages: &[(u64, u32)]) -> (Option<f64>, u64) {
        let begin = Instant::now();
        let at = |second: u64| begin + Duration::from_secs(second);
        let mut recent = Recent::default();
        pages.iter().for_each(|(second, number)| recent.add(at(*second), calls(*number)));
        let mut activity = Activity::default();
        activity.add(at(pages.last().unwrap().0), &recent);
        (activity.rates.get(&("w".to_owned(), "t".to_owned())).copied(), activity.covered.as_secs())
    }

    #[test]
    fn first_page_has_no_rate() {
        assert_eq!(rate(&[(0, 100)]), (None, 0));
    }

    #[test]
    fn rate_covers_the_time_between_pages() {
        assert_eq!(rate(&[(0, 100), (2, 104), (4, 108)]), (Some(2.0), 4));
    }

    #[test]
    fn restarted_counter_counts_from_zero() {
        assert_eq!(rate(&[(0, 100), (2, 6)]), (Some(3.0), 2));
    }

    #[test]
    fn increases_are_forgotten_after_a_minute() {
        assert_eq!(rate(&[(0, 0), (2, 100), (60, 100), (62, 100)]), (None, 60));
    }

    #[test]
    fn increase_over_a_long_silence_is_spread_over_it() {
        assert_eq!(rate(&[(0, 0), (200, 100)]), (Some(0.5), 200));
    }

    #[test]
    fn rates_of_two_urls_are_added() {
        let begin = Instant::now();
        let mut activity = Activity::default();
        for number in [2, 4] {
            let mut recent = Recent::default();
            recent.add(begin, calls(0));
            recent.add(begin + Duration::from_secs(2), calls(number));
            activity.add(begin + Duration::from_secs(2), &recent);
        }
        assert_eq!(activity.rates.values().collect::<Vec<_>>(), [&3.0]);
        assert_eq!(activity.tools.values().map(|calls| calls.total()).collect::<Vec<_>>(), [6.0]);
    }
}
