//! Why the TLS handshake with the server fails, and what to do about it.
//!
//! The reason is known twice: from Envoy's counters, which the launcher reads once after the start, and from Envoy's text of the
//! first exchange that fails (`notices`). The text has details that the counters lack, such as "certificate has expired".

use crate::environment::Settings;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of characters of a reason that a message shows.
const MAX_REASON_CHARS: usize = 300;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFailure {
    /// The certificate is of another authority, or expired.
    Untrusted,
    /// The certificate is for another name.
    OtherName,
    /// The server does not speak TLS.
    NotTls,
    /// Anything else, such as a client certificate that the server requires.
    Other,
}

/// The failure that was reported already, after the start or for an exchange.
#[derive(Clone, Default)]
pub(crate) struct ReportedTls(Arc<Mutex<Option<TlsFailure>>>);

/// The TLS settings that a message names.
pub(crate) struct TlsServer {
    url: String,
    host: String,
    port: u16,
    ca_file: PathBuf,
}

// === impl TlsFailure ===

impl TlsFailure {
    /// The kind of Envoy's text.
    fn of_reason(reason: &str) -> Self {
        if reason.contains("CERTIFICATE_VERIFY_FAILED") {
            let is_name = reason.contains("SAN") || reason.contains("subject_alt") || reason.contains("subject alt");
            return if is_name { Self::OtherName } else { Self::Untrusted };
        }
        if ["WRONG_VERSION_NUMBER", "HTTP_REQUEST"].iter().any(|name| reason.contains(name)) {
            return Self::NotTls;
        }
        Self::Other
    }

    /// The kind that Envoy's counters `ssl.*` of a cluster show, if one of them is not 0.
    pub(crate) fn of_counters(count: impl Fn(&str) -> u64) -> Option<Self> {
        let kinds = [
            ("fail_verify_error", Self::Untrusted),
            ("fail_verify_san", Self::OtherName),
            // The server's answer is no TLS record, or the server refuses the handshake.
            ("connection_error", Self::Other),
        ];
        kinds.into_iter().find(|(name, _)| count(name) > 0).map(|(_, kind)| kind)
    }
}

// === impl ReportedTls ===

impl ReportedTls {
    /// Reports a failure if none was reported.
    pub(crate) fn first(&self, kind: TlsFailure, report: impl FnOnce()) {
        if self.replace(kind).is_none() {
            report();
        }
    }

    /// Sets the kind, and returns the one before.
    fn replace(&self, kind: TlsFailure) -> Option<TlsFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(kind)
    }
}

// === impl TlsServer ===

impl TlsServer {
    /// `None` without `https://`.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let (endpoint, ca_file) = (settings.upstream.endpoint()?, settings.upstream.ca_file.clone()?);
        let host = endpoint.host_text();
        Some(Self { url: endpoint.url(), host, port: endpoint.port, ca_file })
    }

    /// The message for Envoy's text, without the advice if that was reported. The text may contain names from the server's
    /// certificate, which are arbitrary text.
    pub(crate) fn message_of(&self, reason: &str, reported: &ReportedTls) -> String {
        let reason = reason.rsplit_once("OPENSSL_internal:").map_or(reason, |(_, name)| name);
        let reason = reason.strip_suffix(":TLS_error_end").unwrap_or(reason);
        let kind = TlsFailure::of_reason(reason);
        let reason: String = reason.chars().take(MAX_REASON_CHARS).flat_map(char::escape_debug).collect();
        if reported.replace(kind) == Some(kind) {
            return format!("{}: {reason}", self.failure());
        }
        format!("{} ({reason})", self.message(kind))
    }

    /// The message for a kind.
    pub(crate) fn message(&self, kind: TlsFailure) -> String {
        let Self { host, port, ca_file, .. } = self;
        let ca_file = ca_file.display();
        let advice = match kind {
            TlsFailure::Untrusted => format!(
                "the certificate is not valid, or of an authority that is not in {ca_file}. Write the file of the authority \
                 that signed it in MCP_UPSTREAM_CA_FILE, or renew the certificate"
            ),
            TlsFailure::OtherName => format!(
                "the certificate is for another name than \"{host}\". Write a name of the certificate in MCP_UPSTREAM_URL, or \
                 add \"{host}\" to the certificate"
            ),
            TlsFailure::NotTls => format!(
                "port {port} does not speak TLS. Write http:// in place of https://, or the port on which the server speaks TLS"
            ),
            TlsFailure::Other => "check that the port speaks TLS (if not, write http:// in place of https://), \
                 MCP_UPSTREAM_CERT_FILE (client certificate) and MCP_UPSTREAM_CA_FILE (trusted authorities)"
                .to_owned(),
        };
        format!("{}: {advice}", self.failure())
    }

    fn failure(&self) -> String {
        format!("MCP_UPSTREAM_URL: the TLS handshake with {} fails", self.url)
    }
}

#[cfg(test)]
impl TlsServer {
    pub(crate) fn of_test() -> Self {
        let url = "https://mcp.example.com/mcp".to_owned();
        Self { url, host: "mcp.example.com".to_owned(), port: 443, ca_file: "/ca.pem".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::{ReportedTls, TlsFailure, TlsServer};

    #[test]
    fn each_kind_has_its_advice() {
        let cases = [
            (
                "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_self_signed_certificate",
                TlsFailure::Untrusted,
                "not in /ca.pem. Write",
            ),
            (
                "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list",
                TlsFailure::OtherName,
                "another name than \"mcp.example.com\"",
            ),
            ("WRONG_VERSION_NUMBER", TlsFailure::NotTls, "port 443 does not speak TLS. Write http://"),
            ("TLSV1_ALERT_CERTIFICATE_REQUIRED", TlsFailure::Other, "MCP_UPSTREAM_CERT_FILE"),
        ];
        for (reason, kind, advice) in cases {
            let reported = ReportedTls::default();
            let line = format!("|268435581:SSL_routines:OPENSSL_internal:{reason}:TLS_error_end");
            let text = TlsServer::of_test().message_of(&line, &reported);
            assert!(text.contains(advice) && text.ends_with(&format!("({reason})")), "{text}");
            let again = TlsServer::of_test().message_of(&line, &reported);
            assert!(again.ends_with(&format!("fails: {reason}")), "the advice is not repeated: {again}");
            reported.first(kind, || panic!("it was reported"));
        }
    }

    #[test]
    fn reason_is_escaped_and_shortened() {
        let reason = format!("\u{1b}[31m{}", "x".repeat(1000));
        let text = TlsServer::of_test().message_of(&reason, &ReportedTls::default());
        assert!(!text.contains('\u{1b}') && text.len() < 800, "{text}");
    }

    #[test]
    fn counters_show_the_kind() {
        let kind = |name: &'static str| TlsFailure::of_counters(move |counter| u64::from(counter == name));
        assert_eq!(kind("fail_verify_san"), Some(TlsFailure::OtherName));
        assert_eq!(kind("fail_verify_error"), Some(TlsFailure::Untrusted));
        assert_eq!(kind("connection_error"), Some(TlsFailure::Other));
        assert_eq!(kind("handshake"), None);
    }
}
