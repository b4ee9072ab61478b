//! The block `rate_limit`: which requests a rule covers, how many of them may pass, and what happens to bodies that are not
//! read.
//!
//! Requests that clients need to connect and to stay connected cannot be limited: `initialize`, `ping` and `server/discover`.
//! Notifications and the requests of servers cannot be limited either.
//!
//! **What it does not do:** count requests; that is [`crate::limit`].

use super::fields::Fields;
use crate::label::{KnownMethod, Method};

/// The checked block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// Nothing is held or refused; the requests over the limit are only counted.
    pub(crate) shadow: bool,
    /// What happens to a body that cannot be read.
    pub(crate) unread: Unread,
    /// 1 to [`MAX_RULES`], each with another name.
    pub(crate) rules: Vec<Rule>,
}

/// What happens to a body that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It passes.
    Pass,
    /// It is refused like a request over the limit.
    Refuse,
}

/// A rule: a token bucket for each of its subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The value of the label `rule`.
    pub(crate) name: String,
    /// [`Method::Known`] or [`Method::Extra`].
    pub(crate) method: Method,
    pub(crate) tool: ToolRule,
    pub(crate) per: Per,
    /// Tokens that come back in each interval.
    pub(crate) requests: u32,
    pub(crate) interval_ms: u32,
    /// Tokens of a full bucket.
    pub(crate) burst: u32,
}

/// Which tools a rule for `tools/call` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolRule {
    /// All tools, which share the bucket.
    Shared,
    /// All tools, each with its own bucket.
    Each,
    /// The tool with this name.
    Named(String),
}

/// What has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// The server.
    Server,
    /// Each session.
    Session,
    /// Each name of a client.
    Client,
    /// Each value of the identity header.
    Identity,
}

/// What a rule may refer to in the rest of the configuration.
pub(super) struct References<'a> {
    pub(super) extra_methods: &'a [String],
    /// `identity.header` is in the configuration, valid or not.
    pub(super) has_identity: bool,
}

/// Most rules of the block. A request must pass all that cover it, and each costs two calls of the host.
pub(crate) const MAX_RULES: usize = 32;
/// Most tokens of a bucket, and most tokens that come back in an interval.
pub(crate) const MAX_REQUESTS: u64 = 1_000_000;
/// Shortest and longest interval in milliseconds; the longest is a day.
pub(crate) const INTERVAL_MS: (u64, u64) = (100, 86_400_000);
/// Longest name of a rule, in bytes.
const MAX_NAME_BYTES: usize = 32;
/// Longest name of a tool, in bytes.
const MAX_TOOL_BYTES: usize = 256;

// === impl RateLimit ===

impl RateLimit {
    /// Reads the block.
    pub(super) fn read(fields: &mut Fields, references: &References<'_>) -> Self {
        let mut block = Self { shadow: false, unread: Unread::Pass, rules: Vec::new() };
        fields.boolean("shadow", &mut block.shadow);
        fields.choice("unread", &[("pass", Unread::Pass), ("refuse", Unread::Refuse)], &mut block.unread);
        fields.require("rules", "a list of 1 to 32 rules");
        fields.objects("rules", MAX_RULES, &mut |index, fields| {
            let rule = Rule::read(index, fields, references);
            if let Some(other) = block.rules.iter().position(|other| other.name == rule.name) {
                let problem =
                    format!("{:?} is the name of rules[{other}] too; each rule needs another name", rule.name);
                fields.problem("name", &problem);
            }
            block.rules.push(rule);
        });
        block
    }

    /// Whether a rule needs the name of the client.
    pub(crate) fn is_per_client(&self) -> bool {
        self.rules.iter().any(|rule| rule.per == Per::Client)
    }
}

// === impl Rule ===

impl Rule {
    fn read(index: usize, fields: &mut Fields, references: &References<'_>) -> Self {
        let (mut requests, mut interval_ms) = (1, 1_000);
        let name = fields.text("name", "1 to 32 characters of A-Za-z0-9_-", is_rule_name);
        let method = read_method(fields, references.extra_methods);
        let tool = read_tool(fields, method);
        let mut per = Per::Server;
        let choices =
            [("server", Per::Server), ("session", Per::Session), ("client", Per::Client), ("identity", Per::Identity)];
        fields.choice("per", &choices, &mut per);
        if per == Per::Identity && !references.has_identity {
            fields.problem("per", "\"identity\" needs a header; set identity.header");
        }
        fields.require("requests", "a whole number from 1 to 1000000");
        fields.number("requests", 1, MAX_REQUESTS, &mut requests);
        fields.require("interval_ms", "a whole number from 100 to 86400000");
        fields.number("interval_ms", INTERVAL_MS.0, INTERVAL_MS.1, &mut interval_ms);
        let mut burst = requests;
        fields.number("burst", 1, MAX_REQUESTS, &mut burst);
        let name = name.unwrap_or_else(|| (index + 1).to_string());
        Self { name, method, tool, per, requests, interval_ms, burst }
    }
}

fn read_method(fields: &mut Fields, extra_methods: &[String]) -> Method {
    fields.require("method", "a method of a request from client to server, such as \"tools/call\"");
    if let Some(problem) = fields.peek("method").and_then(|name| reason_to_refuse(name, extra_methods)) {
        fields.problem("method", &problem);
        let _ = fields.take("method");
    }
    let name = fields.text("method", "a method of a request from client to server", |_| true);
    name.map_or(Method::Other, |name| Method::of(name.as_bytes(), extra_methods))
}

/// Why requests of this method are not limited.
fn reason_to_refuse(name: &str, extra_methods: &[String]) -> Option<String> {
    use KnownMethod::{ElicitationCreate, Initialize, Ping, RootsList, SamplingCreateMessage, ServerDiscover};
    let reason = match Method::of(name.as_bytes(), extra_methods) {
        _ if name.starts_with("notifications/") => "notifications have no answer that could refuse them",
        Method::Known(Initialize | Ping | ServerDiscover) => "clients do not connect, or disconnect, without an answer",
        Method::Known(SamplingCreateMessage | RootsList | ElicitationCreate) => "only servers send it",
        Method::Other | Method::Unseen => "it is no method of MCP, and not in extra_methods",
        Method::Known(_) | Method::Extra(_) => return None,
    };
    let shown: String = name.chars().take(64).collect();
    Some(format!("{shown:?} cannot be limited: {reason}"))
}

fn read_tool(fields: &mut Fields, method: Method) -> ToolRule {
    let is_call = matches!(method, Method::Known(KnownMethod::ToolsCall) | Method::Other);
    if fields.present("tool") && !is_call {
        fields.problem("tool", "only a rule with the method \"tools/call\" has a tool");
    }
    let allowed = "the name of a tool, 1 to 256 bytes, or \"*\" for a bucket for each tool";
    match fields.text("tool", allowed, |tool| (1..=MAX_TOOL_BYTES).contains(&tool.len())) {
        None => ToolRule::Shared,
        Some(tool) if tool == "*" => ToolRule::Each,
        Some(tool) => ToolRule::Named(tool),
    }
}

fn is_rule_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
