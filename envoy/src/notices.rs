//! What Envoy tells the launcher while it runs, in words that say what to do; each thing once.

use crate::bootstrap::{PROXY_NOTICE, REDIRECT_NOTICE, TLS_NOTICE};
use crate::environment::Settings;
use std::io::{BufRead, BufReader, Read};
use url::Url;

/// Most different things that are told; a server that breaks in ever new ways must not fill the log.
const MOST: usize = 16;
/// Letters of a reason that are repeated.
const LONGEST_REASON: usize = 300;

/// Turns Envoy's lines into what is to be told.
pub(crate) struct Notices {
    own: Option<Url>,
    url: String,
    proxy: String,
    told: Vec<String>,
}

// === impl Notices ===

impl Notices {
    pub(crate) fn new(settings: &Settings) -> Self {
        let url = settings.upstream.endpoint.url();
        let proxy = settings.proxy().map(crate::ForwardProxy::url).unwrap_or_default();
        Self { own: Url::parse(&url).ok(), url, proxy, told: Vec::new() }
    }

    /// Reads lines until Envoy is gone, and tells what they mean.
    pub(crate) fn read(mut self, pipe: impl Read, tell: impl Fn(&str)) {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if let Some(text) = self.text_of(&String::from_utf8_lossy(&line)) {
                tell(&text);
            }
        }
    }

    /// What to tell of a line, if it was not told yet.
    fn text_of(&mut self, line: &str) -> Option<String> {
        let (kind, rest) = line.split_once(' ')?;
        let text = match kind {
            REDIRECT_NOTICE => self.text_of_redirect(rest)?,
            PROXY_NOTICE => self.text_of_proxy(rest),
            TLS_NOTICE => self.text_of_tls(rest)?,
            _ => return None,
        };
        if self.told.contains(&text) || self.told.len() >= MOST {
            return None;
        }
        self.told.push(text.clone());
        Some(text)
    }

    /// Of the `Location` only the origin is repeated: its query may hold a secret. The server's own name is enough: behind
    /// something that ends TLS it makes `http://` of it, or adds the port that it listens on.
    fn text_of_redirect(&self, location: &str) -> Option<String> {
        let own = self.own.as_ref()?;
        let is_absolute = location.starts_with("//") || Url::parse(location).is_ok();
        let target = own.join(location).ok().filter(|target| is_absolute && target.host() == own.host())?;
        Some(target.origin()).map(|origin| {
            format!(
                "MCP_UPSTREAM_HOST_HEADER: {} redirects to its own {}; clients that follow it go past this sidecar and are \
                 not counted. Let clients use the URL it redirects to, or set MCP_UPSTREAM_HOST_HEADER=preserve if the \
                 server accepts the sidecar's name",
                self.url,
                origin.ascii_serialization()
            )
        })
    }

    fn text_of_proxy(&self, reason: &str) -> String {
        let said = match reason.strip_prefix("tunnel_response:") {
            Some("407") => "it answers 407: it wants another user and password, or any".to_owned(),
            Some(status) => format!("it answers {status}"),
            None if reason.is_empty() || reason == "-" => "it refuses CONNECT, or cannot be reached".to_owned(),
            None => reason.to_owned(),
        };
        format!("HTTPS_PROXY: no connection through {}: {said}", self.proxy)
    }
    /// The reason may hold names of the server's certificate, which are whatever it wrote there.
    fn text_of_tls(&self, reason: &str) -> Option<String> {
        let (_, reason) = reason.split_once("TLS_error:")?;
        let reason = reason.rsplit_once("OPENSSL_internal:").map_or(reason, |(_, said)| said);
        let reason = reason.strip_suffix(":TLS_error_end").unwrap_or(reason);
        let reason: String = reason.chars().take(LONGEST_REASON).flat_map(char::escape_debug).collect();
        Some(format!(
            "MCP_UPSTREAM_URL: no TLS with {}: {reason}; MCP_UPSTREAM_CA_FILE says whose certificates are trusted, \
             MCP_UPSTREAM_CERT_FILE which one is shown",
            self.url
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Notices;
    use url::Url;

    fn notices() -> Notices {
        let url = "https://mcp.example.com/mcp".to_owned();
        Notices { own: Some(Url::parse(&url).unwrap()), url, proxy: "http://proxy:3128".to_owned(), told: Vec::new() }
    }

    #[test]
    fn ok_a_redirect_past_the_sidecar_is_told_once_without_its_query() {
        let mut notices = notices();
        for line in [
            "redirect /mcp/",
            "redirect -",
            "redirect https://login.example.com/",
            "redirect //login.example.com/",
            "redirect mcp/",
        ] {
            assert_eq!(notices.text_of(line), None, "{line}");
        }
        let text = notices.text_of("redirect https://mcp.example.com:443/mcp/?key=hunter2").unwrap();
        assert!(text.contains("redirects to its own https://mcp.example.com;") && !text.contains("hunter2"), "{text}");
        assert_eq!(notices.text_of("redirect https://mcp.example.com/other"), None);
    }

    #[test]
    fn ok_a_redirect_to_the_servers_name_by_another_scheme_or_port_is_told() {
        for (location, origin) in [
            ("http://mcp.example.com/mcp/", "http://mcp.example.com"),
            ("https://MCP.example.com:8000/mcp/", "https://mcp.example.com:8000"),
            ("//mcp.example.com/mcp/", "https://mcp.example.com"),
        ] {
            let text = notices().text_of(&format!("redirect {location}")).unwrap();
            assert!(text.contains(&format!("redirects to its own {origin};")), "{text}");
        }
    }

    #[test]
    fn ok_each_reason_of_the_proxy_is_told_once() {
        let mut notices = notices();
        let text = notices.text_of("proxy tunnel_response:407").unwrap();
        assert!(text.contains("HTTPS_PROXY: no connection through http://proxy:3128: it answers 407"), "{text}");
        assert_eq!(notices.text_of("proxy tunnel_response:407"), None);
        assert!(notices.text_of("proxy tunnel_response:403").unwrap().ends_with("it answers 403"));
        assert!(notices.text_of("proxy -").unwrap().ends_with("cannot be reached"));
    }

    #[test]
    fn ok_why_tls_failed_is_told_without_what_a_terminal_obeys() {
        let mut notices = notices();
        assert_eq!(notices.text_of("tls delayed_connect_error:_111"), None);
        let reason = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \u{1b}[31m";
        let text = notices.text_of(&format!("tls {reason}{}:TLS_error_end", "x".repeat(1000))).unwrap();
        assert!(
            text.starts_with("MCP_UPSTREAM_URL: no TLS with https://mcp.example.com/mcp: CERTIFICATE_VERIFY_FAILED:")
        );
        assert!(!text.contains('\u{1b}') && text.len() < 600, "{text}");
    }

    #[test]
    fn ok_the_number_of_things_told_is_bounded() {
        let mut notices = notices();
        let told = (0..1000).filter_map(|number| notices.text_of(&format!("proxy reason {number}"))).count();
        assert_eq!(told, super::MOST);
    }
}
