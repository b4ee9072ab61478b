//! What `small_json` costs with each optional feature: the table in `docs/performance.md`.

use super::measure::measure_with;
use crate::{CostTable, Exchange, Fault, Step, recorded};

/// Names and configurations; `availability` is off as in the other tables.
const FEATURES: [(&str, &str); 9] = [
    ("1 default", r#"{"availability":"off"}"#),
    ("2 client_name off", r#"{"availability":"off","labels":{"client_name":"off"}}"#),
    ("3 client_name requests", r#"{"availability":"off","labels":{"client_name":"requests"}}"#),
    ("4 client_name tools", r#"{"availability":"off","labels":{"client_name":"tools"}}"#),
    ("5 filter_state", r#"{"availability":"off","filter_state":true}"#),
    (
        "6 filter_state and identity",
        r#"{"availability":"off","filter_state":true,"labels":{"hash_key":"0123456789abcdef"},"identity":{"header":"x-user"}}"#,
    ),
    (
        "7 rate_limit",
        r#"{"availability":"off","rate_limit":{"rules":[{"method":"tools/call","requests":1000,"interval_ms":1000}]}}"#,
    ),
    (
        "8 rate_limit per session",
        r#"{"availability":"off","rate_limit":{"rules":[{"method":"tools/call","tool":"*","per":"session","requests":1000,"interval_ms":1000}]}}"#,
    ),
    (
        "9 rate_limit, shadow",
        r#"{"availability":"off","rate_limit":{"shadow":true,"rules":[{"method":"tools/call","requests":1000,"interval_ms":1000}]}}"#,
    ),
];

/// A rule with as many buckets as it can have. What the sessions take does not come back in time.
const FULL: &str = r#"{"availability":"off","rate_limit":{"rules":[{"method":"tools/call","per":"session","requests":1,"interval_ms":86400000,"burst":1000000}]}}"#;
const SESSIONS: usize = 1024;

/// Measures `small_json` with each feature. Its session has seen `initialize`, so that the client's name is known, and the request
/// has the header of `identity`.
///
/// # Errors
///
/// If an exchange is missing or cannot be measured.
pub fn measure_features() -> Result<CostTable, Fault> {
    let all = recorded()?;
    let find = |name: &str| {
        let found = all.iter().find(|(other, _)| other == name).map(|(_, exchange)| exchange);
        found.ok_or_else(|| Fault::Fixture(format!("no exchange {name}")))
    };
    let (initialize, call) = (find("initialize")?, with_user(find("small_json")?));
    let mut table = CostTable::default();
    for (name, configuration) in FEATURES {
        let [run, tick] = measure_with(name, configuration, &[initialize], &call)?;
        table.insert(name, &run.cost, &run.footprint);
        table.insert(&format!("{name}, tick"), &tick.cost, &tick.footprint);
    }
    let others: Vec<Exchange> = (1..SESSIONS).map(|number| in_session(&call, number)).collect();
    let before: Vec<&Exchange> = std::iter::once(initialize).chain(&others).collect();
    let [run, _] = measure_with("full", FULL, &before, &call)?;
    table.insert("9 rate_limit per session, 1,024 sessions", &run.cost, &run.footprint);
    Ok(table)
}

/// The exchange in another session.
fn in_session(exchange: &Exchange, number: usize) -> Exchange {
    let mut exchange = exchange.clone();
    for step in &mut exchange.steps {
        if let Step::RequestHeaders(headers) = step {
            headers.retain(|(name, _)| name != "mcp-session-id");
            headers.push(("mcp-session-id".to_owned(), format!("session-{number}").into_bytes()));
        }
    }
    exchange
}

fn with_user(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    for step in &mut exchange.steps {
        if let Step::RequestHeaders(headers) = step {
            headers.push(("x-user".to_owned(), b"ada".to_vec()));
        }
    }
    exchange
}
