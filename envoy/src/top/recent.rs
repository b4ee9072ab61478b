//! What happened in the last minute at one URL: the increases between its pages.
//!
//! Increases are taken per URL and before pages are added up, so that the restart of one sidecar does not hide what others
//! counted. A restarted counter counts from 0, as in Prometheus; calls between the last page and the restart are lost. A counter
//! that a page lacks keeps its last value, so that it does not count as new when it is back.
//!
//! Cost: one set of increases per page and tool that was called, for a minute; the last values, with at most [`MOST_ABSENT`] of
//! counters that are not in the last page.

use super::figures::{Figures, Key, Outcomes};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How long increases are kept.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Counters that are kept although the last page lacks them. With more, all of these are forgotten. A page of 64 MiB has some
/// hundred thousand.
const MOST_ABSENT: usize = 100_000;

/// The last minute of one URL.
#[derive(Default)]
pub(super) struct Recent {
    last: Option<(Instant, Figures)>,
    tools: LastValues,
    methods: LastValues,
    increases: VecDeque<Increase>,
}

/// The last value of each counter that was ever seen.
#[derive(Default)]
struct LastValues(BTreeMap<Key, Outcomes>);

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
        let tools = self.tools.take(figures.tools.iter().map(|(key, tool)| (key, &tool.calls)));
        let methods = self.methods.take(figures.methods.iter());
        // The first page has no increases: when it happened is not known.
        if let Some((from, _)) = &self.last {
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

// === impl LastValues ===

impl LastValues {
    /// Takes the values of the next page, and returns the increases.
    fn take<'a>(&mut self, page: impl Iterator<Item = (&'a Key, &'a Outcomes)> + Clone) -> BTreeMap<Key, Outcomes> {
        let mut increases = BTreeMap::new();
        for (key, now) in page.clone() {
            let last = self.0.entry(key.clone()).or_default();
            let increase = now.since(last);
            if increase.total() > 0.0 {
                increases.insert(key.clone(), increase);
            }
            last.replace(now);
        }
        let present: usize = page.clone().map(|(_, now)| now.counters()).sum();
        if self.counters() > present + MOST_ABSENT {
            self.0 = page.map(|(key, now)| (key.clone(), now.clone())).collect();
        }
        increases
    }

    fn counters(&self) -> usize {
        self.0.values().map(Outcomes::counters).sum()
    }
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

    /// Drops what happened at all servers that are not chosen.
    pub(super) fn keep_servers(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.tools.retain(|(server, _), _| is_kept(server));
        self.methods.retain(|(server, _), _| is_kept(server));
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, LastValues, MOST_ABSENT, Recent};
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

    /// What happened after these pages, which are two seconds apart: total and failed calls of all tools, operations of all methods.
    fn after(pages: &[String]) -> [f64; 3] {
        let begin = Instant::now();
        let (mut recent, mut end) = (Recent::default(), begin);
        for page in pages {
            end += Duration::from_secs(2);
            recent.add(end, Figures::read(page));
        }
        let mut activity = Activity::default();
        activity.add(end, &recent);
        [
            activity.tools.values().map(|calls| calls.total()).sum(),
            activity.tools.values().map(|calls| calls.failed()).sum(),
            activity.methods.values().map(|operations| operations.total()).sum(),
        ]
    }

    /// A page on which each counter has a value, as text.
    fn page(ok: &str, failed: &str, pings: &str) -> String {
        format!(
            "mcp_filter_info 1\n\
             mcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"t\"}} {ok}\n\
             mcp_tool_calls_total{{server_name=\"w\",status=\"error\",error_type=\"reset\",tool_name=\"t\"}} {failed}\n\
             mcp_requests_total{{server_name=\"w\",status=\"ok\",method=\"ping\"}} {pings}\n"
        )
    }

    #[test]
    fn counter_that_a_page_lacks_is_not_new_when_it_is_back() {
        let full = || page("1000", "100", "50");
        for incomplete in ["mcp_filter_info 1\n".to_owned(), page("NaN", "NaN", "NaN"), page("1000", "NaN", "50")] {
            let pages = |last: String| [full(), incomplete.clone(), incomplete.clone(), last];
            assert_eq!(after(&pages(full())), [0.0, 0.0, 0.0], "{incomplete}");
            assert_eq!(after(&pages(page("1004", "101", "52"))), [5.0, 1.0, 2.0], "{incomplete}");
            // A restart while they were absent.
            assert_eq!(after(&pages(page("3", "1", "2"))), [4.0, 1.0, 2.0], "{incomplete}");
        }
    }

    #[test]
    fn counter_that_was_never_seen_counts_from_zero() {
        assert_eq!(after(&["mcp_filter_info 1\n".to_owned(), page("4", "1", "2")]), [5.0, 1.0, 2.0]);
    }

    #[test]
    fn counters_that_stay_absent_are_forgotten_when_they_are_many() {
        let tools = |names: std::ops::Range<usize>| {
            let call = |name: usize| {
                format!("mcp_tool_calls_total{{server_name=\"w\",status=\"ok\",tool_name=\"t{name}\"}} 1\n")
            };
            Figures::read(&names.map(call).collect::<String>()).tools
        };
        let mut last = LastValues::default();
        for (page, kept) in [
            (0..MOST_ABSENT, MOST_ABSENT),
            (MOST_ABSENT..MOST_ABSENT + 2, MOST_ABSENT + 2),
            (MOST_ABSENT + 2..MOST_ABSENT + 3, 1),
        ] {
            last.take(tools(page).iter().map(|(key, tool)| (key, &tool.calls)));
            assert_eq!(last.counters(), kept);
        }
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
