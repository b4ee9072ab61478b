//! Reads the plugin configuration from JSON, checks it, and reports every problem with its path.
//!
//! A missing or empty configuration is the default. A field that is unknown, of the wrong type or out of range makes the
//! whole configuration invalid; values are not clamped. **What it does not do:** read files or the environment (the
//! caller passes a look-up for `${NAME}`).

pub(crate) mod error;
mod fields;
mod identity;
pub(crate) mod rate_limit;
mod structure;

use crate::digest::DigestKey;
use crate::label::{ResourceUriLabel, clean, end_without_dot, resource};
use crate::text::Text;
use error::{ConfigError, Problem};
use fields::{Fields, wrong};
use identity::{Identity, IdentityForm};
use rate_limit::{RateLimit, References};
use serde_json::Value;

/// Where the `server_name` label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerNameFrom {
    /// The configuration's `server_name`.
    Config,
    /// The upstream cluster of each exchange.
    Cluster,
    /// The proxy's node: `WORKLOAD_NAME` of its metadata, else its cluster.
    Workload,
}

/// The source of `mcp_upstream_available`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// The observed traffic.
    Passive,
    /// Another source, such as Envoy's health check.
    Off,
}

/// Where a client's name is a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientNameLabel {
    /// Nowhere.
    Off,
    /// In the families of sessions and of requests by client.
    Requests,
    /// Also in the family of tool calls by client.
    Tools,
}

/// How many distinct values each label may take, and how long a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Distinct `tool_name` values.
    pub(crate) tool_names: u16,
    /// Distinct `prompt_name` values.
    pub(crate) prompt_names: u16,
    /// Distinct `resource_uri` values.
    pub(crate) resource_uris: u16,
    /// Distinct `client_name` values.
    pub(crate) client_names: u16,
    /// Distinct `error_code` values.
    pub(crate) error_codes: u16,
    /// Longest label value in bytes.
    pub(crate) label_bytes: usize,
}

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) server_name: String,
    pub(crate) server_name_from: ServerNameFrom,
    pub(crate) paths: Vec<String>,
    pub(crate) resource_uri: ResourceUriLabel,
    pub(crate) hash_key: Option<String>,
    pub(crate) client_name: ClientNameLabel,
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) extra_methods: Vec<String>,
    pub(crate) filter_state: bool,
    pub(crate) semconv: bool,
    pub(crate) availability: Availability,
    /// `None` without the block: no request is held or refused.
    pub(crate) rate_limit: Option<RateLimit>,
    /// Key of the digests of names and definitions, the same on all workers.
    pub(crate) digest_key: DigestKey,
}

/// Longest label value that may be configured, in bytes. An exchange keeps at most this much of a name.
pub(crate) const MAX_LABEL_BYTES: usize = 256;
/// Shortest limit of a label value that may be configured.
pub(crate) const MIN_LABEL_BYTES: u64 = 16;
/// Most distinct values that may be configured for one label.
pub(crate) const MAX_VALUES: u64 = 2_000;
/// Shortest hash key, in bytes: a shorter one can be found by brute force.
const SHORTEST_HASH_KEY: usize = 16;

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: "upstream".to_owned(),
            server_name_from: ServerNameFrom::Config,
            paths: Vec::new(),
            resource_uri: ResourceUriLabel::Published,
            hash_key: None,
            client_name: ClientNameLabel::Requests,
            identity: Identity::default(),
            limits: Limits {
                tool_names: 200,
                prompt_names: 100,
                resource_uris: 100,
                client_names: 32,
                error_codes: 32,
                label_bytes: 128,
            },
            extra_methods: Vec::new(),
            filter_state: false,
            semconv: false,
            availability: Availability::Passive,
            rate_limit: None,
            digest_key: DigestKey::default(),
        }
    }
}

// === impl Config ===

