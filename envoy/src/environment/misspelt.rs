//! Variables that look like a setting and are none: they change nothing, so somebody has to say it.

use crate::problem::Problem;

/// The settings that only this program has; others share `PORT` or `OTEL_*` with it.
const SETTINGS: [&str; 10] = [
    "MCP_UPSTREAM_URL",
    "MCP_UPSTREAM_NAME",
    "MCP_UPSTREAM_TIMEOUT_MS",
    "MCP_UPSTREAM_HOST_HEADER",
    "MCP_UPSTREAM_CA_FILE",
    "MCP_UPSTREAM_CERT_FILE",
    "MCP_UPSTREAM_KEY_FILE",
    "MCP_UPSTREAM_IDLE_MS",
    "MCP_FILTER_CONFIG",
    "MCP_FILTER_WASM",
];
/// Letters that may be wrong, missing or too many: `MCP_UPSTREAM_TIMEOUT` lacks three.
const MAX_WRONG: usize = 3;

/// What to say of each name that is nearly that of a setting. Other names are somebody else's: Kubernetes sets `MCP_PORT` beside
/// a Service called mcp.
pub fn misspelt(names: impl Iterator<Item = String>) -> Vec<Problem> {
    let near = |name: &str| {
        if let Some(setting) = begun(name) {
            return Some(setting);
        }
        let nearest = SETTINGS.iter().min_by_key(|setting| strsim::damerau_levenshtein(name, setting))?;
        (1..=MAX_WRONG).contains(&strsim::damerau_levenshtein(name, nearest)).then_some(*nearest)
    };
    let is_own = |name: &String| name.starts_with("MCP_") && !SETTINGS.contains(&name.as_str());
    let mut found: Vec<_> = names.filter(is_own).filter_map(|name| Some((near(&name)?, name))).collect();
    found.sort();
    let say =
        |(setting, name)| Problem::new(setting, format!("not set by {name}, which is no setting; is it misspelt?"));
    found.into_iter().map(say).collect()
}

/// The setting that has all words of the name and more: `MCP_UPSTREAM_KEY` is as near to `MCP_UPSTREAM_URL`, letter by letter.
fn begun(name: &str) -> Option<&'static str> {
    let is_begun = |setting: &&&str| setting.strip_prefix(name).is_some_and(|end| end.starts_with('_'));
    SETTINGS.iter().find(is_begun).copied().filter(|_| name.matches('_').count() > 1)
}

#[cfg(test)]
mod tests {
    use super::misspelt;

    #[test]
    fn ok_names_that_are_nearly_a_setting() {
        let names = [
            "MCP_UPSTREAM_URI",
            "MCP_UPSTREAM_TIMEOUT",
            "MCP_UPSTREAM_URL",
            "MCP_UPSTREAM_IDLE",
            "MCP_UPSTREAM_KEY",
            "MCP_UPSTREAM_CERT",
            "MCP_UPSTREAM",
            "MCP_FILTER",
            "MCP_PORT",
            "MCP_CACHE",
            "PORT",
            "FILTER_WASM",
        ];
        let said: Vec<_> = misspelt(names.map(str::to_owned).into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "MCP_UPSTREAM_CERT_FILE: not set by MCP_UPSTREAM_CERT, which is no setting; is it misspelt?",
                "MCP_UPSTREAM_IDLE_MS: not set by MCP_UPSTREAM_IDLE, which is no setting; is it misspelt?",
                "MCP_UPSTREAM_KEY_FILE: not set by MCP_UPSTREAM_KEY, which is no setting; is it misspelt?",
                "MCP_UPSTREAM_TIMEOUT_MS: not set by MCP_UPSTREAM_TIMEOUT, which is no setting; is it misspelt?",
                "MCP_UPSTREAM_URL: not set by MCP_UPSTREAM_URI, which is no setting; is it misspelt?",
            ]
        );
    }
}
