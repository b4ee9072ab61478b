//! Gets a page of metrics.
//!
//! Redirects are not followed and proxies are not used, as with `mcp-sidecar probe`. There is no TLS.

use super::parse::is_page;
use super::text::clean;
use std::io::ErrorKind;
use std::time::Duration;
use ureq::Agent;
use url::Url;

/// Timeout of a request. Envoy writes a page of 10,000 series in a fraction of a second.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest page, in bytes. Ten thousand series have about 2 MB.
const LONGEST_PAGE: u64 = 64 << 20;
/// Path of the metrics at a sidecar's probe port.
const PATH: &str = "/metrics";
const ALLOWED: &str =
    "a sidecar's probe port, such as http://localhost:9902, or the http:// address of a page of metrics";

/// A page of metrics at an address.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    agent: Agent,
    /// The address. A parsed URL is ASCII without control characters.
    url: String,
}

// === impl Source ===

impl Source {
    /// The page that an argument means: `host:port` of a probe port with or without `http://`, or a whole address.
    ///
    /// # Errors
    ///
    /// The argument is not an address, or has a user or a password, which the message does not repeat.
    pub(crate) fn parse(argument: &str) -> Result<Self, String> {
        let text = if argument.contains("://") { argument.to_owned() } else { format!("http://{argument}") };
        let refuse = |reason: &str| Err(format!("a URL {reason}; allowed: {ALLOWED}"));
        let Ok(mut url) = Url::parse(&text) else {
            return refuse(&format!("is not valid: {:?}", clean(without_secrets(argument))));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("has a user or a password, which is not supported");
        }
        if url.scheme() != "http" {
            return refuse(&format!(
                "has the scheme {:?}, not http; a forwarded port has it (kubectl port-forward, ssh -L)",
                url.scheme()
            ));
        }
        if url.path() == "/" {
            url.set_path(PATH);
        }
        url.set_fragment(None);
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).max_redirects(0);
        Ok(Self { agent: config.http_status_as_error(false).build().into(), url: url.into() })
    }

    /// The address to show. A query may have a token, so only that there is one is shown.
    pub(crate) fn shown(&self) -> String {
        match self.url.split_once('?') {
            Some((address, _)) => format!("{address}?..."),
            None => self.url.clone(),
        }
    }

    /// Whether both are the same page.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.url == other.url
    }

    /// Gets the page.
    ///
    /// # Errors
    ///
    /// A line that says what is wrong and what to do.
    pub(crate) fn get(&self) -> Result<String, String> {
        let url = self.shown();
        let mut response = self.agent.get(&self.url).call().map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!(
                "{url}: answers {status}, not 200; a sidecar's metrics are at http://HOST:PROBE_PORT{PATH}, those of another Envoy at \
                 http://HOST:ADMIN_PORT/stats/prometheus"
            ));
        }
        let body = response.body_mut().with_config().limit(LONGEST_PAGE).read_to_vec();
        let page = body.map_err(|error| self.unread(&error))?;
        let page = String::from_utf8_lossy(&page).into_owned();
        if !is_page(&page) {
            return Err(format!(
                "{url}: is not a page of metrics; name the sidecar's probe port (PROBE_PORT, 9902 by default), not its MCP port, \
                 or /stats/prometheus of another Envoy"
            ));
        }
        // Without a length the end of a connection looks like the end of the page.
        if page.ends_with('\n') { Ok(page) } else { Err(self.was_cut("its last line has no end")) }
    }

    /// Why there is no response.
    fn failed(&self, error: &ureq::Error) -> String {
        let (url, reason) = (self.shown(), clean(&error.to_string()));
        let found = match error {
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Some("answers, but not in HTTP"),
            // A port that speaks TLS may do so at the first byte that is not TLS.
            ureq::Error::Io(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Some("closes the connection without an answer")
            }
            _ => None,
        };
        if let Some(found) = found {
            return format!(
                "{url}: {found} ({reason}); name the sidecar's probe port, http://HOST:PROBE_PORT, or forward a port that is \
                 https only (kubectl port-forward, ssh -L)"
            );
        }
        // The standard library has no kind for this error.
        let step = if reason.contains("failed to lookup address") {
            "correct the host's name, or use its address"
        } else {
            "start the sidecar (mcp-sidecar run), or name its probe port, http://HOST:PROBE_PORT"
        };
        format!("{url}: does not answer ({reason}); {step}")
    }

    /// Why the page of a response cannot be read.
    fn unread(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::BodyExceedsLimit(_) => format!(
                "{}: its answer has more than {} MiB; name a page of fewer series, such as /stats/prometheus?filter=mcp of an Envoy",
                self.shown(),
                LONGEST_PAGE >> 20
            ),
            error => self.was_cut(&clean(&error.to_string())),
        }
    }

    fn was_cut(&self, reason: &str) -> String {
        let url = self.shown();
        format!("{url}: its answer was cut ({reason}); request it again, and check what is between it and this machine")
    }
}

