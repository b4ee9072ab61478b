//! Filter state and privacy: the hash of a session's id, the user as the setting says, and no other content of a message.

use fake_envoy::{Exchange, Framing, Host, Plugin, Step};

use super::{CALL, ON, PLAIN_USER, RESULT, one, state_with};

#[test]
fn session_is_a_keyed_hash_of_an_id_of_any_length() {
    for id in ["secret".to_owned(), "secret".repeat(100)] {
        let hash = one(ON, &Exchange::post(CALL).header("mcp-session-id", &id).json(RESULT), "mcp.session");
        assert_eq!(hash.len(), 16, "{hash}");
        assert!(!hash.contains("secret"));
    }
}

#[test]
fn workers_agree_on_the_session_hash() {
    let host = Host::new().unwrap();
    let exchange = Exchange::post(CALL).header("mcp-session-id", "s").json(RESULT);
    let hashes: Vec<_> = (0..3)
        .map(|_| {
            let vm = host.start(&Plugin::new(ON)).unwrap();
            vm.play(&exchange, Framing::Http1).unwrap().filter_state.remove("mcp.session")
        })
        .collect();
    assert!(hashes[0].is_some());
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    let keys = host.shared_data_keys();
    assert!(keys.iter().all(|key| key.starts_with(b"mcp_observability/")), "{keys:?}");
}

#[test]
fn plain_user_is_cleaned_and_bounded() {
    let call = || Exchange::post(CALL).json(RESULT);
    let user = |exchange: &Exchange| one(PLAIN_USER, exchange, "mcp.user");
    assert_eq!(user(&call()), "");
    for (sent, shown) in [
        ("", String::new()),
        ("ann@example.com", "ann@example.com".to_owned()),
        ("a\"b;c=d\\", "a_b_c_d_".to_owned()),
        (&"x".repeat(100_000), "x".repeat(128)),
    ] {
        assert_eq!(user(&call().header("x-user", sent)), shown, "{sent:.99}");
    }
    assert_eq!(user(&call().header("x-user", "ann").another("x-user", "ben")), "ann");
    let mut invalid = call().header("x-user", "");
    if let Some(Step::RequestHeaders(headers)) = invalid.steps.first_mut() {
        headers.push(("x-user".to_owned(), vec![b'a', 0xff, b'b']));
        headers.retain(|(name, value)| name != "x-user" || !value.is_empty());
    }
    assert_eq!(user(&invalid), "a_b");
    assert_eq!(one(ON, &call().header("x-user", "ann"), "mcp.user"), "");
    let stream = Exchange::bodiless("GET", "/mcp").header("mcp-session-id", "s").header("x-user", "ann").sse(&[]);
    assert_eq!(user(&stream), "ann");
}

#[test]
fn hashed_user_depends_on_the_key_and_on_the_whole_value() {
    let user = |key: &str, value: &str| {
        let configuration =
            format!(r#"{{"filter_state":true,"identity":{{"header":"x-user"}},"labels":{{"hash_key":"{key}"}}}}"#);
        one(&configuration, &Exchange::post(CALL).header("x-user", value).json(RESULT), "mcp.user")
    };
    let [one_key, other_key] = ["0123456789abcdef", "fedcba9876543210"];
    let ann = user(one_key, "ann");
    assert_eq!(ann.len(), 16, "{ann}");
    assert_eq!(ann, user(one_key, "ann"));
    assert_ne!(ann, user(other_key, "ann"));
    assert_ne!(ann, user(one_key, "ben"));
    let long = "x".repeat(100_000);
    assert_ne!(user(one_key, &long), user(one_key, &format!("{long}y")));
}

#[test]
fn secrets_are_in_no_attribute() {
    let body = r#"{"jsonrpc":"2.0","id":"SECRET 1","method":"tools/call","SECRET":"SECRET","params":{"name":"add",
        "uri":"x://SECRET","arguments":{"SECRET":"SECRET","name":"SECRET"},"_meta":{"progressToken":"SECRET",
        "tracestate":"SECRET","baggage":"SECRET","traceparent":"SECRET"}}}"#;
    let answer = r#"{"jsonrpc":"2.0","id":"SECRET 1","error":{"code":-1,"message":"SECRET","data":"SECRET"}}"#;
    let mut call = Exchange::post(body).header(":path", "/mcp?token=SECRET").header("traceparent", "SECRET");
    for header in ["authorization", "cookie", "x-api-key", "mcp-session-id", "tracestate", "baggage", "x-user"] {
        call = call.header(header, "SECRET");
    }
    let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"users://SECRET?SECRET"}}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"SECRET/made/up","params":{"SECRET":"SECRET"}}"#;
    let hashed = r#"{"filter_state":true,"identity":{"header":"x-user"},"labels":{"hash_key":"0123456789abcdef"}}"#;
    for exchange in [
        call.json(answer),
        Exchange::post(read).json(RESULT),
        Exchange::post(notification).answer(202, "text/plain", "SECRET"),
    ] {
        let found = state_with(hashed, &exchange);
        assert!(found.contains_key("mcp.method"), "{found:?}");
        assert!(found.values().all(|value| !value.contains("SECRET")), "{found:?}");
    }
}
