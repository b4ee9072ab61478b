//! An invalid configuration is refused at load with every problem in the log; a missing one is the default.

use fake_envoy::{Host, Plugin, Vm};

const LEVEL_ERROR: u32 = 4;

fn start(plugin: &Plugin) -> (Vm, String) {
    let host = Host::new().unwrap();
    let vm = host.start(plugin).unwrap();
    let lines = host.log().into_iter().filter(|line| line.level >= LEVEL_ERROR);
    let text: Vec<String> = lines.map(|line| line.message).collect();
    (vm, text.join("\n"))
}

#[test]
fn every_problem_is_logged_with_its_path() {
    let cases: [(&str, &[&str]); 12] = [
        ("{", &["JSON"]),
        ("[]", &["object"]),
        ("\u{0}", &["JSON"]),
        (r#"{"server_name":"a b"}"#, &["server_name", "a b"]),
        (r#"{"server_name":7,"server_name_from":"host"}"#, &["server_name", "7", "server_name_from", "host"]),
        (r#"{"paths":["mcp",1]}"#, &["paths[0]", "paths[1]"]),
        (
            r#"{"labels":{"resource_uri":"all","client_name":true,"colour":1}}"#,
            &["labels.resource_uri", "labels.client_name", "labels.colour"],
        ),
        (
            r#"{"limits":{"tool_names":0,"prompt_names":-1,"resource_uris":1.5,"client_names":"9","error_codes":null,"label_bytes":1}}"#,
            &[
                "limits.tool_names",
                "limits.prompt_names",
                "limits.resource_uris",
                "limits.client_names",
                "limits.error_codes",
                "limits.label_bytes",
            ],
        ),
        (r#"{"labels":{"resource_uri":"hash"}}"#, &["labels.hash_key"]),
        (r#"{"labels":{"hash_key":"${MISSING_KEY}"}}"#, &["labels.hash_key", "MISSING_KEY"]),
        (
            r#"{"filter_state":1,"semconv":"no","availability":"active","extra_methods":[""]}"#,
            &["filter_state", "semconv", "availability", "extra_methods[0]"],
        ),
        (r#"{"nope":1,"also_nope":{},"labels":[],"limits":3}"#, &["nope", "also_nope", "labels", "limits"]),
    ];
    for (configuration, expected) in cases {
        let (vm, log) = start(&Plugin::new(configuration));
        assert!(!vm.is_configured(), "{configuration} was accepted");
        for part in expected {
            assert!(log.contains(part), "{configuration}: {part:?} is not in {log:?}");
        }
    }
}

#[test]
fn secret_is_never_logged() {
    let (vm, log) = start(&Plugin::new(r#"{"labels":{"hash_key":"s3cret"},"nope":1}"#));
    assert!(!vm.is_configured());
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn missing_and_full_configurations_are_accepted() {
    let full = r#"{"server_name":"weather_1.a-b","server_name_from":"cluster","paths":["/mcp","/a2a"],
        "labels":{"resource_uri":"authority","client_name":"tools","hash_key":"0123456789abcdef0123456789abcdef"},
        "limits":{"tool_names":10,"prompt_names":10,"resource_uris":10,"client_names":10,"error_codes":10,
        "label_bytes":64},"extra_methods":["custom/do"],"filter_state":true,"semconv":true,"availability":"off",
        "identity":{"header":"x-forwarded-user","form":"hash"}}"#;
    for configuration in ["", " \n", "{}", full] {
        let (vm, log) = start(&Plugin::new(configuration));
        assert!(vm.is_configured(), "{configuration}: {log}");
        assert_eq!(log, "");
    }
}

#[test]
fn hash_key_is_read_from_the_environment() {
    let mut plugin = Plugin::new(r#"{"labels":{"resource_uri":"hash","hash_key":"${HASH_KEY}"}}"#);
    plugin.environment = vec![("HASH_KEY".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())];
    let (vm, log) = start(&plugin);
    assert!(vm.is_configured(), "{log}");
}

#[test]
fn refused_configuration_lets_traffic_pass() {
    let host = Host::new().unwrap();
    let vm = host.start(&Plugin::new("[]")).unwrap();
    assert!(!vm.is_configured());
    // Envoy does not use such a VM; one that is torn down at once must not trap either.
    vm.end().unwrap();
}
