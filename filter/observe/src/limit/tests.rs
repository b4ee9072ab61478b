//! Rules, counts and answers; the modules test the bounds.

mod bounds;
mod clocks;
mod workers;

use super::{Caller, Decision, LimitedRequest, RateLimiter, Refused, RuleCount};
use crate::config::Config;
use crate::host::{SharedData, Time};
use crate::label::{KnownMethod, Method, RateLimitOutcome};
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::num::NonZeroU64;

pub(super) fn config(block: &str) -> Config {
    Config::from_json(format!(r#"{{"rate_limit":{block}}}"#).as_bytes(), &|_| None).unwrap()
}

/// The limiter of these rules, each the members of an object.
pub(super) fn limiter(rules: &[&str]) -> RateLimiter {
    let rules: Vec<String> = rules.iter().map(|rule| format!("{{{rule}}}")).collect();
    RateLimiter::new(&config(&format!(r#"{{"rules":[{}]}}"#, rules.join(",")))).unwrap()
}

/// A rule for `tools/call` with this rate and these other members.
pub(super) fn rate(requests: u64, interval_ms: u64, burst: u64, others: &str) -> String {
    format!(r#""method":"tools/call","requests":{requests},"interval_ms":{interval_ms},"burst":{burst}{others}"#)
}

pub(super) fn call(tool: &str) -> LimitedRequest {
    let tool = NonZeroU64::new(Text::digest_of(tool.as_bytes()));
    LimitedRequest { method: Method::Known(KnownMethod::ToolsCall), tool }
}

pub(super) fn session(digest: u64) -> Caller {
    Caller { session: Some(digest), ..Caller::default() }
}

/// One call of the tool `add` at this time in microseconds. Returns whether it passes.
pub(super) fn passes(limiter: &RateLimiter, caller: &Caller, now: u64, shared: &dyn SharedData) -> bool {
    limiter.charge(None, caller, &[call("add")], Time(now * 1_000), shared).refused.is_none()
}

fn counts(decision: &Decision) -> Vec<(u8, RateLimitOutcome, u64)> {
    decision.counts.iter().map(|RuleCount { rule, outcome, requests }| (*rule, *outcome, *requests)).collect()
}

#[test]
fn burst_passes_and_the_next_request_waits_for_its_token() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(10, 60_000, 3, "")]));
    let charge = |now| limiter.charge(None, &Caller::default(), &[call("add")], Time(now), &shared);
    for _ in 0..3 {
        assert_eq!(counts(&charge(5)), [(0, RateLimitOutcome::Allowed, 1)]);
    }
    let refused = charge(5);
    assert_eq!(refused.refused, Some(Refused { rule: 0, retry_after_ms: 6_000 }));
    assert_eq!(counts(&refused), [(0, RateLimitOutcome::Limited, 1)]);
    assert_eq!(charge(5_998_000_000).refused, Some(Refused { rule: 0, retry_after_ms: 2 }));
    assert_eq!(charge(6_000_000_005).refused, None);
}

#[test]
fn rule_covers_its_method_and_tool_only() {
    let named = rate(1, 1_000, 1, r#","tool":"add""#);
    let limiter = limiter(&[&named, r#""method":"tools/list","requests":1,"interval_ms":1000"#]);
    let shared = InMemory::default();
    let charge = |request| counts(&limiter.charge(None, &Caller::default(), &[request], Time(0), &shared));
    let list = LimitedRequest { method: Method::Known(KnownMethod::ToolsList), tool: None };
    let allowed = |rule| vec![(rule, RateLimitOutcome::Allowed, 1)];
    assert_eq!(charge(call("subtract")), []);
    assert_eq!(charge(LimitedRequest { tool: None, ..call("") }), []);
    assert_eq!(charge(LimitedRequest { method: Method::Other, tool: None }), []);
    assert_eq!(shared.reads(), 0);
    assert_eq!(charge(call("add")), allowed(0));
    assert_eq!(shared.reads(), 1);
    assert_eq!(charge(list), allowed(1));
    assert_eq!(charge(call("add")), [(0, RateLimitOutcome::Limited, 1)]);
}

#[test]
fn tools_share_a_bucket_unless_each_has_its_own() {
    for (tool, other_passes) in [("", false), (r#","tool":"*""#, true)] {
        let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 1_000, 1, tool)]));
        let charge = |tool| limiter.charge(None, &Caller::default(), &[call(tool)], Time(0), &shared).refused;
        assert_eq!(charge("add"), None);
        assert!(charge("add").is_some());
        assert_eq!(charge("subtract").is_none(), other_passes);
    }
}

#[test]
fn each_subject_has_its_bucket_and_unknown_ones_share_one() {
    let caller = |session, client, identity| Caller { session, client, identity };
    let all = [caller(None, Some(1), Some(1)), caller(Some(1), None, Some(1)), caller(Some(1), Some(1), None)];
    for (per, unknown, others) in [("session", all[0], 0), ("client", all[1], 1), ("identity", all[2], 2)] {
        let text = format!(
            r#"{{"identity":{{"header":"x-user","form":"plain"}},"rate_limit":{{"rules":[{{{}}}]}}}}"#,
            rate(1, 1_000, 1, &format!(r#","per":"{per}""#))
        );
        let limiter = RateLimiter::new(&Config::from_json(text.as_bytes(), &|_| None).unwrap()).unwrap();
        let shared = InMemory::default();
        let known =
            |digest| [session(digest), caller(None, Some(digest), None), caller(None, None, Some(digest))][others];
        assert!(passes(&limiter, &known(7), 0, &shared) && !passes(&limiter, &known(7), 0, &shared), "{per}");
        assert!(passes(&limiter, &known(8), 0, &shared), "{per}");
        assert!(passes(&limiter, &unknown, 0, &shared) && !passes(&limiter, &Caller::default(), 0, &shared), "{per}");
    }
}

#[test]
fn servers_of_clusters_have_buckets_of_their_own() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 1_000, 1, "")]));
    let charge = |server| limiter.charge(Some(server), &Caller::default(), &[call("add")], Time(0), &shared).refused;
    assert!(charge("a").is_none() && charge("a").is_some() && charge("b").is_none());
}

