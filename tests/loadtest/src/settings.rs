//! Reads the settings from the command line and the environment, and reports all problems at once.

use crate::arguments::Given;
use crate::connection::Address;
use crate::protocol_version::ProtocolVersion;
use crate::rate_limit::Rule;
use clap::Parser;
use std::time::Duration;

/// More clients would need more connections than one machine can open.
const MOST_CLIENTS: u64 = 10_000;
/// More than a load can send in years, and far from an overflow of the counts.
const MOST_REQUESTS: u64 = 1_000_000_000_000;

const URL: &str = "http://localhost:4000";
const METRICS: &str = "http://localhost:9902/metrics";
const CONCURRENCY: &str = "50";
const TOTAL: &str = "1000";
const SEED: &str = "1";
const TIMEOUT: &str = "30";

/// Sends load to an MCP server through the sidecar, and compares its own counts with the sidecar's.
///
/// It opens sessions, lists tools and resources, calls every tool that responds within a second and is not marked as
/// destructive, and reads resources. Use it only with servers whose tools may be called. Exit status: 0 if the counts are
/// equal, 1 if they differ or not all requests could be sent, 2 if a setting is refused.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct CommandLine {
    /// The sidecar's MCP endpoint; http only
    #[arg(long, env = "URL", default_value = URL)]
    url: String,
    /// The sidecar's metrics page
    #[arg(long, env = "METRICS", default_value = METRICS)]
    metrics: String,
    /// Send the load without comparing counts
    #[arg(long)]
    no_compare: bool,
    /// Number of clients, each with its own connection and session
    #[arg(long, env = "CONCURRENCY", default_value = CONCURRENCY)]
    concurrency: String,
    /// Number of requests
    #[arg(long, env = "TOTAL", default_value = TOTAL)]
    total: String,
    /// Seed of the mix: the same seed gives the same requests
    #[arg(long, env = "SEED", default_value = SEED)]
    seed: String,
    /// Protocol version: 2024-11-05 (over HTTP+SSE), 2025-03-26, 2025-06-18, 2025-11-25 or 2026-07-28; negotiated if not set
    #[arg(long = "revision", env = "REVISION", value_name = "REVISION")]
    protocol_version: Option<String>,
    /// Names of the tools to call, separated by commas; by default every tool that responds within a second
    #[arg(long, env = "TOOL", value_delimiter = ',')]
    tool: Vec<String>,
    /// A JSON object of argument values; each is used for every tool that has an argument of this name
    #[arg(long, env = "ARGUMENTS")]
    arguments: Option<String>,
    /// A rate limit rule of the sidecar, as in its configuration: checks what it admits
    #[arg(long, env = "RULE")]
    rule: Option<String>,
    /// Seconds after which the client cancels a request
    #[arg(long, env = "TIMEOUT", default_value = TIMEOUT)]
    timeout: String,
}

/// The checked settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) url: Address,
    /// `None` if counts are not compared.
    pub(crate) metrics: Option<Address>,
    pub(crate) concurrency: usize,
    pub(crate) total: u64,
    pub(crate) seed: u64,
    pub(crate) protocol_version: Option<ProtocolVersion>,
    pub(crate) tools: Vec<String>,
    pub(crate) given: Given,
    pub(crate) rule: Option<Rule>,
    pub(crate) timeout: Duration,
}

/// Collects the problems.
#[derive(Default)]
struct Problems(Vec<String>);

// === impl Settings ===

impl Settings {
    /// # Errors
    ///
    /// One line per problem: the setting, its value, what is allowed.
    pub(crate) fn check(line: &CommandLine) -> Result<Self, Vec<String>> {
        let mut problems = Problems::default();
        let url = problems.address("URL", or(&line.url, URL));
        let metrics = if line.no_compare { None } else { problems.address("METRICS", or(&line.metrics, METRICS)) };
        let concurrency = problems.number("CONCURRENCY", or(&line.concurrency, CONCURRENCY), 1, MOST_CLIENTS);
        let total = problems.number("TOTAL", or(&line.total, TOTAL), 1, MOST_REQUESTS);
        let seed = problems.number("SEED", or(&line.seed, SEED), 0, u64::MAX);
        let protocol_version = line
            .protocol_version
            .as_deref()
            .filter(|name| !name.is_empty())
            .and_then(|name| problems.protocol_version(name));
        let given = problems.given(line.arguments.as_deref().unwrap_or_default());
        let rule = line.rule.as_deref().filter(|rule| !rule.is_empty()).and_then(|rule| problems.rule(rule));
        let timeout = Duration::from_secs(problems.number("TIMEOUT", or(&line.timeout, TIMEOUT), 1, 3600));
        let tools = line.tool.iter().filter(|name| !name.is_empty()).cloned().collect();
        match url {
            Some(url) if problems.0.is_empty() => {
                let concurrency = concurrency as usize;
                Ok(Self { url, metrics, concurrency, total, seed, protocol_version, tools, given, rule, timeout })
            }
            _ => Err(problems.0),
        }
    }
}

