use crate::config::Config;
use crate::config::rate_limit::{Per, RateLimit, Rule, ToolRule, Unread};
use crate::label::{KnownMethod, Method};
use crate::test;

fn read(text: &str) -> Result<RateLimit, String> {
    let config = Config::from_json(text.as_bytes(), &|_| None).map_err(|error| error.to_string())?;
    Ok(config.rate_limit.unwrap())
}

/// The problems of a block whose only rule has these members.
fn problems_of(rule: &str) -> String {
    read(&format!(r#"{{"rate_limit":{{"rules":[{{{rule}}}]}}}}"#)).unwrap_err()
}

const RATE: &str = r#""requests":1,"interval_ms":100"#;

#[test]
fn every_field_is_read() {
    let block = read(
        r#"{"extra_methods":["a/b"],"identity":{"header":"x-user","form":"plain"},
        "rate_limit":{"shadow":true,"unread":"refuse","rules":[
        {"name":"expensive","method":"tools/call","tool":"analyse","per":"session","requests":10,"interval_ms":60000,"burst":20},
        {"method":"tools/call","tool":"*","per":"client","requests":1000000.0,"interval_ms":86400000.0,"burst":1.0},
        {"method":"a/b","per":"identity","requests":1,"interval_ms":100},
        {"method":"tools/call","per":"server","requests":5,"interval_ms":100}]}}"#,
    );
    let rule = |name: &str, method, tool, per, requests, interval_ms, burst| Rule {
        name: name.to_owned(),
        method,
        tool,
        per,
        requests,
        interval_ms,
        burst,
    };
    let call = Method::Known(KnownMethod::ToolsCall);
    let rules = vec![
        rule("expensive", call, ToolRule::Named("analyse".to_owned()), Per::Session, 10, 60_000, 20),
        rule("2", call, ToolRule::Each, Per::Client, 1_000_000, 86_400_000, 1),
        rule("3", Method::Extra(0), ToolRule::Shared, Per::Identity, 1, 100, 1),
        rule("4", call, ToolRule::Shared, Per::Server, 5, 100, 5),
    ];
    assert_eq!(block, Ok(RateLimit { shadow: true, unread: Unread::Refuse, rules }));
}

#[test]
fn block_without_settings_is_not_in_shadow_and_lets_unread_bodies_pass() {
    let block = read(&format!(r#"{{"rate_limit":{{"rules":[{{"method":"tools/list",{RATE}}}]}}}}"#)).unwrap();
    assert_eq!((block.shadow, block.unread), (false, Unread::Pass));
    assert!(!block.is_per_client());
    assert_eq!(Config::default().rate_limit, None);
}

#[test]
fn all_problems_are_reported_with_their_paths() {
    let problems = read(
        r#"{"rate_limit":{"shadow":1,"unread":"drop","typo":1,"rules":[
        {"name":"a b","method":"initialize","tool":"","per":"ip","requests":0,"interval_ms":99,"burst":1000001},
        {},
        {"method":7,"tool":7,"per":7,"requests":1.5,"interval_ms":86400001,"burst":0,"type":1},
        7]}}"#,
    );
    let problems = problems.unwrap_err();
    let paths: Vec<&str> = problems.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let of = |rule: usize, fields: &[&str]| -> Vec<String> {
        fields.iter().map(|field| format!("rate_limit.rules[{rule}].{field}")).collect()
    };
    let expected = [
        vec!["rate_limit.shadow".to_owned(), "rate_limit.unread".to_owned()],
        of(0, &["name", "method", "tool", "per", "requests", "interval_ms", "burst"]),
        of(1, &["method", "requests", "interval_ms"]),
        of(2, &["method", "tool", "per", "requests", "interval_ms", "burst", "type"]),
        vec!["rate_limit.rules[3]".to_owned(), "rate_limit.typo".to_owned()],
    ];
    assert_eq!(paths, expected.concat());
}

