//! The filter's module and plugin configuration: the file of `MCP_FILTER_CONFIG`, overridden by the sidecar's settings.

use mcp_observe::Config;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// Which configuration files are allowed, as messages show it.
const ALLOWED: &str =
    "the plugin's configuration alone as a JSON object, such as {\"server_name\": \"weather\"}; not YAML";

/// What Envoy needs to load the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterPlugin {
    /// The module.
    pub module: PathBuf,
    /// The plugin configuration.
    pub config: Map<String, Value>,
    /// Value of the `server_name` label.
    pub server_name: String,
    /// Environment variables that the configuration refers to; Envoy passes them to the VMs.
    pub variables: Vec<String>,
}

// === impl FilterPlugin ===

impl FilterPlugin {
    /// Overrides the configuration file, which [`check`] must have accepted, with the sidecar's settings.
    #[must_use]
    pub fn new(module: PathBuf, mut config: Map<String, Value>, name: Option<&str>, filter_state: bool) -> Self {
        if let Some(name) = name {
            config.insert("server_name".to_owned(), name.into());
            config.insert("server_name_from".to_owned(), "config".into());
        }
        // Envoy's health check measures availability, with and without traffic.
        config.insert("availability".to_owned(), "off".into());
        if filter_state {
            config.insert("filter_state".to_owned(), true.into());
        }
        let server_name = config.get("server_name").and_then(Value::as_str).unwrap_or("upstream").to_owned();
        let variables = config.get("labels").and_then(|labels| labels.get("hash_key")).and_then(Value::as_str);
        let variables = variables.and_then(|key| key.strip_prefix("${")?.strip_suffix('}'));
        let variables = variables.map(str::to_owned).into_iter().collect();
        Self { module, config, server_name, variables }
    }
}

/// Checks a plugin configuration file and returns its fields; an empty file has none.
///
/// # Errors
///
/// A line for each problem of the file, or the reason why it cannot be read.
pub fn check(file: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Map<String, Value>, Vec<String>> {
    let shown = file.display();
    let text = fs::read(file).map_err(|error| vec![format!("{shown}: cannot be read ({error})")])?;
    let Err(error) = Config::from_json(&text, environment) else {
        return Ok(serde_json::from_slice(&text).unwrap_or_default());
    };
    if let Err(syntax) = serde_json::from_slice::<Value>(&text) {
        return Err(vec![format!("{shown}: is not JSON ({syntax}); allowed: {ALLOWED}")]);
    }
    Err(error.problems().iter().map(|problem| format!("{shown}: {problem}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{FilterPlugin, check};
    use serde_json::{Value, json};
    use std::io::Write;
    use std::path::PathBuf;

    fn plugin(config: &Value, name: Option<&str>, filter_state: bool) -> FilterPlugin {
        FilterPlugin::new(PathBuf::from("m.wasm"), config.as_object().unwrap().clone(), name, filter_state)
    }

    #[test]
    fn variable_overrides_the_file() {
        let file = json!({"server_name": "file", "server_name_from": "cluster", "availability": "passive"});
        let plugin = plugin(&file, Some("weather"), true);
        let expected = json!({
            "server_name": "weather", "server_name_from": "config", "availability": "off", "filter_state": true,
        });
        assert_eq!(Value::Object(plugin.config), expected);
        assert_eq!(plugin.server_name, "weather");
    }

    #[test]
    fn file_overrides_a_default() {
        let plugin = plugin(&json!({"server_name": "file", "filter_state": true}), None, false);
        assert_eq!(plugin.server_name, "file");
        assert_eq!(plugin.config.get("filter_state"), Some(&json!(true)));
    }

    #[test]
    fn only_the_named_variable_is_passed_to_the_module() {
        assert!(plugin(&json!({}), None, false).variables.is_empty());
        let file = json!({"labels": {"resource_uri": "hash", "hash_key": "${LABEL_KEY}"}});
        assert_eq!(plugin(&file, None, false).variables, ["LABEL_KEY"]);
        let file = json!({"labels": {"resource_uri": "hash", "hash_key": "0123456789abcdef"}});
        assert!(plugin(&file, None, false).variables.is_empty());
    }

    #[test]
    fn each_problem_of_the_file_is_one_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, r#"{{"typo": 1, "limits": {{"tool_names": 0}}}}"#).unwrap();
        let lines = check(file.path(), &|_| None).unwrap_err();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("limits.tool_names") && lines[1].contains("typo"), "{lines:?}");
        assert!(check(&file.path().join("absent"), &|_| None).is_err());
    }

    #[test]
    fn file_of_yaml_is_refused_with_the_allowed_format() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "static_resources:\n  listeners: []\n").unwrap();
        let lines = check(file.path(), &|_| None).unwrap_err();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("is not JSON (expected value at line 1 column 1); allowed: "), "{lines:?}");
        assert!(lines[0].ends_with("not YAML"), "{lines:?}");
    }
}
