//! Variables whose name is close to that of a setting. They are ignored, and the launcher reports them.

/// The settings that no other program has; `PORT` and `OTEL_*` are shared with others.
const SETTINGS: [&str; 18] = [
    "MCP_UPSTREAM_URL",
    "MCP_UPSTREAM_NAME",
    "MCP_UPSTREAM_TIMEOUT_MS",
    "MCP_UPSTREAM_HOST_HEADER",
    "MCP_UPSTREAM_CA_FILE",
    "MCP_UPSTREAM_CERT_FILE",
    "MCP_UPSTREAM_KEY_FILE",
    "MCP_UPSTREAM_IDLE_MS",
    "MCP_STDIO_SESSIONS",
    "MCP_STDIO_IDLE_MS",
    "MCP_STDIO_LINE_BYTES",
    "MCP_FILTER_CONFIG",
    "MCP_FILTER_WASM",
    "MCP_IDENTITY_HEADER",
    "MCP_IDENTITY_FORM",
    "MCP_HASH_KEY",
    "MCP_AUDIT_LOG",
    "MCP_SIDECAR_FILE_SD",
];
/// Maximum edit distance between a name and a setting: `MCP_UPSTREAM_TIMEOUT` lacks three characters.
const MAX_DISTANCE: usize = 3;

/// Whether the variable is a setting that no other program has.
pub(crate) fn is_setting(name: &str) -> bool {
    SETTINGS.contains(&name)
}

/// A line for each `MCP_` name that is not a setting but close to one, sorted. Other names belong to other programs:
/// Kubernetes sets `MCP_PORT` for a Service called `mcp`.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_unknown = |name: &String| name.starts_with("MCP_") && !is_setting(name);
    let line = |name: String| {
        let setting = closest_setting(&name)?;
        Some(format!("{}: is not a setting and is ignored; did you mean {setting}?", name.escape_debug()))
    };
    let mut lines: Vec<_> = names.filter(is_unknown).filter_map(line).collect();
    lines.sort();
    lines
}

fn closest_setting(name: &str) -> Option<&'static str> {
    let closest = || {
        let setting = SETTINGS.iter().min_by_key(|setting| strsim::damerau_levenshtein(name, setting))?;
        (strsim::damerau_levenshtein(name, setting) <= MAX_DISTANCE).then_some(*setting)
    };
    setting_with_prefix(name).or_else(closest)
}

/// The setting that begins with all words of the name. By edit distance `MCP_UPSTREAM_KEY` would be as close to
/// `MCP_UPSTREAM_URL`.
fn setting_with_prefix(name: &str) -> Option<&'static str> {
    let has_prefix = |setting: &&&str| setting.strip_prefix(name).is_some_and(|end| end.starts_with('_'));
    SETTINGS.iter().find(has_prefix).copied().filter(|_| name.matches('_').count() > 1)
}

#[cfg(test)]
mod tests {
    use super::unknown_variables;

    #[test]
    fn names_close_to_a_setting_are_reported() {
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
        let expected = [
            ("MCP_UPSTREAM_CERT", "MCP_UPSTREAM_CERT_FILE"),
            ("MCP_UPSTREAM_IDLE", "MCP_UPSTREAM_IDLE_MS"),
            ("MCP_UPSTREAM_KEY", "MCP_UPSTREAM_KEY_FILE"),
            ("MCP_UPSTREAM_TIMEOUT", "MCP_UPSTREAM_TIMEOUT_MS"),
            ("MCP_UPSTREAM_URI", "MCP_UPSTREAM_URL"),
        ];
        let expected =
            expected.map(|(name, setting)| format!("{name}: is not a setting and is ignored; did you mean {setting}?"));
        assert_eq!(unknown_variables(names.map(str::to_owned).into_iter()), expected);
    }
}
