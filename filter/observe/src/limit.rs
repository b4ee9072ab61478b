//! The rate limit: whether the requests of a body may pass, by the token buckets of the configured rules.
//!
//! | module | what it does |
//! |---|---|
//! | `rule` | which requests a rule covers, and which of its buckets |
//! | `bucket` | one token bucket |
//! | `table` | the buckets of a rule as one value |
//!
//! All workers of a process share the buckets, in the shared data. A body takes a token from every bucket that it needs, or none
//! at all. If the shared data does not save the new values, the body passes. A request that cannot be
//! limited, such as `initialize`, is covered by no rule, because the configuration refuses such rules.
//!
//! **What it does not do:** hold a request, write the answer, or read a body; that is [`crate::exchange`].
//!
//! **Cost:** a read and a write of the shared data for each rule that covers a request. **Memory:** 24 KiB for each rule and
//! server, if it has 1,024 subjects.

mod bucket;
mod rule;
mod table;

use crate::config::Config;
use crate::host::{SharedData, Time, Versioned};
use crate::label::{Method, RateLimitOutcome};
use crate::shared_data::update_bytes;
use bucket::{Over, Rate};
use rule::Limit;
use std::num::NonZeroU64;
use table::Table;

/// Attempts per body. Each failed one means that another VM succeeded in between. If all workers change one value at the same
/// time, each has to expect as many failures as there are workers.
const MAX_ATTEMPTS: usize = 256;

/// The rules of a plugin.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limits: Vec<Limit>,
    shadow: bool,
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
    /// The [digest](crate::text::Text::digest) of the tool's whole name, as in [`Operation::tool`](crate::Operation).
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

/// What one rule takes for a body.
struct Charge<'a> {
    rule: u8,
    rate: &'a Rate,
    /// The key of the rule's value.
    key: String,
    /// The keys of buckets, and how many tokens each has to give.
    buckets: Vec<(u64, u64)>,
}

/// The value of a rule after a charge that is not saved yet.
struct Attempt {
    bytes: Vec<u8>,
    version: Option<u32>,
    /// The time of the table.
    now: u64,
    /// Buckets of the rule had not enough tokens.
    over: Option<Over>,
}

// === impl RateLimiter ===

impl RateLimiter {
    /// The rate limits of a plugin; `None` without the block `rate_limit`.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let block = config.rate_limit.as_ref()?;
        let limits = block.rules.iter().map(|rule| Limit::new(rule, config)).collect();
        Some(Self { limits, shadow: block.shadow })
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
        let now = now.0 / 1_000;
        let charges = self.charges(server, caller, requests);
        for _ in 0..MAX_ATTEMPTS {
            let attempts: Vec<Attempt> = charges.iter().map(|charge| charge.attempt(now, shared)).collect();
            if attempts.iter().any(|attempt| attempt.over.is_some()) {
                return self.over_limit(&charges, &attempts);
            }
            if save(&charges, &attempts, shared) {
                return passed(&charges, RateLimitOutcome::Allowed);
            }
        }
        passed(&charges, RateLimitOutcome::NoRoom)
    }

    /// Whether a rule covers a request.
    pub(crate) fn covers(&self, request: &LimitedRequest) -> bool {
        self.limits.iter().any(|limit| limit.covers(request))
    }

    /// What each rule that covers a request takes, in the order of the rules.
    fn charges(&self, server: Option<&str>, caller: &Caller, requests: &[LimitedRequest]) -> Vec<Charge<'_>> {
        let mut charges = Vec::new();
        for (rule, limit) in (0..).zip(&self.limits) {
            let mut buckets: Vec<(u64, u64)> = Vec::new();
            for request in requests.iter().filter(|request| limit.covers(request)) {
                let key = limit.bucket_key(caller, request);
                match buckets.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, requests)) => *requests += 1,
                    None => buckets.push((key, 1)),
                }
            }
            if !buckets.is_empty() {
                charges.push(Charge { rule, rate: &limit.rate, key: limit.key(server), buckets });
            }
        }
        charges
    }

    #[inline(never)]
    fn over_limit(&self, charges: &[Charge<'_>], attempts: &[Attempt]) -> Decision {
        let outcome = if self.shadow { RateLimitOutcome::Shadowed } else { RateLimitOutcome::Limited };
        let over = charges.iter().zip(attempts).filter_map(|(charge, attempt)| Some((charge.rule, attempt.over?)));
        let count = |(rule, over): (u8, Over)| RuleCount { rule, outcome, requests: over.requests };
        let counts: Vec<RuleCount> = over.clone().map(count).collect();
        let wait = over.map(|(_, over)| over.wait).max().unwrap_or_default();
        let retry_after_ms = wait.div_ceil(1_000).max(1);
        let refused = counts.first().map(|first| Refused { rule: first.rule, retry_after_ms });
        Decision { refused: refused.filter(|_| !self.shadow), counts }
    }
}

// === impl Charge ===

impl Charge<'_> {
    /// Takes the tokens from a copy of the rule's value.
    fn attempt(&self, now: u64, shared: &dyn SharedData) -> Attempt {
        let (mut bytes, version) = match shared.read(&self.key) {
            Some(Versioned { bytes, version }) => (bytes, Some(version)),
            None => (Vec::new(), None),
        };
        let mut over: Option<Over> = None;
        let mut table = Table::new(self.rate, now, &mut bytes);
        for &(key, requests) in &self.buckets {
            if let Err(Over { requests, wait }) = table.take(key, requests) {
                let before = over.unwrap_or(Over { requests: 0, wait: 0 });
                over = Some(Over { requests: before.requests + requests, wait: before.wait.max(wait) });
            }
        }
        let now = table.now();
        Attempt { bytes, version, now, over }
    }

    /// Puts back what an attempt took that was saved.
    fn give_back(&self, saved: &Attempt, shared: &dyn SharedData) {
        update_bytes(shared, &self.key, &mut |bytes| {
            let mut table = Table::new(self.rate, saved.now, bytes);
            for &(key, requests) in &self.buckets {
                table.give_back(key, requests, saved.now);
            }
            true
        });
    }
}

/// Saves all values, or none: if one cannot be saved, those that were are changed back.
fn save(charges: &[Charge<'_>], attempts: &[Attempt], shared: &dyn SharedData) -> bool {
    let write =
        |(charge, attempt): &(&Charge<'_>, &Attempt)| shared.write(&charge.key, &attempt.bytes, attempt.version);
    let saved = charges.iter().zip(attempts).take_while(write).count();
    let is_saved = saved == charges.len();
    if !is_saved {
        charges.iter().zip(attempts).take(saved).for_each(|(charge, attempt)| charge.give_back(attempt, shared));
    }
    is_saved
}

/// The body passes.
fn passed(charges: &[Charge<'_>], outcome: RateLimitOutcome) -> Decision {
    let requests = |charge: &Charge<'_>| charge.buckets.iter().map(|(_, requests)| requests).sum();
    let count = |charge: &Charge<'_>| RuleCount { rule: charge.rule, outcome, requests: requests(charge) };
    Decision { refused: None, counts: charges.iter().map(count).collect() }
}

#[cfg(test)]
mod tests;
