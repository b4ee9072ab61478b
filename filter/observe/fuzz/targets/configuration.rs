//! The input is a configuration. It is accepted or refused deterministically, and each problem is one line with path and reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::Config;

fuzz_target!(|input: &[u8]| {
    let environment = |name: &str| (name == "KEY").then(|| "0123456789abcdef".to_owned());
    match Config::from_json(input, &environment) {
        Ok(config) => {
            let name = config.server_name();
            assert!((1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
            assert!(config.hash_key().is_none_or(|key| key.len() >= 16));
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!(!problem.path().is_empty() && !problem.message().is_empty(), "{error}");
            }
            assert_eq!(error.to_string().lines().count(), error.problems().len(), "{error}");
            assert_eq!(Config::from_json(input, &environment).err(), Some(error));
        }
    }
});
