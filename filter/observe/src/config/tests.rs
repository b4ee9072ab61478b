use super::{Availability, ClientNameLabel, Config, IdentityForm, ResourceUriLabel, ServerNameFrom};
use crate::test;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let environment = |name: &str| (name == "KEY").then(|| "0123456789abcdef".to_owned());
    Config::from_json(text.as_bytes(), &environment)
        .map_err(|error| error.problems().iter().map(|problem| problem.path().to_owned()).collect())
}

#[test]
fn missing_configuration_is_the_default() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse(" \n"), Ok(Config::default()));
    assert_eq!(parse("{}"), Ok(Config::default()));
}

#[test]
fn names_that_could_be_overlooked_are_quoted() {
    assert_eq!(parse(r#"{"":1}"#), Err(vec![r#""""#.to_owned()]));
    assert_eq!(parse(r#"{"labels":{"a\nb":1}}"#), Err(vec![r#"labels."a\nb""#.to_owned()]));
    let long = parse(&format!(r#"{{"{}":1}}"#, "a".repeat(500))).unwrap_err();
    assert_eq!(long[0].len(), 80);
}

#[test]
fn every_field_is_read() {
    let config = parse(
        r#"{"server_name":"a.b-c_d","server_name_from":"cluster","paths":["/mcp"],
        "labels":{"resource_uri":"hash","hash_key":"${KEY}","client_name":"tools"},
        "limits":{"tool_names":5.0,"label_bytes":64},"extra_methods":["skills/list"],
        "filter_state":true,"semconv":true,"availability":"off",
        "identity":{"header":"x-forwarded-user","form":"plain"}}"#,
    )
    .unwrap();
    assert_eq!(config.server_name, "a.b-c_d");
    assert_eq!(config.server_name_from, ServerNameFrom::Cluster);
    assert_eq!(config.resource_uri, ResourceUriLabel::Hash);
    assert_eq!(config.hash_key.as_deref(), Some("0123456789abcdef"));
    assert_eq!(config.limits.tool_names, 5);
    assert_eq!(config.limits.label_bytes, 64);
    assert_eq!(config.availability, Availability::Off);
    assert!(config.client_name == ClientNameLabel::Tools && config.filter_state && config.semconv);
    assert_eq!(config.identity.header.as_deref(), Some("x-forwarded-user"));
    assert_eq!(config.identity.form, IdentityForm::Plain);
}

#[test]
fn all_problems_are_reported_with_their_paths() {
    let problems = parse(
        r#"{"server_name":"a b","server_name_from":"x","paths":["mcp","/ok",7],"labels":{"resource_uri":"hash","nope":1},
        "limits":{"tool_names":0,"label_bytes":-1,"error_codes":"many"},"extra_methods":"x","filter_state":1,
        "rate_limit":{},"typo":true}"#,
    );
    let expected = [
        "server_name",
        "server_name_from",
        "paths[0]",
        "paths[2]",
        "labels.hash_key",
        "labels.nope",
        "limits.tool_names",
        "limits.error_codes",
        "limits.label_bytes",
        "extra_methods",
        "filter_state",
        "rate_limit.rules",
        "typo",
    ];
    assert_eq!(problems, Err(expected.map(str::to_owned).to_vec()));
}

#[test]
fn configuration_that_is_no_object_fails() {
    assert_eq!(parse("[]"), Err(vec!["$".to_owned()]));
    assert_eq!(parse("{"), Err(vec!["$".to_owned()]));
    assert_eq!(parse(r#"{"labels":3}"#), Err(vec!["labels".to_owned()]));
}

#[test]
fn envoy_struct_is_read() {
    // {"server_name": "mine", "semconv": true, "limits": {"tool_names": 7}, "paths": ["/a"]}
    let bytes = b"\x0a\x15\x0a\x0bserver_name\x12\x06\x1a\x04mine\x0a\x0d\x0a\x07semconv\x12\x02\x20\x01\
        \x0a\x25\x0a\x06limits\x12\x1b\x2a\x19\x0a\x17\x0a\x0atool_names\x12\x09\x11\0\0\0\0\0\0\x1c\x40\
        \x0a\x11\x0a\x05paths\x12\x08\x32\x06\x0a\x04\x1a\x02/a";
    let config = Config::from_json(bytes, &|_| None).unwrap();
    assert_eq!((config.server_name.as_str(), config.semconv, config.limits.tool_names), ("mine", true, 7));
    assert_eq!(config.paths, ["/a"]);
    let unknown = Config::from_json(b"\x0a\x08\x0a\x02no\x12\x02\x20\x01", &|_| None).unwrap_err();
    assert!(unknown.to_string().starts_with("no: unknown field"), "{unknown}");
    assert!(Config::from_json(b"\x0a\x15\x0a\x0bser", &|_| None).is_err());
}

#[test]
fn hashed_identity_needs_a_key() {
    let message = |text: &str| Config::from_json(text.as_bytes(), &|_| None).map_err(|error| error.to_string());
    let missing = message(r#"{"identity":{"header":"x-user"}}"#).unwrap_err();
    assert!(missing.starts_with("identity.form: ") && missing.contains("\"plain\"") && missing.contains("hash_key"));
    assert!(message(r#"{"identity":{"header":"x-user","form":"plain"}}"#).is_ok());
    let config = message(r#"{"identity":{"header":"x-user"},"labels":{"hash_key":"0123456789abcdef"}}"#).unwrap();
    assert_eq!(config.identity.form, IdentityForm::Hash);
    let short = message(r#"{"identity":{"header":"x-user"},"labels":{"hash_key":"short"}}"#).unwrap_err();
    assert!(short.starts_with("labels.hash_key: ") && !short.contains("identity"), "{short}");
}

#[test]
fn header_that_is_no_identity_is_refused_with_the_reason() {
    for (header, reason) in [
        ("authorization", "credentials"),
        ("Authorization", "credentials"),
        ("proxy-authorization", "credentials"),
        ("cookie", "credentials"),
        ("x-api-key", "credentials"),
        ("api-key", "credentials"),
        ("set-cookie", "credentials"),
        ("x-forwarded-access-token", "credentials"),
        ("mcp-session-id", "mcp.session"),
        (":path", "request line"),
        ("X-User", "lower case"),
        ("", "lower case"),
        ("x user", "lower case"),
    ] {
        let text = format!(r#"{{"identity":{{"header":"{header}","form":"plain"}}}}"#);
        let problem = Config::from_json(text.as_bytes(), &|_| None).unwrap_err().to_string();
        assert!(problem.starts_with("identity.header: ") && problem.contains(reason), "{header}: {problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
    assert_eq!(parse(r#"{"identity":{"header":7,"form":"x","nope":1}}"#).unwrap_err().len(), 4);
    assert_eq!(parse(r#"{"identity":"x-user"}"#), Err(vec!["identity".to_owned()]));
}

#[test]
fn secret_is_not_shown() {
    let environment = |_: &str| None;
    let error = Config::from_json(br#"{"labels":{"hash_key":"hunter2"}}"#, &environment).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = Config::from_json(br#"{"labels":{"hash_key":"${ABSENT}"}}"#, &environment).unwrap_err();
    assert!(error.to_string().contains("ABSENT"), "{error}");
}

#[test]
fn server_name_accepts_every_source() {
    assert_eq!(Config::default().with_server_name(b"out|80||a.b").server_name(), "out_80__a.b");
    assert_eq!(Config::default().with_server_name(b"").server_name(), "unknown");
}
