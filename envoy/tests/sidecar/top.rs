//! The command `top` with pages of real sidecars; `terminal` has it in a terminal.

mod terminal;

use crate::support::{Sidecar, Upstream, free_port, get, launcher, say, say_json, send, until};
use std::collections::HashMap;
use std::fs::File;
use std::process::Stdio;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","inputSchema":{"type":"object"}},{"name":"bad","inputSchema":{"type":"object"}}]}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const FAILURE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#;

/// A server with a tool that works and one that fails.
fn upstream() -> Upstream {
    Upstream::start(|request, stream| {
        let body = String::from_utf8_lossy(&request.body);
        say_json(
            stream,
            if body.contains("tools/list") {
                LIST
            } else if body.contains("bad") {
                FAILURE
            } else {
                RESULT
            },
        );
    })
}

/// Sends a request, or a call of a tool.
fn request(sidecar: &Sidecar, method: &str, tool: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"{tool}"}}}}"#);
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    assert_eq!(send(sidecar.port, "POST", "/mcp", &headers, &body).status, 200);
}

/// A sidecar after these numbers of calls of the two tools, when its page has them.
fn called(upstream: &Upstream, good: usize, bad: usize) -> Sidecar {
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_NAME", "weather")]);
    request(&sidecar, "tools/list", "");
    (0..good).for_each(|_| request(&sidecar, "tools/call", "good"));
    (0..bad).for_each(|_| request(&sidecar, "tools/call", "bad"));
    until("all histograms are merged", || {
        scraped(&sidecar, "mcp_tool_result_bytes_count", "") == (good + bad) as u64
            && scraped(&sidecar, "mcp_tool_duration_microseconds_count", "") == (good + bad) as u64
    });
    until("the server is known to be there", || sidecar.probe("/health") == 200);
    sidecar
}

/// The sum of a family's series with this text in their labels.
fn scraped(sidecar: &Sidecar, family: &str, label: &str) -> u64 {
    let page = get(sidecar.probe_port, "/metrics").body;
    let series = page.lines().filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(label));
    series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

fn top(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let output = launcher(&variables).arg("top").args(arguments).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

fn url(sidecar: &Sidecar) -> String {
    format!("http://127.0.0.1:{}", sidecar.probe_port)
}

/// The cells of the row of a tool, after its name.
fn cells(table: &str, tool: &str) -> Vec<String> {
    let row = table.lines().find(|line| line.starts_with("weather ") && line.contains(&format!(" {tool} ")));
    let row = row.unwrap_or_else(|| unreachable!("no row of {tool}: {table}"));
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).skip(2).map(str::to_owned).collect()
}