/// An argument without what is before its last `@` and from its first `?` or `#` on, which may be a password or a token.
fn without_secrets(argument: &str) -> &str {
    let begin = argument.rfind('@').map_or(0, |at| at + 1);
    let end = argument.find(['?', '#']).unwrap_or(argument.len());
    argument.get(begin..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_PAGE, Source};
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    fn url(argument: &str) -> String {
        Source::parse(argument).unwrap().url
    }

    #[test]
    fn probe_port_means_its_metrics() {
        assert_eq!(url("http://127.0.0.1:9902"), "http://127.0.0.1:9902/metrics");
        assert_eq!(url("weather:9902"), "http://weather:9902/metrics");
        assert_eq!(url("http://weather:9902/"), "http://weather:9902/metrics");
        assert_eq!(url("[::1]:9902"), "http://[::1]:9902/metrics");
    }

    #[test]
    fn whole_address_is_kept() {
        assert_eq!(url("http://weather:9902/metrics"), "http://weather:9902/metrics");
        assert_eq!(
            url("localhost:9901/stats/prometheus?filter=mcp"),
            "http://localhost:9901/stats/prometheus?filter=mcp"
        );
    }

    #[test]
    fn other_urls_are_refused() {
        for argument in ["", "https://weather/metrics", "ftp://weather", "http://", "weather:port"] {
            let error = Source::parse(argument).unwrap_err();
            assert!(error.contains("; allowed: a sidecar's probe port"), "{argument}: {error}");
        }
    }

    #[test]
    fn password_is_refused_and_not_repeated() {
        for argument in [
            "http://user:hunter2@weather:9902",
            "user:hunter2@weather:port",
            "weather:port?token=hunter2",
            "weather:port/?a=b@hunter2",
            "weather:port#hunter2",
            "user:hunter2?x@weather:port",
            "https://weather/metrics?token=hunter2",
        ] {
            let error = Source::parse(argument).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Source::parse("weather:port?token=hunter2").unwrap_err().contains("\"weather:port\""));
    }

    #[test]
    fn query_is_sent_and_not_shown() {
        let source = Source::parse("http://127.0.0.1:1?token=hunter2#fragment").unwrap();
        assert_eq!(source.url, "http://127.0.0.1:1/metrics?token=hunter2");
        assert_eq!(source.shown(), "http://127.0.0.1:1/metrics?...");
        let error = source.get().unwrap_err();
        assert!(error.starts_with("http://127.0.0.1:1/metrics?...: does not answer ("), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(Source::parse("weather:9902").unwrap().shown(), "http://weather:9902/metrics");
    }

    /// The error of a request that is answered with these bytes, after which the connection ends.
    fn error_of(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let source = Source::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of the request is read, or the end of the connection would be a reset.
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            let _ = stream.write_all(&answer);
        });
        let error = source.get().unwrap_err();
        server.join().unwrap();
        error
    }

    #[test]
    fn page_that_was_cut_is_refused() {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
        for (header, page) in [
            ("", "mcp_filter_info 1\nmcp_a 12"),
            ("", "mcp_filter_info 1\nmcp_a"),
            ("content-length: 100\r\n", "mcp_filter_info 1\n"),
        ] {
            let error = error_of(format!("{head}{header}\r\n{page}").into_bytes());
            assert!(
                error.contains("/metrics: its answer was cut (") && error.contains("; request it again"),
                "{error}"
            );
        }
    }

    #[test]
    fn page_that_is_too_long_did_answer() {
        let length = LONGEST_PAGE as usize + 1;
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nmcp_filter_info 1\n").into_bytes();
        answer.resize(answer.len() + length, b'\n');
        let error = error_of(answer);
        assert!(error.contains("/metrics: its answer has more than 64 MiB; name a page of fewer series"), "{error}");
    }

    #[test]
    fn port_that_is_not_http_did_answer() {
        // With an alert of TLS, and without.
        for (answer, found) in [
            (b"\x15\x03\x01\x00\x02\x02\x46".to_vec(), "answers, but not in HTTP"),
            (Vec::new(), "closes the connection without an answer"),
        ] {
            let error = error_of(answer);
            assert!(error.contains(&format!("/metrics: {found} (")) && error.contains("https only"), "{error}");
        }
    }
}
