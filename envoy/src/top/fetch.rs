//! Gets a page of metrics.
//!
//! Redirects are not followed and proxies are not used, as with `mcp-sidecar probe`. There is no TLS.

use super::parse::is_page;
use super::text::clean;
use std::time::Duration;
use ureq::Agent;
use url::Url;

/// The probe port of a sidecar with default settings.
const PROBE_PORT: &str = "9902";
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
    pub(crate) url: String,
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
            return refuse(&format!("is not valid: {:?}", clean(without_user(argument))));
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

    /// Gets the page.
    ///
    /// # Errors
    ///
    /// A line that says what is wrong and what to do.
    pub(crate) fn get(&self) -> Result<String, String> {
        let Self { agent, url } = self;
        let mut response = agent.get(url).call().map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!(
                "{url}: answers {status}, not 200; a sidecar's metrics are at http://HOST:PROBE_PORT{PATH}, those of another Envoy at \
                 http://HOST:ADMIN_PORT/stats/prometheus"
            ));
        }
        let body = response.body_mut().with_config().limit(LONGEST_PAGE).read_to_vec();
        let page = body.map_err(|error| self.unreachable(&error))?;
        let page = String::from_utf8_lossy(&page).into_owned();
        if is_page(&page) {
            return Ok(page);
        }
        Err(format!(
            "{url}: is not a page of metrics; name the sidecar's probe port (PROBE_PORT, 9902 by default), not its MCP port, or \
             /stats/prometheus of another Envoy"
        ))
    }

    fn unreachable(&self, error: &ureq::Error) -> String {
        let reason = clean(&error.to_string());
        // The standard library has no kind for this error.
        let step = if reason.contains("failed to lookup address") {
            "correct the host's name, or use its address"
        } else {
            "start the sidecar (mcp-sidecar run), or name its probe port, http://HOST:PROBE_PORT"
        };
        format!("{}: does not answer ({reason}); {step}", self.url)
    }
}

/// The address of the sidecar that runs with this environment.
pub(super) fn own() -> String {
    let port = std::env::var("PROBE_PORT").ok().filter(|port| !port.is_empty());
    format!("http://127.0.0.1:{}", port.as_deref().unwrap_or(PROBE_PORT))
}

/// The part of an argument after its last `@`.
fn without_user(argument: &str) -> &str {
    argument.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Source;

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
        for argument in ["http://user:hunter2@weather:9902", "user:hunter2@weather:port"] {
            let error = Source::parse(argument).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