#[test]
fn numbers_equal_the_scrape() {
    let upstream = upstream();
    let sidecar = called(&upstream, 5, 3);
    let (status, table, errors) = top(&["--once", &url(&sidecar)], &[]);
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{table}");
    let heads: Vec<_> =
        table.lines().next().unwrap().split("  ").map(str::trim).filter(|head| !head.is_empty()).collect();
    let expected = ["server", "tool", "calls", "errors", "error types", "p50", "p95", "mean result", "definition"];
    assert_eq!(heads, expected);
    for (tool, calls, errors) in [("good", 5, 0), ("bad", 3, 3)] {
        let label = format!("tool_name=\"{tool}\"");
        assert_eq!(scraped(&sidecar, "mcp_tool_calls_total", &label), calls);
        let mut found = cells(&table, tool);
        if errors > 0 {
            assert_eq!(found.remove(2), format!("tool_error {errors}"));
        }
        assert_eq!(found[..2], [calls.to_string(), errors.to_string()], "{table}");
        // Envoy's buckets hold the quantiles: the median is in one that has half of the calls or more.
        let median = found[2].strip_suffix(" ms").unwrap().parse::<f64>().unwrap();
        let below = |bound: f64| {
            scraped(&sidecar, "mcp_tool_duration_microseconds_bucket", &format!("{label},le=\"{bound}\"")) * 2
        };
        let bounds = [1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
        let upper = bounds.into_iter().find(|bound| *bound / 1e3 + 0.05 >= median).unwrap();
        assert!(below(upper) >= calls, "{median} ms: {table}");
        let mean = scraped(&sidecar, "mcp_tool_result_bytes_sum", &label) as f64 / calls as f64;
        assert_eq!(found[4], format!("{mean:.0} B"));
        assert_eq!(found[5], format!("{} B", scraped(&sidecar, "mcp_tool_definition_bytes", &label)));
    }
    assert!(table.contains("\n3 of 3 calls of bad failed since the start: tool_error 3\n"), "{table}");
    assert!(table.contains("\nweather: reachable, 0 sessions, 0 streams, 0 operations in flight\n"), "{table}");
}

#[test]
fn without_a_url_it_is_the_sidecar_with_the_same_settings() {
    let upstream = upstream();
    let sidecar = called(&upstream, 2, 0);
    let (status, table, errors) = top(&["--once"], &[("PROBE_PORT", &sidecar.probe_port.to_string())]);
    assert_eq!((status, errors.as_str()), (Some(0), ""), "{table}");
    assert_eq!(cells(&table, "good")[0], "2", "{table}");
}

#[test]
fn name_without_address_is_to_be_corrected() {
    let (status, _, errors) = top(&["--once", "http://absent.invalid:9902"], &[]);
    assert_eq!(status, Some(1));
    assert!(errors.ends_with("; correct the host's name, or use its address\n"), "{errors}");
}

#[test]
fn several_urls_are_added_up() {
    let upstream = upstream();
    let sidecars = [called(&upstream, 2, 1), called(&upstream, 3, 0)];
    let [first, second] = sidecars.each_ref().map(url);
    // The first is named twice, and the admin port has the page of the second too.
    let second = second.replace(&sidecars[1].probe_port.to_string(), &sidecars[1].admin_port.to_string());
    let second = format!("{second}/stats/prometheus");
    let (status, table, _) = top(&["--once", &first, &format!("{first}/metrics"), &second], &[]);
    assert_eq!(status, Some(0));
    assert_eq!(cells(&table, "good")[0], "5", "{table}");
    assert_eq!(cells(&table, "bad")[..2], ["1", "1"], "{table}");
    let definition = scraped(&sidecars[0], "mcp_tool_definition_bytes", "tool_name=\"good\"");
    assert_eq!(cells(&table, "good").last(), Some(&format!("{definition} B")), "{table}");
}

#[test]
fn output_in_a_pipe_has_no_escape_sequences_and_fits_columns() {
    let upstream = upstream();
    let sidecar = called(&upstream, 1, 1);
    for (arguments, columns) in [(vec![], "60"), (vec!["--server", "weather"], "30"), (vec!["--sort", "errors"], "80")]
    {
        let url = url(&sidecar);
        let arguments = [vec!["--once"], arguments, vec![&url]].concat();
        let (status, text, _) = top(&arguments, &[("COLUMNS", columns)]);
        assert_eq!(status, Some(0));
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
        let table = text.split("\n\n").next().unwrap();
        assert_eq!(table.lines().count(), 4, "{text}");
        for line in table.lines() {
            assert!(line.chars().count() <= columns.parse().unwrap(), "{line:?}");
        }
        let first = table.lines().nth(2).unwrap();
        assert!(first.contains("bad"), "equal numbers are in the order of the names: {text}");
    }
    let (status, text, _) = top(&["--once", "--server", "other", &url(&sidecar)], &[]);
    assert_eq!((status, text.as_str()), (Some(0), "no figures of the server other; there are: weather\n"));
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let page = "mcp_filter_info 1\nmcp_tool_calls_total{tool_name=\"a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\\nc\"} 1\n";
    let other = Upstream::start(move |_, stream| say(stream, page));
    let (status, text, _) = top(&["--once", &other.url()], &[]);
    assert_eq!(status, Some(0));
    assert!(text.contains("a_]0;x__2J_b_c"), "{text:?}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{text:?}");
}

#[test]
fn urls_of_the_table_are_told_without_their_query() {
    let page = "mcp_filter_info 1\nmcp_tool_calls_total{server_name=\"upstream\",tool_name=\"t\",status=\"ok\"} 1\n";
    let servers = [(); 2].map(|()| Upstream::start(move |_, stream| say(stream, page)));
    let [first, second] = servers.each_ref().map(Upstream::url);
    let closed = format!("http://127.0.0.1:{}", free_port());
    let (status, text, errors) = top(&["--once", &format!("{first}?token=hunter2"), &closed, &second], &[]);
    assert_eq!(status, Some(1));
    assert!(text.ends_with(&format!("\nfigures of {first}/metrics?..., {second}/metrics\n")), "{text}");
    assert!(!format!("{text}{errors}").contains("hunter2"), "{text}{errors}");
    assert!(servers[0].answered().iter().all(|request| request.line == "GET /metrics?token=hunter2 HTTP/1.1"));
}

#[test]
fn output_that_cannot_be_written_is_told_and_a_closed_pipe_is_not() {
    let other = Upstream::start(|_, stream| say(stream, "mcp_filter_info 1\n"));
    let run = |output: Stdio| {
        let mut command = launcher(&HashMap::new());
        let output = command.args(["top", "--once", &other.url()]).stdout(output).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (status, errors) = run(full.into());
    assert_eq!(status, Some(1));
    assert!(errors.starts_with("mcp-sidecar: standard output cannot be written (No space left"), "{errors}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
}

#[test]
fn url_that_does_not_answer_is_named_with_what_to_do() {
    let upstream = upstream();
    let sidecar = called(&upstream, 1, 0);
    let closed = format!("http://127.0.0.1:{}", free_port());
    let (status, text, errors) = top(&["--once", &closed], &[]);
    assert_eq!((status, text.as_str()), (Some(1), ""));
    assert!(errors.starts_with(&format!("mcp-sidecar: {closed}/metrics: does not answer (")), "{errors}");
    assert!(
        errors.ends_with("; start the sidecar (mcp-sidecar run), or name its probe port, http://HOST:PROBE_PORT\n"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let (status, text, errors) = top(&["--once", &closed, &url(&sidecar)], &[]);
    assert_eq!((status, errors.lines().count()), (Some(1), 1), "{errors}");
    assert_eq!(cells(&text, "good")[0], "1", "the others are printed");
    let (status, _, errors) = top(&["--once", &format!("http://127.0.0.1:{}", sidecar.port)], &[]);
    assert_eq!(status, Some(1));
    assert!(errors.contains("name the sidecar's probe port") || errors.contains("answers 4"), "{errors}");
}

#[test]
fn arguments_are_refused_with_what_is_allowed() {
    for (arguments, reason) in [
        (vec!["--once", "https://weather"], "allowed: a sidecar's probe port"),
        (vec!["--once", "--sort", "rate"], "allowed with --once: the other columns"),
        (vec!["--sort", "size"], "[possible values: server, tool, calls, rate, errors, p50, p95, result, definition]"),
        (vec![], "mcp-sidecar top --once prints the table and ends"),
    ] {
        let (status, text, errors) = top(&arguments, &[]);
        assert_eq!((status, text.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}
