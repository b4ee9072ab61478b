//! The filter's module and plugin configuration: the file of `MCP_FILTER_CONFIG`, overridden by the sidecar's settings.

use crate::problem::Problem;
use mcp_observe::Config;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Which configuration files are allowed, as messages show it.
const ALLOWED: &str =
    "the plugin's configuration alone as a JSON object, such as {\"server_name\": \"weather\"}; not YAML";
/// The `server_name` of a server that has none.
pub(crate) const NO_NAME: &str = "upstream";
/// The variable that names the configuration file.
const FILE: &str = "MCP_FILTER_CONFIG";
/// The variable that has the key for hashed values. Only its name is in the configuration, because Envoy shows the
/// configuration at `/config_dump`.
const HASH_KEY: &str = "MCP_HASH_KEY";

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
    /// Whether the filter holds requests until it has read their body: there is a rate limit that is not a shadow.
    pub holds_requests: bool,
}

/// Settings that override the configuration file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// `MCP_UPSTREAM_NAME`
    pub(crate) server_name: Option<String>,
    /// `MCP_IDENTITY_HEADER`
    pub(crate) identity_header: Option<String>,
    /// `MCP_IDENTITY_FORM`
    pub(crate) identity_form: Option<&'static str>,
    /// Whether `MCP_HASH_KEY` is set.
    pub(crate) has_hash_key: bool,
}

// === impl FilterPlugin ===

impl FilterPlugin {
    /// Adds what the sidecar itself decides to a configuration that [`load`] returned.
    pub(crate) fn new(module: PathBuf, mut config: Map<String, Value>, filter_state: bool) -> Self {
        // Envoy's health check measures availability, with and without traffic.
        config.insert("availability".to_owned(), "off".into());
        if filter_state {
            config.insert("filter_state".to_owned(), true.into());
        }
        let server_name = server_name(&config);
        let variables = config.get("labels").and_then(|labels| labels.get("hash_key")).and_then(Value::as_str);
        let variables = variables.and_then(|key| key.strip_prefix("${")?.strip_suffix('}'));
        let variables = variables.map(str::to_owned).into_iter().collect();
        let limit = config.get("rate_limit");
        let holds_requests = limit.is_some_and(|limit| limit.get("shadow") != Some(&Value::Bool(true)));
        Self { module, config, server_name, variables, holds_requests }
    }
}

// === impl Overrides ===

impl Overrides {
    fn apply(&self, config: &mut Map<String, Value>) {
        if let Some(name) = &self.server_name {
            config.insert("server_name".to_owned(), name.as_str().into());
            config.insert("server_name_from".to_owned(), "config".into());
        }
        if let Some(header) = &self.identity_header {
            set_in(config, "identity", "header", header);
        }
        if let Some(form) = self.identity_form {
            set_in(config, "identity", "form", form);
        }
        if self.has_hash_key {
            set_in(config, "labels", "hash_key", &format!("${{{HASH_KEY}}}"));
        }
    }

    /// The variable that sets the field at this path.
    fn variable(&self, path: &str) -> Option<&'static str> {
        match path {
            "server_name" if self.server_name.is_some() => Some("MCP_UPSTREAM_NAME"),
            "identity.header" if self.identity_header.is_some() => Some("MCP_IDENTITY_HEADER"),
            "identity.form" if self.identity_form.is_some() => Some("MCP_IDENTITY_FORM"),
            "labels.hash_key" if self.has_hash_key => Some(HASH_KEY),
            _ => None,
        }
    }

    /// A problem if the identity is to be hashed and there is no key. The filter would refuse this too, but it does not know
    /// the names of the variables.
    fn missing_key(&self, config: &Map<String, Value>) -> Option<Problem> {
        self.identity_header.as_ref()?;
        let field = |block: &str, name: &str| config.get(block).and_then(|block| block.get(name));
        let is_hashed = field("identity", "form").is_none_or(|form| form == "hash");
        let is_missing = is_hashed && field("labels", "hash_key").is_none();
        let message = format!("\"hash\" needs a key; allowed: plain, or a key in {HASH_KEY}");
        is_missing.then(|| Problem::new("MCP_IDENTITY_FORM", message))
    }
}

