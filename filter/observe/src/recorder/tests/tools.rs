//! Sizes of definitions, and calls of tools that are not listed.

use super::{OK, call, config, play};
use crate::config::Config;
use crate::test;
use crate::testing::Script;

/// A list of tools; `next` is a member of the result.
fn list(tools: &[&str], cursor: &str, next: &str) -> Script {
    Script::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{cursor}}}}}"#))
        .json(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]{next}}}}}"#, tools.join(",")))
}

fn lines(config: &Config, scripts: &[Script], family: &str) -> Vec<String> {
    play(config, scripts).0.into_iter().filter(|line| line.contains(family)).collect()
}

const A: &str = r#"{"name":"a"}"#;
const B: &str = r#"{ "name" : "b", "title":"}" }"#;

#[test]
fn definition_has_the_size_of_its_text() {
    let found = |scripts: &[Script]| lines(&config(), scripts, "definition_bytes");
    let (a, b) = (format!("tool_name=a mcp_tool_definition_bytes {}", A.len()), B.len());
    let b = format!("tool_name=b mcp_tool_definition_bytes {b}");
    assert_eq!(found(&[list(&[A, B], "", "")]), [a.clone(), b.clone()]);
    let chunks = Script { chunk: 1, ..list(&[A, B], "", "") };
    assert_eq!(found(&[chunks]), [a, b.clone()]);
    assert_eq!(found(&[list(&[A, B], "", ""), list(&[B], "", "")]), std::slice::from_ref(&b));
    let chain = [list(&[A], "", r#","nextCursor":"2""#), list(&[B], r#""cursor":"2""#, "")];
    assert_eq!(found(&chain).len(), 2);
    assert_eq!(found(&[&chain[..], &[list(&[B], "", "")]].concat()), [b]);
}

#[test]
fn tool_without_room_has_no_size() {
    let mut config = config();
    config.limits.tool_names = 1;
    let found = lines(&config, &[list(&[A, B], "", "")], "definition_bytes");
    assert_eq!(found, [format!("tool_name=a mcp_tool_definition_bytes {}", A.len())]);
}

#[test]
fn call_of_an_unlisted_tool_counts_whatever_its_status() {
    let found = |scripts: &[Script]| lines(&config(), scripts, "unlisted");
    let calls = [
        call("a").json(OK),
        call("x").json(OK),
        call("x").json(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"x"}}"#),
        call("x").answered(503, "text/plain", "x"),
    ];
    assert_eq!(found(&calls), [""; 0]);
    assert_eq!(found(&[&[list(&[A], "", "")], &calls[..]].concat()), ["mcp_unlisted_tool_calls_total 3"]);
}

#[test]
fn calls_of_a_server_whose_definitions_vary_do_not_count() {
    let definitions: Vec<String> = (0..5).map(|number| format!(r#"{{"name":"a","title":{number}}}"#)).collect();
    let mut scripts: Vec<_> = definitions.iter().map(|definition| list(&[definition], "", "")).collect();
    scripts.insert(4, call("x").json(OK));
    scripts.push(call("x").json(OK));
    assert_eq!(lines(&config(), &scripts, "unlisted"), ["mcp_unlisted_tool_calls_total 1"]);
}

#[test]
fn calls_after_a_list_that_could_not_be_read_do_not_count() {
    let mut unread = list(&[A, B], "", "");
    unread.response.insert("content-encoding", "br".to_owned());
    let scripts = [list(&[A], "", ""), call("x").json(OK), unread, call("b").json(OK)];
    assert_eq!(lines(&config(), &scripts, "unlisted"), ["mcp_unlisted_tool_calls_total 1"]);
}

#[test]
fn calls_of_a_server_with_too_many_tools_do_not_count() {
    let tools: Vec<String> = (0..600).map(|number| format!(r#"{{"name":"n{number}"}}"#)).collect();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let scripts = [list(&tools, "", ""), call("n599").json(OK), call("x").json(OK)];
    assert_eq!(lines(&config(), &scripts, "unlisted"), [""; 0]);
}