/// An empty value counts as missing.
fn or<'a>(value: &'a str, default: &'a str) -> &'a str {
    if value.is_empty() { default } else { value }
}

// === impl Problems ===

impl Problems {
    fn add(&mut self, name: &str, value: &str, allowed: &str) {
        self.0.push(format!("{name}: {value:?} is not {allowed}"));
    }

    fn number(&mut self, name: &str, value: &str, least: u64, most: u64) -> u64 {
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.add(name, value, &format!("a number from {least} to {most}"));
                least
            }
        }
    }

    fn address(&mut self, name: &str, value: &str) -> Option<Address> {
        let address = Address::parse(value);
        if address.is_none() {
            // The value is not shown, because it may contain a password.
            let shown = if value.contains('@') { "(with userinfo, not shown)" } else { value };
            self.add(name, shown, "an http:// URL without userinfo, such as http://localhost:4000");
        }
        address
    }

    fn protocol_version(&mut self, value: &str) -> Option<ProtocolVersion> {
        let protocol_version = ProtocolVersion::parse(value);
        if protocol_version.is_none() {
            self.add("REVISION", value, &ProtocolVersion::ALL.map(ProtocolVersion::name).join(", "));
        }
        protocol_version
    }

    fn rule(&mut self, value: &str) -> Option<Rule> {
        match serde_json::from_str(value) {
            Ok(rule) => Some(rule),
            Err(error) => {
                self.add("RULE", value, &format!("a rule of the sidecar's rate_limit: {error}"));
                None
            }
        }
    }

    fn given(&mut self, value: &str) -> Given {
        if value.is_empty() {
            return Given::new();
        }
        serde_json::from_str(value).unwrap_or_else(|_| {
            self.add("ARGUMENTS", value, r#"a JSON object, such as {"city": "bergen"}"#);
            Given::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Settings};
    use clap::Parser;

    fn check(arguments: &[&str]) -> Result<Settings, Vec<String>> {
        Settings::check(&CommandLine::parse_from([&["loadtest"], arguments].concat()))
    }

    #[test]
    fn defaults_apply() {
        let settings = check(&["--url", "http://localhost:4000", "--concurrency", "50", "--total", "1000"]).unwrap();
        assert_eq!((settings.concurrency, settings.total, settings.protocol_version), (50, 1000, None));
        assert!(settings.metrics.is_some());
        assert!(check(&["--no-compare"]).unwrap().metrics.is_none());
        let empty = check(&[
            "--url=",
            "--metrics=",
            "--concurrency=",
            "--total=",
            "--revision=",
            "--tool=",
            "--arguments=",
            "--rule=",
        ])
        .unwrap();
        assert_eq!((empty.concurrency, empty.total, empty.protocol_version, empty.tools.len()), (50, 1000, None, 0));
        assert_eq!(check(&["--tool", "a,b", "--tool", "c"]).unwrap().tools, ["a", "b", "c"]);
    }

    #[test]
    fn every_problem_is_reported() {
        let wrong = [
            ("--url", "https://localhost"),
            ("--metrics", "http://me:secret@localhost"),
            ("--concurrency", "0"),
            ("--total", "many"),
            ("--seed", "-1"),
            ("--revision", "2025"),
            ("--arguments", "[]"),
            ("--rule", r#"{"method": "tools/call"}"#),
            ("--timeout", "0"),
        ];
        let arguments: Vec<_> = wrong.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let problems = check(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
        assert_eq!(problems.len(), wrong.len(), "{problems:#?}");
        for ((name, _), problem) in wrong.iter().zip(&problems) {
            assert!(problem.starts_with(&name.trim_start_matches('-').to_uppercase()), "{problem}");
        }
        assert!(!problems.concat().contains("secret"));
        assert_eq!(check(&["--total=18446744073709551615"]).unwrap_err().len(), 1);
    }
}