impl Config {
    /// Reads a configuration: JSON, or the bytes of a `google.protobuf.Struct`. `environment` returns the value of a variable
    /// that `labels.hash_key` refers to as `${NAME}`.
    ///
    /// # Errors
    ///
    /// Every problem of the document at once.
    pub fn from_json(text: &[u8], environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(config);
        }
        let document = match serde_json::from_slice(text) {
            Ok(Value::Object(map)) => map,
            Ok(other) => return Err(ConfigError::new(vec![wrong("$", &other, "a JSON object")])),
            Err(error) => structure::decode(text)
                .ok_or_else(|| ConfigError::new(vec![Problem::new("$", format!("not valid JSON: {error}"))]))?,
        };
        let mut fields = Fields::new(document);
        config.read(&mut fields, environment);
        let problems = fields.finish();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::new(problems)) }
    }

    fn read(&mut self, fields: &mut Fields, environment: &dyn Fn(&str) -> Option<String>) {
        if let Some(name) = fields.text("server_name", "1 to 64 characters of A-Za-z0-9_.-", is_server_name) {
            self.server_name = name;
        }
        let sources = [
            ("config", ServerNameFrom::Config),
            ("cluster", ServerNameFrom::Cluster),
            ("workload", ServerNameFrom::Workload),
        ];
        fields.choice("server_name_from", &sources, &mut self.server_name_from);
        if let Some(paths) = fields.texts("paths", "a path that begins with /", |path| path.starts_with('/')) {
            self.paths = paths;
        }
        let (mut has_key, mut has_identity) = (false, false);
        fields.enter("labels", |labels| has_key = self.read_labels(labels, environment));
        fields.enter("identity", |identity| {
            has_identity = identity.present("header");
            self.identity.read(identity, has_key);
        });
        fields.enter("limits", |limits| self.limits.read(limits));
        let method = "a method name of 1 to 64 printable ASCII characters";
        if let Some(methods) = fields.texts("extra_methods", method, is_method_name) {
            self.extra_methods = methods;
        }
        fields.boolean("filter_state", &mut self.filter_state);
        fields.boolean("semconv", &mut self.semconv);
        let choices = [("passive", Availability::Passive), ("off", Availability::Off)];
        fields.choice("availability", &choices, &mut self.availability);
        let references = References { extra_methods: &self.extra_methods, has_identity };
        fields.enter("rate_limit", |block| self.rate_limit = Some(RateLimit::read(block, &references)));
    }

    /// Returns whether `labels.hash_key` is in the configuration, valid or not.
    fn read_labels(&mut self, labels: &mut Fields, environment: &dyn Fn(&str) -> Option<String>) -> bool {
        let forms = [
            ("off", ResourceUriLabel::Off),
            ("scheme", ResourceUriLabel::Scheme),
            ("authority", ResourceUriLabel::Authority),
            ("published", ResourceUriLabel::Published),
            ("hash", ResourceUriLabel::Hash),
            ("full", ResourceUriLabel::Full),
        ];
        labels.choice("resource_uri", &forms, &mut self.resource_uri);
        let uses =
            [("off", ClientNameLabel::Off), ("requests", ClientNameLabel::Requests), ("tools", ClientNameLabel::Tools)];
        labels.choice("client_name", &uses, &mut self.client_name);
        let given = labels.present("hash_key");
        self.hash_key = labels.secret("hash_key", SHORTEST_HASH_KEY, environment);
        if self.resource_uri == ResourceUriLabel::Hash && !given {
            labels.problem("hash_key", "missing; labels.resource_uri \"hash\" needs a key");
        }
        given
    }

    /// Value of the `server_name` label where it comes from the configuration.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// Where the `server_name` label comes from.
    pub(crate) fn server_name_from(&self) -> ServerNameFrom {
        self.server_name_from
    }

    /// Plugins with the same namespace share their counts. Methods are stored by their index in `extra_methods`, so
    /// the lists must be the same.
    pub(crate) fn namespace(&self) -> String {
        // No method has a quote in it.
        format!("{:?}/{}/{}", self.server_name_from, self.server_name, self.extra_methods.join("\""))
    }

    /// A resource's URI in the form that is configured; empty where the label is off.
    pub(crate) fn resource_label(&self, uri: &Text) -> String {
        resource::label(uri, self.resource_uri, self.hash_key.as_deref(), self.limits.label_bytes)
    }

    /// The value of the identity header in the form that is configured.
    pub(crate) fn shown_user(&self, value: &[u8]) -> String {
        match self.identity.form {
            IdentityForm::Hash => {
                resource::keyed_hash(self.hash_key.as_deref().unwrap_or_default().as_bytes(), &[value])
            }
            IdentityForm::Plain => clean(value, self.limits.label_bytes),
        }
    }

    /// Whether the protocol version of each operation is used.
    pub(crate) fn wants_protocol_version(&self) -> bool {
        self.semconv || self.filter_state
    }

    /// Whether the name of each operation's client is needed, as a label or for a rate limit.
    pub(crate) fn needs_client_name(&self) -> bool {
        self.wants_client_name() || self.rate_limit.as_ref().is_some_and(RateLimit::is_per_client)
    }

    /// Whether the name of each operation's client is a label.
    pub(crate) fn wants_client_name(&self) -> bool {
        self.client_name != ClientNameLabel::Off
    }

    /// Whether filter state is written for access logs and spans.
    pub(crate) fn filter_state(&self) -> bool {
        self.filter_state
    }

    /// The key for hashed values, if one is set.
    #[must_use]
    pub fn hash_key(&self) -> Option<&str> {
        self.hash_key.as_deref()
    }

    /// The same configuration under another `server_name`; characters outside `A-Za-z0-9_.-` become `_`.
    pub(crate) fn with_server_name(mut self, name: &[u8]) -> Self {
        self.server_name = clean_server_name(name);
        self
    }

    /// The same configuration with a secret that only the workers of the process have.
    pub(crate) fn with_process_secret(mut self, secret: &[u8]) -> Self {
        self.digest_key = DigestKey::of(secret);
        self
    }
}

impl Limits {
    fn read(&mut self, limits: &mut Fields) {
        // The compiler names a limit that is not read.
        let Self { tool_names, prompt_names, resource_uris, client_names, error_codes, label_bytes } = self;
        limits.number("tool_names", 1, MAX_VALUES, tool_names);
        limits.number("prompt_names", 1, MAX_VALUES, prompt_names);
        limits.number("resource_uris", 1, MAX_VALUES, resource_uris);
        limits.number("client_names", 1, MAX_VALUES, client_names);
        limits.number("error_codes", 1, MAX_VALUES, error_codes);
        limits.number("label_bytes", MIN_LABEL_BYTES, MAX_LABEL_BYTES as u64, label_bytes);
    }
}

/// A server name as a label value: at most 64 characters of `A-Za-z0-9_.-`. Other characters, and dots at the end, become `_`.
/// An empty name becomes `unknown`.
pub(crate) fn clean_server_name(name: &[u8]) -> String {
    if name.is_empty() {
        return "unknown".to_owned();
    }
    let byte = |&byte: &u8| if is_server_name_byte(byte) { char::from(byte) } else { '_' };
    end_without_dot(name.iter().take(64).map(byte).collect())
}

fn is_server_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_server_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(is_server_name_byte)
}

fn is_method_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\;=".contains(&byte))
}

#[cfg(test)]
mod tests;
