//! The answer to a refused request: HTTP 429 with a JSON-RPC error for each request that has an id.
//!
//! Error code -32000 is of the range that JSON-RPC leaves to implementations. The ids are those of the body, to the byte.

use crate::exchange::limit::{REFUSED_CODE, Refusal};
use crate::read::held::HeldBody;

/// The answer, with HTTP status 429 and content type `application/json`.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The value of the header `retry-after`: whole seconds.
    pub retry_after: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a body; without requests if it was not read.
pub(super) fn answer(held: &HeldBody<'_>, rule: &str, refusal: &Refusal) -> Answer {
    let retry_after = refusal.retry_after_ms.div_ceil(1_000).max(1).to_string();
    let error = error(rule, refusal);
    let ids: Vec<&[u8]> = held.requests.iter().filter_map(|request| request.id).collect();
    let mut body = Vec::new();
    if ids.len() > 1 || held.is_batch && !ids.is_empty() {
        for (index, id) in ids.into_iter().enumerate() {
            body.extend_from_slice(if index == 0 { b"[" } else { b"," });
            push_error(&mut body, id, &error);
        }
        body.push(b']');
    } else {
        push_error(&mut body, ids.first().copied().unwrap_or(b"null"), &error);
    }
    Answer { retry_after, body }
}

fn push_error(body: &mut Vec<u8>, id: &[u8], error: &str) {
    for part in [br#"{"jsonrpc":"2.0","id":"#.as_slice(), id, b",\"error\":", error.as_bytes(), b"}"] {
        body.extend_from_slice(part);
    }
}

/// The member `error`. The name of a rule needs no escapes.
fn error(rule: &str, refusal: &Refusal) -> String {
    let milliseconds = refusal.retry_after_ms;
    let message = if refusal.is_unread {
        "Rate limit: the request cannot be read, so it is refused".to_owned()
    } else {
        format!("Rate limit {rule} exceeded, retry in {milliseconds} ms")
    };
    format!(
        r#"{{"code":{REFUSED_CODE},"message":"{message}","data":{{"reason":"rate_limited","rule":"{rule}","retryAfterMs":{milliseconds}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::{HeldBody, answer};
    use crate::exchange::limit::Refusal;
    use crate::read::body::pool::BodyPool;
    use crate::test;

    fn body(text: &str) -> String {
        let refusal = Refusal { rule: 0, retry_after_ms: 1, is_unread: false };
        String::from_utf8(answer(&HeldBody::read(text.as_bytes(), &BodyPool::default()), "r", &refusal).body).unwrap()
    }

    fn error(id: &str) -> String {
        let data = r#"{"reason":"rate_limited","rule":"r","retryAfterMs":1}"#;
        let message = "Rate limit r exceeded, retry in 1 ms";
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"{message}","data":{data}}}}}"#)
    }

    fn call(id: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","method":"tools/call","id":{id}}}"#)
    }

    #[test]
    fn each_request_with_an_id_is_answered() {
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let response = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
        assert_eq!(body(&call("1.0")), error("1.0"));
        let batch = format!("[{},{notification},{response},{}]", call("1"), call("\"b\""));
        assert_eq!(body(&batch), format!("[{},{}]", error("1"), error("\"b\"")));
        assert_eq!(body(&format!("[{}]", call("1"))), format!("[{}]", error("1")));
        assert_eq!(body(&format!("{}{}", call("1"), call("2"))), format!("[{},{}]", error("1"), error("2")));
    }

    #[test]
    fn body_without_an_id_is_answered_with_null() {
        for text in ["", "{", "[]", &call("null"), &format!("[{}]", call("{}"))] {
            assert_eq!(body(text), error("null"), "{text}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (milliseconds, seconds) in [(1, "1"), (999, "1"), (1_000, "1"), (1_001, "2"), (86_400_000, "86400")] {
            let refusal = Refusal { rule: 0, retry_after_ms: milliseconds, is_unread: true };
            assert_eq!(answer(&HeldBody::default(), "r", &refusal).retry_after, seconds);
        }
    }
}
