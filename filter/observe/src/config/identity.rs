//! The block `identity`: which request header names the person or tenant who calls, and in which form access logs and spans
//! show it.
//!
//! A trusted proxy or a token filter before this one must set the header. Headers that carry credentials are refused, so the
//! filter never asks for them.

use super::fields::Fields;

/// The header, and the form of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// In lower case; `None` if no header is read.
    pub(crate) header: Option<String>,
    pub(crate) form: IdentityForm,
}

/// How a user is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityForm {
    /// A hash under `labels.hash_key`.
    Hash,
    /// The value itself, cleaned and cut as a label value.
    Plain,
}

/// Longest name of a header that may be configured, in bytes.
const MAX_HEADER_BYTES: usize = 128;

// === impl Identity ===

impl Default for Identity {
    fn default() -> Self {
        Self { header: None, form: IdentityForm::Hash }
    }
}

impl Identity {
    /// Reads the block. `has_key`: `labels.hash_key` is in the configuration.
    pub(super) fn read(&mut self, fields: &mut Fields, has_key: bool) {
        let given = fields.present("header");
        if let Some(reason) = fields.peek("header").and_then(reason_to_refuse) {
            fields.problem("header", &reason);
            let _ = fields.take("header");
        }
        let allowed = "a name of a request header in lower case, such as \"x-forwarded-user\"";
        self.header = fields.text("header", allowed, is_header_name);
        let forms = [("hash", IdentityForm::Hash), ("plain", IdentityForm::Plain)];
        fields.choice("form", &forms, &mut self.form);
        if given && self.form == IdentityForm::Hash && !has_key {
            fields.problem("form", "\"hash\" needs a key; set labels.hash_key, or set identity.form to \"plain\"");
        }
    }
}

/// Headers whose name has one of these words carry credentials: `authorization`, `cookie`, `x-api-key`, `x-auth-token`,
/// `x-amzn-oidc-accesstoken`.
const CREDENTIALS: [&str; 7] = ["authorization", "cookie", "token", "api-key", "apikey", "secret", "password"];

/// Why a header cannot be the identity, whatever its value is.
fn reason_to_refuse(name: &str) -> Option<String> {
    let reason = match name.to_ascii_lowercase().as_str() {
        name if CREDENTIALS.iter().any(|word| name.contains(word)) => {
            "carries credentials, which the filter never reads"
        }
        "mcp-session-id" => "is the session, not the person who calls; access logs and spans have it as mcp.session",
        name if name.starts_with(':') => "is a part of the request line, not the person who calls",
        _ => return None,
    };
    let shown: String = name.chars().take(MAX_HEADER_BYTES).collect();
    Some(format!("{shown:?} is not allowed: it {reason}; name the header that a trusted proxy sets to the caller"))
}

/// A token of RFC 9110 in lower case.
fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_HEADER_BYTES).contains(&name.len()) && name.bytes().all(is_token)
}
