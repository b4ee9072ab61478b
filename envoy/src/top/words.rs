//! What the figures mean, in words: what fails now first, then what is open, then what is missing.

use super::View;
use super::figures::{Figures, Key, Outcomes};
use super::recent::{Activity, WINDOW};
use super::text::{clean, count, counted};
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines about what fails, at most; one more line counts the rest.
const FAILING: usize = 5;

/// A line of words.
#[derive(Debug, PartialEq)]
pub(super) struct Words {
    pub(super) text: String,
    /// Whether something is wrong.
    pub(super) is_alarm: bool,
}

/// All lines of a view.
pub(super) fn lines(view: &View) -> Vec<Words> {
    let alarm = |text| Words { text, is_alarm: true };
    let remark = |text| Words { text, is_alarm: false };
    let mut lines: Vec<_> = view.problems.iter().cloned().map(alarm).collect();
    lines.extend(unreachable(&view.figures).map(alarm));
    lines.extend(failing(view).into_iter().map(alarm));
    lines.extend(open(&view.figures).map(remark));
    lines.extend(missing(view).map(remark));
    if !view.urls.is_empty() {
        lines.push(remark(format!("figures of {}", view.urls.join(", "))));
    }
    lines
}

fn unreachable(figures: &Figures) -> impl Iterator<Item = String> {
    let names = figures.servers.iter().filter(|(_, server)| server.is_available == Some(false)).map(|(name, _)| name);
    names.map(|name| {
        let name = clean(name);
        format!("the server {name} cannot be reached; check that it runs, and that the sidecar has its address")
    })
}

/// What failed in the last minute; without a second page, since the start.
fn failing(view: &View) -> Vec<String> {
    let figures = &view.figures;
    let calls: BTreeMap<_, _>;
    let (tools, methods, when) = match &view.activity {
        Some(activity) => (&activity.tools, &activity.methods, period(activity)),
        None => {
            calls = figures.tools.iter().map(|(key, tool)| (key.clone(), tool.calls.clone())).collect();
            (&calls, &figures.methods, "since the start".to_owned())
        }
    };
    let tools = tools.iter().map(|(key, outcomes)| ("calls", key, outcomes));
    let methods = methods.iter().map(|(key, outcomes)| ("operations", key, outcomes));
    let mut failed: Vec<_> = tools.chain(methods).filter(|(_, _, outcomes)| outcomes.failed() > 0.0).collect();
    failed.sort_by(|(_, _, one), (_, _, other)| other.failed().total_cmp(&one.failed()));
    let names_server = figures.server_names().len() > 1;
    let mut lines: Vec<_> = failed
        .iter()
        .take(FAILING)
        .map(|(what, key, outcomes)| failure(what, key, outcomes, names_server, &when))
        .collect();
    if let Some(more @ 1..) = failed.len().checked_sub(FAILING) {
        lines.push(format!("further tools and methods that failed: {more}"));
    }
    lines
}

fn failure(what: &str, (server, name): &Key, outcomes: &Outcomes, names_server: bool, when: &str) -> String {
    let place = if names_server { format!(" at {}", clean(server)) } else { String::new() };
    let name = clean(name);
    let (failed, total) = (count(outcomes.failed()), count(outcomes.total()));
    format!("{failed} of {total} {what} of {name}{place} failed {when}: {}", types(outcomes))
}

/// The error types with their counts, the commonest first.
pub(super) fn types(outcomes: &Outcomes) -> String {
    let types: Vec<_> =
        outcomes.failures().iter().map(|(name, failed)| format!("{} {}", clean(name), count(*failed))).collect();
    types.join(", ")
}

fn period(activity: &Activity) -> String {
    match activity.covered.as_secs() {
        seconds if activity.covered < WINDOW - Duration::from_secs(3) => format!("in the last {} s", seconds.max(1)),
        seconds if seconds < 90 => "in the last minute".to_owned(),
        seconds => format!("in the last {} minutes", (seconds + 30) / 60),
    }
}

/// What is open at each server.
fn open(figures: &Figures) -> impl Iterator<Item = String> {
    figures.servers.iter().map(|(name, server)| {
        let state = match server.is_available {
            Some(true) => "reachable, ",
            Some(false) => "unreachable, ",
            None => "",
        };
        let [sessions, streams] =
            [(server.sessions, "session"), (server.streams, "stream")].map(|(n, noun)| counted(n, noun));
        let running = counted(server.in_flight, "operation");
        format!("{}: {state}{sessions}, {streams}, {running} in flight", clean(name))
    })
}

/// Why there is nothing to see.
fn missing(view: &View) -> Option<String> {
    let figures = &view.figures;
    if view.pages == 0 {
        return view.problems.is_empty().then(|| "waiting for the first answer".to_owned());
    }
    if let Some(name) = &view.server
        && figures.server_names().is_empty()
    {
        return Some(format!("no figures of the server {name}; there are: {}", view.all_servers.join(", ")));
    }
    if !figures.has_filter {
        return Some("the MCP filter is not in this Envoy, or its figures are filtered out".to_owned());
    }
    if !figures.tools.is_empty() {
        return None;
    }
    let has_clients = figures.methods.values().any(|outcomes| outcomes.total() > 0.0);
    let advice = "; point a client at the sidecar's MCP port (http://HOST:4000/mcp by default)";
    Some(format!("no tool was listed or called yet{}", if has_clients { "" } else { advice }))
}

