//! The rate limit rule of the sidecar that the load runs against: which requests it covers, and how many it may admit.
//!
//! **What it does not do:** it knows one rule. If a second rule of the sidecar refuses a request too, the response names only the
//! first of the two, so the counts of the second differ.

use crate::message::Method;
use serde::Deserialize;
use std::time::Duration;

/// The rule, as in the sidecar's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default = "first")]
    pub(crate) name: String,
    method: String,
    tool: Option<String>,
    #[serde(default)]
    per: Per,
    requests: u64,
    interval_ms: u64,
    burst: Option<u64>,
}

/// Which requests share a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Per {
    #[default]
    Server,
    Session,
    Client,
    Identity,
}

/// The name of a rule without a name is its place in the list.
fn first() -> String {
    "1".to_owned()
}

// === impl Rule ===

impl Rule {
    /// Whether the rule covers a request. A call has the name of its tool.
    pub(crate) fn covers(&self, method: Method, tool: Option<&str>) -> bool {
        let of_tool = self.tool.as_deref().is_none_or(|own| own == "*" || Some(own) == tool);
        self.method == method.name() && of_tool
    }

    /// How many requests the rule may admit within this time, by so many sessions and tools. All buckets are full at first.
    pub(crate) fn most(&self, within: Duration, sessions: u64, tools: u64) -> u128 {
        // The load has one client name and no identity.
        let subjects = if self.per == Per::Session { sessions.max(1) } else { 1 };
        let buckets = u128::from(if self.tool.as_deref() == Some("*") { subjects * tools.max(1) } else { subjects });
        // The filter is lenient by a microsecond, so that a client at exactly the rate is never refused.
        let microseconds = within.as_micros() + 1;
        let burst = u128::from(self.burst.unwrap_or(self.requests));
        let refilled = u128::from(self.requests) * microseconds / (u128::from(self.interval_ms) * 1000).max(1);
        buckets * (burst + refilled)
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;
    use crate::message::Method;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn rule(fields: Value) -> Rule {
        let mut rule = json!({"method": "tools/call", "requests": 10, "interval_ms": 1000});
        rule.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        serde_json::from_value(rule).unwrap()
    }

    #[test]
    fn rule_covers_its_method_and_tool() {
        let covers = |tool, method, of: Option<&str>| rule(json!({ "tool": tool })).covers(method, of);
        assert!(covers(Value::Null, Method::ToolsCall, Some("a")));
        assert!(covers(json!("*"), Method::ToolsCall, Some("a")));
        assert!(covers(json!("a"), Method::ToolsCall, Some("a")));
        assert!(!covers(json!("a"), Method::ToolsCall, Some("b")));
        assert!(!covers(Value::Null, Method::ToolsList, None));
    }

    #[test]
    fn bound_is_burst_and_rate_of_every_bucket() {
        let most = |fields, milliseconds| rule(fields).most(Duration::from_millis(milliseconds), 3, 5);
        assert_eq!(most(json!({}), 0), 10);
        assert_eq!(most(json!({"burst": 4}), 250), 6);
        assert_eq!(most(json!({"burst": 4, "per": "client"}), 300), 7);
        assert_eq!(most(json!({"burst": 4, "per": "session"}), 0), 12);
        assert_eq!(most(json!({"burst": 4, "per": "session", "tool": "*"}), 0), 60);
        assert_eq!(most(json!({"burst": 4, "tool": "*"}), 0), 20);
        assert_eq!(most(json!({"interval_ms": 86_400_000, "burst": 7}), 60_000), 7);
    }

    #[test]
    fn rule_has_the_fields_of_the_configuration() {
        assert_eq!(rule(json!({})).name, "1");
        assert_eq!(rule(json!({"name": "calls"})).name, "calls");
        let with = |fields: Value| serde_json::from_value::<Rule>(fields).is_ok();
        assert!(!with(json!({"method": "tools/call", "requests": 1})));
        assert!(!with(json!({"method": "tools/call", "requests": 1, "interval_ms": 1, "limit": 1})));
    }
}
