//! Turns Envoy's notices (`bootstrap::notice`) into messages for the operator. Each message is printed once.

use crate::bootstrap::{CONNECT_NOTICE, PROXY_NOTICE, REDIRECT_NOTICE};
use crate::environment::Settings;
use std::io::{BufRead, BufReader, Read};
use url::Url;

/// Maximum number of different messages, so that a server with ever new failures does not fill the log.
const MAX_MESSAGES: usize = 16;
/// Maximum number of characters of a reason that a message shows.
const MAX_REASON_CHARS: usize = 300;

/// Turns lines of Envoy into messages.
pub(crate) struct Notices {
    server: Option<Url>,
    url: String,
    /// URL of the server's proxy, or of the OTLP receiver's.
    proxy: String,
    is_proxied: bool,
    printed: Vec<String>,
}

// === impl Notices ===

impl Notices {
    pub(crate) fn new(settings: &Settings) -> Self {
        let url = settings.upstream.text();
        let proxy = settings.proxy().map(crate::ForwardProxy::url).unwrap_or_default();
        let is_proxied = settings.upstream.proxy.is_some();
        Self { server: Url::parse(&url).ok(), url, proxy, is_proxied, printed: Vec::new() }
    }

    /// Reads lines until Envoy exits, and prints their messages.
    pub(crate) fn read(mut self, pipe: impl Read, print: impl Fn(&str)) {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if let Some(message) = self.message(&String::from_utf8_lossy(&line)) {
                print(&message);
            }
        }
    }

    /// The message for a line, if it has one that was not printed yet.
    fn message(&mut self, line: &str) -> Option<String> {
        let (kind, rest) = line.split_once(' ')?;
        let message = match kind {
            REDIRECT_NOTICE => self.redirect_message(rest)?,
            PROXY_NOTICE => self.proxy_message(rest),
            CONNECT_NOTICE => self.connect_message(rest)?,
            _ => return None,
        };
        if self.printed.contains(&message) || self.printed.len() >= MAX_MESSAGES {
            return None;
        }
        self.printed.push(message.clone());
        Some(message)
    }

    /// For a redirect to the server's own name. Scheme and port may differ: a server behind a TLS proxy writes `http://`, or
    /// adds its own port. The message shows only the origin of the `Location`; the query may contain a secret.
    fn redirect_message(&self, location: &str) -> Option<String> {
        let server = self.server.as_ref()?;
        let is_absolute = location.starts_with("//") || Url::parse(location).is_ok();
        let target = server.join(location).ok().filter(|target| is_absolute && target.host() == server.host())?;
        Some(format!(
            "MCP_UPSTREAM_HOST_HEADER: {} redirects clients to {}; clients that follow the redirect bypass this sidecar and \
             are not counted. Use the path of the redirect in the clients' URL, or set MCP_UPSTREAM_HOST_HEADER=preserve if \
             the server accepts the sidecar's host name",
            self.url,
            target.origin().ascii_serialization()
        ))
    }

    fn proxy_message(&self, reason: &str) -> String {
        let failure = match reason.strip_prefix("tunnel_response:") {
            Some("407") => "it answers 407; check the user and password in HTTPS_PROXY".to_owned(),
            Some(status) => format!("it answers {status}"),
            None if reason.is_empty() || reason == "-" => {
                "it does not accept connections, or refuses CONNECT".to_owned()
            }
            None => reason.to_owned(),
        };
        self.no_connection(&failure)
    }

    fn connect_message(&self, details_and_reason: &str) -> Option<String> {
        let (details, reason) = details_and_reason.split_once(' ')?;
        if let Some((_, reason)) = reason.split_once("TLS_error:") {
            return Some(self.tls_message(reason));
        }
        let timed_out = self.is_proxied && details.contains("connection_timeout");
        timed_out.then(|| self.no_connection(&format!("neither the proxy nor {} answers within 5 s", self.url)))
    }

    /// The reason may contain names from the server's certificate, which are arbitrary text.
    fn tls_message(&self, reason: &str) -> String {
        let reason = reason.rsplit_once("OPENSSL_internal:").map_or(reason, |(_, name)| name);
        let reason = reason.strip_suffix(":TLS_error_end").unwrap_or(reason);
        let reason: String = reason.chars().take(MAX_REASON_CHARS).flat_map(char::escape_debug).collect();
        format!(
            "MCP_UPSTREAM_URL: the TLS handshake with {} fails: {reason}; check MCP_UPSTREAM_CA_FILE (trusted authorities) \
             and MCP_UPSTREAM_CERT_FILE (client certificate)",
            self.url
        )
    }

    fn no_connection(&self, failure: &str) -> String {
        format!("HTTPS_PROXY: no connection through {}: {failure}", self.proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::Notices;
    use url::Url;

    fn notices() -> Notices {
        let url = "https://mcp.example.com/mcp".to_owned();
        let proxy = "http://proxy:3128".to_owned();
        Notices { server: Some(Url::parse(&url).unwrap()), url, proxy, is_proxied: true, printed: Vec::new() }
    }

    #[test]
    fn redirect_past_the_sidecar_is_reported_once_without_its_query() {
        let mut notices = notices();
        for line in [
            "redirect /mcp/",
            "redirect -",
            "redirect https://login.example.com/",
            "redirect //login.example.com/",
            "redirect mcp/",
        ] {
            assert_eq!(notices.message(line), None, "{line}");
        }
        let text = notices.message("redirect https://mcp.example.com:443/mcp/?key=hunter2").unwrap();
        assert!(text.contains("redirects clients to https://mcp.example.com;") && !text.contains("hunter2"), "{text}");
        assert_eq!(notices.message("redirect https://mcp.example.com/other"), None);
    }

    #[test]
    fn redirect_to_the_servers_name_with_other_scheme_or_port_is_reported() {
        for (location, origin) in [
            ("http://mcp.example.com/mcp/", "http://mcp.example.com"),
            ("https://MCP.example.com:8000/mcp/", "https://mcp.example.com:8000"),
            ("//mcp.example.com/mcp/", "https://mcp.example.com"),
        ] {
            let text = notices().message(&format!("redirect {location}")).unwrap();
            assert!(text.contains(&format!("redirects clients to {origin};")), "{text}");
        }
    }

    #[test]
    fn each_failure_of_the_proxy_is_reported_once() {
        let mut notices = notices();
        let text = notices.message("proxy tunnel_response:407").unwrap();
        assert!(text.contains("HTTPS_PROXY: no connection through http://proxy:3128: it answers 407"), "{text}");
        assert_eq!(notices.message("proxy tunnel_response:407"), None);
        assert!(notices.message("proxy tunnel_response:403").unwrap().ends_with("it answers 403"));
        assert!(notices.message("proxy -").unwrap().ends_with("it does not accept connections, or refuses CONNECT"));
    }

    #[test]
    fn connect_timeout_names_the_proxy() {
        let line = "connect upstream_reset_before_response_started{connection_timeout} -";
        let text = notices().message(line).unwrap();
        let expected = "neither the proxy nor https://mcp.example.com/mcp answers within 5 s";
        assert_eq!(text, format!("HTTPS_PROXY: no connection through http://proxy:3128: {expected}"));
        assert_eq!(Notices { is_proxied: false, ..notices() }.message(line), None);
    }

    #[test]
    fn reason_of_a_tls_failure_is_escaped_and_shortened() {
        let mut notices = notices();
        assert_eq!(notices.message("connect - delayed_connect_error:_111"), None);
        let reason = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \u{1b}[31m";
        let text = notices.message(&format!("connect - {reason}{}:TLS_error_end", "x".repeat(1000))).unwrap();
        let start =
            "MCP_UPSTREAM_URL: the TLS handshake with https://mcp.example.com/mcp fails: CERTIFICATE_VERIFY_FAILED:";
        assert!(text.starts_with(start), "{text}");
        assert!(!text.contains('\u{1b}') && text.len() < 600, "{text}");
    }

    #[test]
    fn number_of_messages_is_limited() {
        let mut notices = notices();
        let printed = (0..1000).filter_map(|number| notices.message(&format!("proxy reason {number}"))).count();
        assert_eq!(printed, super::MAX_MESSAGES);
    }
}