/// The `server_name` of a configuration.
pub(crate) fn server_name(config: &Map<String, Value>) -> String {
    config.get("server_name").and_then(Value::as_str).unwrap_or(NO_NAME).to_owned()
}

/// Sets a field of a block. A block that is not an object stays; the check refuses it.
fn set_in(config: &mut Map<String, Value>, block: &str, name: &str, value: &str) {
    if let Value::Object(fields) = config.entry(block).or_insert_with(|| json!({})) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Reads the configuration file, overrides it and checks the result.
///
/// # Errors
///
/// A problem for each field that is refused, or the reason why the file cannot be read.
pub(crate) fn load(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let of_file = |line: String| Problem::new(FILE, line);
    let mut config = file.map(read).transpose().map_err(|line| vec![of_file(line)])?.unwrap_or_default();
    overrides.apply(&mut config);
    if let Some(problem) = overrides.missing_key(&config) {
        return Err(vec![problem]);
    }
    let text = Value::Object(config.clone()).to_string();
    let Err(error) = Config::from_json(text.as_bytes(), environment) else { return Ok(config) };
    let problem = |problem: &mcp_observe::Problem| match (overrides.variable(problem.path()), file) {
        (Some(variable), _) => Problem::new(variable, problem.message()),
        (None, Some(file)) => of_file(format!("{}: {problem}", file.display())),
        (None, None) => of_file(problem.to_string()),
    };
    Err(error.problems().iter().map(problem).collect())
}

/// Reads a file; an empty one has no fields.
fn read(file: &Path) -> Result<Map<String, Value>, String> {
    let shown = file.display();
    let text = fs::read(file).map_err(|error| format!("{shown}: cannot be read ({error})"))?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&text) {
        Ok(Value::Object(config)) => Ok(config),
        Ok(_) => Err(format!("{shown}: is not a JSON object; allowed: {ALLOWED}")),
        Err(syntax) => Err(format!("{shown}: is not JSON ({syntax}); allowed: {ALLOWED}")),
    }
}

