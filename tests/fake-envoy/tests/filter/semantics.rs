//! The observations of single exchanges: all series that are not zero after each.
//!
//! Lines are `family{labels} value`. `server_name`, empty labels, the count of streams and the filter's version are
//! left out; histograms list their samples. `IN` and `OUT` stand for the body bytes of the exchanges played.

mod answers;
mod attributes;
mod failures;
mod names;
mod requests;
mod skipped;
mod streams;

use std::collections::BTreeMap;

use fake_envoy::{Exchange, Step};

use crate::support;

/// A call of the tool `add`.
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}"#;

/// The call; its answer begins three milliseconds later.
fn call() -> Exchange {
    Exchange::post(CALL).wait_ms(3)
}

/// A request without parameters, with id 1.
fn request(method: &str) -> Exchange {
    Exchange::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)).wait_ms(3)
}

/// A JSON-RPC error with id 1.
fn error(code: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no"}}}}"#)
}

/// The lines of an operation that ended after three milliseconds. The request is all that the client sent.
fn ended(method: &str, status: &str, error_type: &str) -> String {
    let error = if error_type.is_empty() { String::new() } else { format!(",error_type={error_type}") };
    let mut lines = format!(
        "mcp_request_duration_microseconds{{method={method},status={status}}} [3000]\n\
         mcp_requests_total{{method={method},status={status}{error}}} 1\n"
    );
    if method == "tools/call" {
        lines += &format!(
            "mcp_tool_calls_total{{tool_name=add,status={status}{error}}} 1\n\
             mcp_tool_duration_microseconds{{tool_name=add}} [3000]\n\
             mcp_tool_request_bytes_total{{tool_name=add}} IN\n"
        );
    }
    lines
}

/// The lines of bodies that passed both ways.
const BYTES: &str = "mcp_message_bytes_total{direction=in} IN\nmcp_message_bytes_total{direction=out} OUT\n";

/// Plays `exchanges` with `fields` of configuration and compares what is not zero then.
fn check_with(fields: &str, name: &str, exchanges: &[Exchange], expected: &[&str]) {
    let separator = if fields.is_empty() { "" } else { "," };
    let configuration = format!("{{\"availability\":\"off\"{separator}{fields}}}");
    let found = support::observed(&configuration, exchanges).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let total = |is_in: bool| -> usize {
        let sizes = exchanges.iter().flat_map(|exchange| &exchange.steps).map(|step| match step {
            Step::RequestBody(bytes) if is_in => bytes.len(),
            Step::ResponseBody(bytes) if !is_in => bytes.len(),
            _ => 0,
        });
        sizes.sum()
    };
    let mut lines: Vec<String> = expected
        .iter()
        .flat_map(|part| part.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.rsplit_once(' ') {
            Some((series, "IN")) => format!("{series} {}", total(true)),
            Some((series, "OUT")) => format!("{series} {}", total(false)),
            _ => line.to_owned(),
        })
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    if !lines.iter().any(|line| line.starts_with("mcp_client_requests_total")) {
        lines.extend(of_unknown_client(&lines));
    }
    lines.sort();
    let mut found = found;
    found.sort();
    assert!(found == lines, "{name}\n--- expected\n{}\n--- found\n{}\n", lines.join("\n"), found.join("\n"));
}

/// The lines of operations without a client's name, from those of `mcp_requests_total`.
fn of_unknown_client(lines: &[String]) -> Vec<String> {
    let mut ended = BTreeMap::new();
    for line in lines.iter().filter(|line| line.starts_with("mcp_requests_total")) {
        let status = line.split("status=").nth(1).and_then(|rest| rest.split([',', '}']).next()).unwrap_or_default();
        let count: u64 = line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
        *ended.entry(status).or_default() += count;
    }
    ended
        .into_iter()
        .map(|(status, count): (&str, u64)| {
            format!("mcp_client_requests_total{{client_name=unknown,status={status}}} {count}")
        })
        .collect()
}

/// The same with the default configuration.
fn check(name: &str, exchanges: &[Exchange], expected: &[&str]) {
    check_with("", name, exchanges, expected);
}