#[cfg(test)]
mod tests {
    use super::{Words, lines};
    use crate::top::View;
    use crate::top::figures::Figures;
    use crate::top::recent::{Activity, Recent};
    use std::time::{Duration, Instant};

    fn texts(view: &View) -> Vec<String> {
        lines(view).into_iter().map(|line| line.text).collect()
    }

    fn calls(server: &str, tool: &str, ok: u32, failed: u32) -> String {
        format!(
            "mcp_filter_info 1\n\
             mcp_tool_calls_total{{server_name=\"{server}\",status=\"ok\",tool_name=\"{tool}\"}} {ok}\n\
             mcp_tool_calls_total{{server_name=\"{server}\",status=\"error\",error_type=\"tool_error\",tool_name=\"{tool}\"}} {failed}\n"
        )
    }

    fn view(page: &str) -> View {
        View { figures: Figures::read(page), pages: 1, ..View::default() }
    }

    /// A view after two pages of one URL.
    fn after(seconds: u64, pages: [String; 2]) -> View {
        let begin = Instant::now();
        let end = begin + Duration::from_secs(seconds);
        let [first, second] = pages.map(|page| Figures::read(&page));
        let (mut recent, mut activity) = (Recent::default(), Activity::default());
        recent.add(begin, first);
        recent.add(end, second.clone());
        activity.add(end, &recent);
        View { figures: second, activity: Some(activity), pages: 1, ..View::default() }
    }

    #[test]
    fn failures_of_the_last_minute_are_told() {
        let view = after(59, [calls("w", "t", 5, 30), calls("w", "t", 14, 33)]);
        assert_eq!(texts(&view), ["3 of 12 calls of t failed in the last minute: tool_error 3"]);
        let view = after(10, [calls("w", "t", 5, 30), calls("w", "t", 5, 31)]);
        assert_eq!(texts(&view), ["1 of 1 calls of t failed in the last 10 s: tool_error 1"]);
        let view = after(10, [calls("w", "t", 5, 30), calls("w", "t", 9, 30)]);
        assert_eq!(texts(&view), [""; 0]);
    }

    #[test]
    fn failures_since_the_start_are_told_with_their_server() {
        let page = calls("w", "t", 5, 1)
            + &calls("v", "u", 5, 2)
            + "mcp_requests_total{method=\"prompts/get\",server_name=\"v\",status=\"error\",error_type=\"invalid_request\"} 4\n";
        let expected = [
            "4 of 4 operations of prompts/get at v failed since the start: invalid_request 4",
            "2 of 7 calls of u at v failed since the start: tool_error 2",
            "1 of 6 calls of t at w failed since the start: tool_error 1",
        ];
        assert_eq!(texts(&view(&page)), expected);
    }

    #[test]
    fn only_the_worst_failures_are_told() {
        let page: String = (1..8).map(|number| calls("w", &format!("t{number}"), 0, number)).collect();
        let texts = texts(&view(&page));
        assert!(texts[0].starts_with("7 of 7 calls of t7"), "{texts:?}");
        assert_eq!(texts[5..], ["further tools and methods that failed: 2".to_owned()]);
    }

    #[test]
    fn what_is_open_is_told() {
        let page = calls("w", "t", 1, 0)
            + "mcp_upstream_available{server_name=\"w\"} 0\nmcp_sessions_active{server_name=\"w\"} 1\n\
               mcp_sse_streams_active{server_name=\"w\"} 2\n";
        let found = lines(&view(&page));
        let expected = [
            ("the server w cannot be reached; check that it runs, and that the sidecar has its address", true),
            ("w: unreachable, 1 session, 2 streams, 0 operations in flight", false),
        ];
        assert_eq!(found, expected.map(|(text, is_alarm)| Words { text: text.to_owned(), is_alarm }));
    }

    #[test]
    fn reason_of_an_empty_table_is_told() {
        assert!(texts(&view("mcp_filter_info 1\n"))[0].starts_with("no tool was listed or called yet; point a client"));
        let page = "mcp_filter_info 1\nmcp_requests_total{method=\"initialize\",server_name=\"w\",status=\"ok\"} 1\n";
        assert_eq!(texts(&view(page))[0], "no tool was listed or called yet");
        assert!(texts(&view(""))[0].starts_with("the MCP filter is not in this Envoy"));
        assert_eq!(texts(&View::default()), ["waiting for the first answer"]);
        let other =
            View { server: Some("x".to_owned()), all_servers: vec!["w".to_owned()], ..view("mcp_filter_info 1\n") };
        assert_eq!(texts(&other), ["no figures of the server x; there are: w"]);
    }
}