/// Checks a plugin configuration file and returns its fields; an empty file has none.
///
/// # Errors
///
/// A line for each problem of the file, or the reason why it cannot be read.
pub fn check(file: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Map<String, Value>, Vec<String>> {
    let config = read(file).map_err(|line| vec![line])?;
    match Config::from_json(Value::Object(config.clone()).to_string().as_bytes(), environment) {
        Ok(_) => Ok(config),
        Err(error) => Err(error.problems().iter().map(|problem| format!("{}: {problem}", file.display())).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::{FilterPlugin, Overrides, check, load};
    use serde_json::{Value, json};
    use std::io::Write;
    use std::path::PathBuf;
    use tempfile::NamedTempFile;

    fn file(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn lookup(name: &str) -> Option<String> {
        ["MCP_HASH_KEY", "LABEL_KEY"].contains(&name).then(|| "0123456789abcdef".to_owned())
    }

    /// The plugin with these overrides of a file, or the lines of its problems.
    fn plugin(config: &Value, overrides: &Overrides, filter_state: bool) -> Result<FilterPlugin, Vec<String>> {
        let file = file(&config.to_string());
        match load(Some(file.path()), overrides, &lookup) {
            Ok(config) => Ok(FilterPlugin::new(PathBuf::from("m.wasm"), config, filter_state)),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn variable_overrides_the_file() {
        let file = json!({"server_name": "file", "server_name_from": "cluster", "availability": "passive"});
        let overrides = Overrides { server_name: Some("weather".to_owned()), ..Overrides::default() };
        let plugin = plugin(&file, &overrides, true).unwrap();
        let expected = json!({
            "server_name": "weather", "server_name_from": "config", "availability": "off", "filter_state": true,
        });
        assert_eq!(Value::Object(plugin.config), expected);
        assert_eq!(plugin.server_name, "weather");
    }

    #[test]
    fn file_overrides_a_default() {
        let file = json!({"server_name": "file", "filter_state": true});
        let plugin = plugin(&file, &Overrides::default(), false).unwrap();
        assert_eq!(plugin.server_name, "file");
        assert_eq!(plugin.config.get("filter_state"), Some(&json!(true)));
    }

    #[test]
    fn only_the_named_variable_is_passed_to_the_module() {
        let variables = |config: Value, overrides: &Overrides| plugin(&config, overrides, false).unwrap().variables;
        let with_key = |key: &str| json!({"labels": {"resource_uri": "hash", "hash_key": key}});
        let none = Overrides::default();
        assert!(variables(json!({}), &none).is_empty());
        assert_eq!(variables(with_key("${LABEL_KEY}"), &none), ["LABEL_KEY"]);
        assert!(variables(with_key("0123456789abcdef"), &none).is_empty());
        let by_variable = Overrides { has_hash_key: true, ..none };
        assert_eq!(variables(with_key("${LABEL_KEY}"), &by_variable), ["MCP_HASH_KEY"]);
    }

    #[test]
    fn only_a_rate_limit_that_is_not_a_shadow_holds_requests() {
        let holds = |config: Value| {
            let config = config.as_object().unwrap().clone();
            FilterPlugin::new(PathBuf::from("m.wasm"), config, false).holds_requests
        };
        assert!(!holds(json!({})));
        assert!(holds(json!({"rate_limit": {"rules": []}})));
        assert!(holds(json!({"rate_limit": {"shadow": false, "rules": []}})));
        assert!(!holds(json!({"rate_limit": {"shadow": true, "rules": []}})));
    }

    #[test]
    fn key_of_the_variable_completes_a_file_without_key() {
        let overrides = Overrides { has_hash_key: true, ..Overrides::default() };
        let plugin = plugin(&json!({"labels": {"resource_uri": "hash"}}), &overrides, false).unwrap();
        assert_eq!(plugin.config["labels"], json!({"resource_uri": "hash", "hash_key": "${MCP_HASH_KEY}"}));
    }

    #[test]
    fn problem_names_the_variable_or_the_file() {
        let overrides = Overrides { has_hash_key: true, ..Overrides::default() };
        let short = |_: &str| Some("hunter2".to_owned());
        let file = file(r#"{"typo": 1, "labels": {}}"#);
        let problems = load(Some(file.path()), &overrides, &short).unwrap_err();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = [
            "MCP_HASH_KEY: 7 bytes are too short".to_owned(),
            format!("MCP_FILTER_CONFIG: {}: typo: ", file.path().display()),
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(expected) {
            assert!(line.starts_with(&begin), "{lines:?}");
        }
    }

    #[test]
    fn block_that_is_not_an_object_is_refused() {
        let overrides = Overrides { has_hash_key: true, ..Overrides::default() };
        let lines = plugin(&json!({"labels": 5}), &overrides, false).unwrap_err();
        assert!(lines.len() == 1 && lines[0].contains(": labels: "), "{lines:?}");
    }

    #[test]
    fn each_problem_of_the_file_is_one_line() {
        let file = file(r#"{"typo": 1, "limits": {"tool_names": 0}}"#);
        let lines = check(file.path(), &|_| None).unwrap_err();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("limits.tool_names") && lines[1].contains("typo"), "{lines:?}");
        assert!(check(&file.path().join("absent"), &|_| None).is_err());
    }

    #[test]
    fn empty_file_has_no_fields() {
        assert!(check(file(" \n").path(), &|_| None).unwrap().is_empty());
    }

    #[test]
    fn file_that_is_no_json_object_is_refused_with_the_allowed_format() {
        for (text, expected) in [
            ("static_resources:\n  listeners: []\n", "is not JSON (expected value at line 1 column 1); allowed: "),
            ("[]", "is not a JSON object; allowed: "),
        ] {
            let lines = check(file(text).path(), &|_| None).unwrap_err();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains(expected) && lines[0].ends_with("not YAML"), "{lines:?}");
        }
    }
}