#[test]
fn batch_over_one_rule_takes_no_token_of_any() {
    // Rule 0 has ten tokens, rule 1 two for `add`, rule 2 four.
    let rules = [rate(10, 1_000, 10, ""), rate(1, 1_000, 2, r#","tool":"add""#), rate(2, 1_000, 4, "")];
    let (shared, limiter) = (InMemory::default(), limiter(&rules.each_ref().map(String::as_str)));
    let charge = |batch: &[LimitedRequest]| limiter.charge(None, &Caller::default(), batch, Time(0), &shared);
    let five = vec![call("add"); 5];
    for _ in 0..3 {
        let decision = charge(&five);
        // Rule 1 lacks three tokens at one per second, rule 2 one at two per second.
        assert_eq!(decision.refused, Some(Refused { rule: 1, retry_after_ms: 3_000 }));
        assert_eq!(counts(&decision), [(1, RateLimitOutcome::Limited, 3), (2, RateLimitOutcome::Limited, 1)]);
    }
    // All tokens are still there.
    let decision = charge(&[call("add"), call("x"), call("add"), call("x")]);
    assert_eq!(decision.refused, None);
    assert_eq!(
        counts(&decision),
        [0, 1, 2].map(|rule| (rule, RateLimitOutcome::Allowed, [4, 2, 4][usize::from(rule)]))
    );
    assert_eq!(charge(&[call("x")]).refused.map(|refused| refused.rule), Some(2));
}

#[test]
fn batch_that_is_larger_than_the_burst_never_passes() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 1_000, 3, "")]));
    let decision = |now| limiter.charge(None, &Caller::default(), &[call("add"); 4], Time(now), &shared);
    for now in [0, 3_600_000_000_000] {
        assert_eq!(decision(now).refused, Some(Refused { rule: 0, retry_after_ms: 1_000 }));
    }
    assert!(passes(&limiter, &Caller::default(), 0, &shared));
}

#[test]
fn batch_of_many_tools_is_over_in_each_bucket_that_lacks_tokens() {
    let (shared, limiter) = (InMemory::default(), limiter(&[&rate(1, 1_000, 1, r#","tool":"*""#)]));
    let charge = |batch: &[LimitedRequest]| limiter.charge(None, &Caller::default(), batch, Time(0), &shared);
    let decision = charge(&[call("a"), call("b"), call("a"), call("c"), call("c"), call("c")]);
    assert_eq!(counts(&decision), [(0, RateLimitOutcome::Limited, 3)]);
    assert_eq!(decision.refused, Some(Refused { rule: 0, retry_after_ms: 2_000 }));
    assert_eq!(counts(&charge(&[call("a"), call("b"), call("c")])), [(0, RateLimitOutcome::Allowed, 3)]);
}

#[test]
fn shadow_refuses_nothing_and_counts_as_if() {
    let rule = rate(1, 1_000, 1, "");
    let limiter = RateLimiter::new(&config(&format!(r#"{{"shadow":true,"rules":[{{{rule}}}]}}"#))).unwrap();
    let shared = InMemory::default();
    let charge = |now| limiter.charge(None, &Caller::default(), &[call("add")], Time(now), &shared);
    for (now, outcome) in
        [(0, RateLimitOutcome::Allowed), (1, RateLimitOutcome::Shadowed), (1_000_000_000, RateLimitOutcome::Allowed)]
    {
        let decision = charge(now);
        assert_eq!((decision.refused, counts(&decision)), (None, vec![(0, outcome, 1)]), "{now}");
    }
}

#[test]
fn rule_that_stays_the_same_keeps_its_buckets() {
    let shared = InMemory::default();
    let limit = |rules: &str, others: &str| {
        let text = format!(r#"{{"rate_limit":{{"rules":[{rules}]}}{others}}}"#);
        let limiter = RateLimiter::new(&Config::from_json(text.as_bytes(), &|_| None).unwrap()).unwrap();
        passes(&limiter, &Caller::default(), 0, &shared)
    };
    let rule = format!(r#"{{"name":"a",{}}}"#, rate(1, 1_000, 1, ""));
    let other = r#"{"name":"b","method":"tools/list","requests":1,"interval_ms":100}"#;
    assert!(limit(&rule, ""));
    // The same rule at another place, with other settings around it.
    assert!(!limit(&format!("{other},{rule}"), r#","semconv":true"#));
    for changed in [
        rule.replace(r#""name":"a""#, r#""name":"c""#),
        rule.replace(r#""requests":1"#, r#""requests":2"#),
        rule.replace(r#""interval_ms":1000"#, r#""interval_ms":1001"#),
        rule.replace(r#""burst":1"#, r#""per":"client","burst":1"#),
        rule.replace(r#""burst":1"#, r#""tool":"add","burst":1"#),
        rule.replace(r#""burst":1"#, r#""tool":"*","burst":1"#),
        rule.replace(r#""burst":1"#, r#""burst":2"#),
    ] {
        assert!(limit(&changed, ""), "{changed}");
    }
    assert!(limit(&rule, r#","server_name":"other""#));
    assert!(!limit(&rule, ""));
}