#[test]
fn number_of_rules_is_1_to_32() {
    let rules = |count: usize| {
        let rules = vec![format!(r#"{{"method":"tools/list",{RATE}}}"#); count];
        read(&format!(r#"{{"rate_limit":{{"rules":[{}]}}}}"#, rules.join(","))).map(|block| block.rules.len())
    };
    assert_eq!(rules(32), Ok(32));
    assert_eq!(rules(33).unwrap_err(), "rate_limit.rules: 33 entries are not allowed; allowed: 1 to 32");
    assert_eq!(rules(0).unwrap_err(), "rate_limit.rules: 0 entries are not allowed; allowed: 1 to 32");
    assert!(read(r#"{"rate_limit":{}}"#).unwrap_err().starts_with("rate_limit.rules: missing"));
    for (text, path) in [("null", "rate_limit"), (r#"{"rules":{}}"#, "rate_limit.rules")] {
        let problem = read(&format!(r#"{{"rate_limit":{text}}}"#)).unwrap_err();
        assert!(problem.starts_with(&format!("{path}: ")) && problem.lines().count() == 1, "{problem}");
    }
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let rules = |first: &str, second: &str| {
        let rule = |name| format!(r#"{{{name}"method":"tools/list",{RATE}}}"#);
        read(&format!(r#"{{"rate_limit":{{"rules":[{},{}]}}}}"#, rule(first), rule(second)))
    };
    let problem = "rate_limit.rules[1].name: \"a\" is the name of rules[0] too; each rule needs another name";
    assert_eq!(rules(r#""name":"a","#, r#""name":"a","#).unwrap_err(), problem);
    // The name of a rule without a name is its place.
    assert!(rules(r#""name":"2","#, "").unwrap_err().starts_with("rate_limit.rules[1].name: \"2\" is"));
    assert!(rules(r#""name":"1","#, "").is_ok());
}

#[test]
fn tool_needs_tools_call() {
    let problem = problems_of(&format!(r#""method":"tools/list","tool":"add",{RATE}"#));
    assert!(problem.starts_with("rate_limit.rules[0].tool: only"), "{problem}");
    assert_eq!(problem.lines().count(), 1, "{problem}");
}

#[test]
fn method_that_must_not_be_limited_is_refused_with_the_reason() {
    for (method, reason) in [
        ("initialize", "do not connect"),
        ("ping", "do not connect"),
        ("server/discover", "do not connect"),
        ("notifications/cancelled", "notifications have no answer"),
        ("notifications/made_up", "notifications have no answer"),
        ("sampling/createMessage", "only servers"),
        ("roots/list", "only servers"),
        ("elicitation/create", "only servers"),
        ("made/up", "extra_methods"),
        ("", "extra_methods"),
        ("tools/Call", "extra_methods"),
    ] {
        let problem = problems_of(&format!(r#""method":"{method}",{RATE}"#));
        assert!(problem.starts_with("rate_limit.rules[0].method: ") && problem.contains(reason), "{method}: {problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
}

/// A new method of MCP is either limited or refused, and this test says which.
#[test]
fn every_other_request_of_a_client_can_be_limited() {
    use KnownMethod::{ElicitationCreate, Initialize, Ping, RootsList, SamplingCreateMessage, ServerDiscover};
    let refused = [Initialize, Ping, ServerDiscover, SamplingCreateMessage, RootsList, ElicitationCreate];
    for &method in KnownMethod::ALL {
        let name = method.as_str();
        let is_allowed = !refused.contains(&method) && !name.starts_with("notifications/");
        let block = read(&format!(r#"{{"rate_limit":{{"rules":[{{"method":"{name}",{RATE}}}]}}}}"#));
        assert_eq!(block.is_ok(), is_allowed, "{name}");
    }
}

#[test]
fn identity_needs_a_header() {
    let problem = problems_of(&format!(r#""method":"tools/list","per":"identity",{RATE}"#));
    assert_eq!(problem, "rate_limit.rules[0].per: \"identity\" needs a header; set identity.header");
    // A header that is wrong is one problem, not two.
    let rule = format!(r#"{{"method":"tools/list","per":"identity",{RATE}}}"#);
    let problem =
        read(&format!(r#"{{"identity":{{"header":"cookie","form":"plain"}},"rate_limit":{{"rules":[{rule}]}}}}"#));
    let problem = problem.unwrap_err();
    assert!(problem.starts_with("identity.header: ") && problem.lines().count() == 1, "{problem}");
}

#[test]
fn client_name_is_needed_by_a_rule_although_it_is_no_label() {
    let config = |per: &str| {
        let rule = format!(r#"{{"method":"tools/list","per":"{per}",{RATE}}}"#);
        let text = format!(r#"{{"labels":{{"client_name":"off"}},"rate_limit":{{"rules":[{rule}]}}}}"#);
        Config::from_json(text.as_bytes(), &|_| None).unwrap()
    };
    assert!(config("client").needs_client_name() && !config("client").wants_client_name());
    assert!(!config("session").needs_client_name());
}

/// The bytes of a `google.protobuf.Value`, as Envoy makes them of YAML or JSON: numbers are doubles.
fn protobuf(value: &serde_json::Value) -> Vec<u8> {
    use serde_json::Value;
    let field = |number: u8, bytes: Vec<u8>| {
        let length = [bytes.len() as u8 | 0x80, (bytes.len() >> 7) as u8];
        [&[number << 3 | 2][..], &length, &bytes].concat()
    };
    match value {
        Value::Null => vec![0x08, 0],
        Value::Number(number) => [&[0x11][..], &number.as_f64().unwrap().to_le_bytes()].concat(),
        Value::String(text) => field(3, text.clone().into_bytes()),
        Value::Bool(bit) => vec![0x20, (*bit).into()],
        Value::Array(items) => field(6, items.iter().flat_map(|item| field(1, protobuf(item))).collect()),
        Value::Object(map) => field(
            5,
            map.iter()
                .flat_map(|(name, value)| {
                    field(1, [field(1, name.clone().into_bytes()), field(2, protobuf(value))].concat())
                })
                .collect(),
        ),
    }
}

#[test]
fn block_from_envoy_is_the_same_as_from_json() {
    let text = r#"{"rate_limit":{"shadow":true,"rules":[{"method":"tools/call","tool":"*","requests":10,"interval_ms":60000,
        "burst":20},{"name":"b","method":"tools/list","requests":1000000,"interval_ms":86400000,"per":"session"}]}}"#;
    let bytes = protobuf(&serde_json::from_str(text).unwrap());
    // Without the tag and the length that make a `Struct` a `Value`.
    let config = Config::from_json(&bytes[3..], &|_| None).unwrap();
    assert_eq!(config.rate_limit, Some(read(text).unwrap()));
    assert_eq!(config.rate_limit.unwrap().rules.len(), 2);
}
