//! A rule of the configuration, with what is computed once: the key of its value, its rate, the digest of its tool.

use super::bucket::Rate;
use super::{Caller, LimitedRequest};
use crate::config::Config;
use crate::config::rate_limit::{Per, Rule, ToolRule};
use crate::digest::combine;
use crate::label::Method;
use crate::shared_data::{KEY_PREFIX, encode};
use crate::text::Text;
use std::num::NonZeroU64;

/// A rule, ready to be applied.
#[derive(Debug)]
pub(super) struct Limit {
    /// The key of the rule's value, without the name of the server.
    key: String,
    pub(super) rate: Rate,
    method: Method,
    tool: Tool,
    per: Per,
}

/// [`ToolRule`], with the tool as a digest.
#[derive(Debug)]
enum Tool {
    Shared,
    Each,
    Digest(u64),
}

// === impl Limit ===

impl Limit {
    pub(super) fn new(rule: &Rule, config: &Config) -> Self {
        let tool = match &rule.tool {
            ToolRule::Shared => Tool::Shared,
            ToolRule::Each => Tool::Each,
            ToolRule::Named(name) => Tool::Digest(Text::digest_of(name.as_bytes())),
        };
        Self { key: key(rule, config), rate: Rate::of(rule), method: rule.method, tool, per: rule.per }
    }

    /// The key of the rule's value for this server.
    pub(super) fn key(&self, server: Option<&str>) -> String {
        let server = server.unwrap_or_default();
        let mut key = String::with_capacity(self.key.len() + server.len());
        key.push_str(&self.key);
        key.push_str(server);
        key
    }

    pub(super) fn covers(&self, request: &LimitedRequest) -> bool {
        let is_tool = match self.tool {
            Tool::Shared | Tool::Each => true,
            Tool::Digest(digest) => request.tool.map(NonZeroU64::get) == Some(digest),
        };
        self.method == request.method && is_tool
    }

    /// The key of the bucket of a request that the rule covers.
    pub(super) fn bucket_key(&self, caller: &Caller, request: &LimitedRequest) -> u64 {
        let subject = match self.per {
            Per::Server => None,
            Per::Session => caller.session,
            Per::Client => caller.client,
            Per::Identity => caller.identity,
        };
        let subject = subject.unwrap_or_default();
        match self.tool {
            Tool::Each => combine(subject, request.tool.map_or(0, NonZeroU64::get)),
            Tool::Shared | Tool::Digest(_) => subject,
        }
    }
}

/// A new configuration that leaves the rule as it is leaves the key as it is, so the rule keeps its buckets. A changed rule begins
/// with full buckets; the value under its old key stays in the shared data, as keys are never deleted.
fn key(rule: &Rule, config: &Config) -> String {
    let Rule { name, method, tool, per, requests, interval_ms, burst } = rule;
    let tool = match tool {
        ToolRule::Shared => None,
        ToolRule::Each => Some("*"),
        ToolRule::Named(tool) => Some(tool.as_str()),
    };
    let method = method.as_str(&config.extra_methods);
    let parts = (config.namespace(), name, method, tool, *per as u8, requests, interval_ms, burst);
    format!("{KEY_PREFIX}limit/{:016x}/", config.digest_key.digest(&encode(&parts)))
}
