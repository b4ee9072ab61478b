//! What the clients saw: how each operation ended.

use crate::top::Counts;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// Codes of errors that the caller made.
const CALLERS: [i64; 5] = [-32700, -32600, -32601, -32602, -32002];

/// What all clients saw.
#[derive(Default)]
pub(super) struct Account(Mutex<Counts>);

// === impl Account ===

impl Account {
    /// Notes the answer to an operation. Its subject is the tool of a call, else the method.
    pub(super) fn note(&self, subject: &str, answer: &Value) {
        let (status, error_type) = outcome(answer);
        let key = [subject, status, error_type].map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The status and error type of an answer.
fn outcome(answer: &Value) -> (&'static str, &'static str) {
    match answer.pointer("/error/code").map(Value::as_i64) {
        Some(code) if code.is_some_and(|code| CALLERS.contains(&code)) => ("error", "invalid_request"),
        Some(_) => ("error", "rpc_error"),
        None if answer.pointer("/result/isError") == Some(&Value::Bool(true)) => ("error", "tool_error"),
        None => ("ok", ""),
    }
}

/// A line for each count that differs.
pub(super) fn differences(seen: &Counts, counted: &Counts) -> Vec<String> {
    let mut keys: Vec<_> = seen.keys().chain(counted.keys()).collect();
    keys.sort();
    keys.dedup();
    let count = |counts: &Counts, key: &[String; 3]| counts.get(key).copied().unwrap_or_default();
    let differs = keys.into_iter().filter(|key| count(seen, key) != count(counted, key));
    differs
        .map(|key| {
            let (what, seen, counted) = (key.join(" "), count(seen, key), count(counted, key));
            format!("{}: the clients saw {seen}, the sidecar counted {counted}", what.trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Account, differences};
    use crate::top::Counts;
    use serde_json::json;

    fn counts(counts: &[(&str, &str, &str, u64)]) -> Counts {
        counts
            .iter()
            .map(|(subject, status, kind, count)| ([subject, status, kind].map(|&text| text.into()), *count))
            .collect()
    }

    #[test]
    fn answers_are_noted_by_their_outcome() {
        let account = Account::default();
        account.note("t", &json!({"result": {"content": []}}));
        account.note("t", &json!({"result": {"content": [], "isError": false}}));
        account.note("t", &json!({"result": {"isError": true}}));
        account.note("t", &json!({"error": {"code": -32602}}));
        account.note("u", &json!({"error": {"code": -32603}}));
        let expected = [
            ("t", "ok", "", 2),
            ("t", "error", "tool_error", 1),
            ("t", "error", "invalid_request", 1),
            ("u", "error", "rpc_error", 1),
        ];
        assert_eq!(account.counts(), counts(&expected));
    }

    #[test]
    fn each_count_that_differs_has_a_line() {
        let seen = counts(&[("t", "ok", "", 2), ("t", "error", "tool_error", 1), ("u", "ok", "", 1)]);
        let counted = counts(&[("t", "ok", "", 2), ("t", "error", "tool_error", 2), ("v", "ok", "", 1)]);
        assert_eq!(differences(&seen, &seen), [""; 0]);
        let expected = [
            "t error tool_error: the clients saw 1, the sidecar counted 2",
            "u ok: the clients saw 1, the sidecar counted 0",
            "v ok: the clients saw 0, the sidecar counted 1",
        ];
        assert_eq!(differences(&seen, &counted), expected);
    }
}
