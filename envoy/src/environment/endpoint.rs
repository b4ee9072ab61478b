//! An `http://` or `https://` URL, split into scheme, host, port and path.

use std::net::IpAddr;
use url::{Host, Url};

/// Which URLs are allowed, as messages show it.
pub(crate) const ALLOWED: &str = "an http:// or https:// URL with a host, without user, query and fragment";

/// Scheme of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// Host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointHost {
    /// A DNS name.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

/// A checked URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme of the URL.
    pub scheme: Scheme,
    /// Host of the URL.
    pub host: EndpointHost,
    /// Port of the URL, or the default port of its scheme.
    pub port: u16,
    /// `host` or `host:port`, as in a client's `Host` header.
    pub authority: String,
    /// Path of the URL; `/` if it has none.
    pub path: String,
}

// === impl Endpoint ===

impl Endpoint {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// A message of one line. It never contains user, password, query and fragment, which may be secrets.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("{} {reason}; allowed: {ALLOWED}", shown(text)));
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            _ => return refuse(&format!("is not an http:// or https:// URL{}", with_scheme(text))),
        };
        let after_authority = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let authority = rest.get(..after_authority).unwrap_or_default();
        if authority.contains('@') {
            return refuse("has a user or a password");
        }
        // The URL standard reads a backslash as a slash, and decodes the host.
        if text.contains('\\') || authority.contains('%') {
            return refuse("has a backslash, or a % in its host");
        }
        if after_authority == 0 || text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return refuse("has no host, or contains a space");
        }
        let Ok(url) = Url::parse(text) else { return refuse("is not a valid URL") };
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("has a query or a fragment");
        }
        let (Some(host), Some(name), Some(port)) = (url.host(), url.host_str(), url.port_or_known_default()) else {
            return refuse("has no host");
        };
        if port == 0 {
            return refuse("has port 0");
        }
        if let Host::Domain(name) = host
            && !is_host_name(name)
        {
            return refuse(
                "has an invalid host name (labels of 1 to 63 letters, digits, '-' and '_', 253 characters in all)",
            );
        }
        let authority = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let host = match host {
            Host::Domain(name) => EndpointHost::Name(name.to_owned()),
            Host::Ipv4(address) => EndpointHost::Address(address.into()),
            Host::Ipv6(address) => EndpointHost::Address(address.into()),
        };
        Ok(Self { scheme, host, port, authority, path: url.path().to_owned() })
    }

    /// Whether the host is `localhost`, a loopback address or an unspecified address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            EndpointHost::Name(name) => name == "localhost",
            EndpointHost::Address(address) => address.is_loopback() || address.is_unspecified(),
        }
    }

    /// `host:port`; the default port is written too.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        match &self.host {
            EndpointHost::Address(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            EndpointHost::Address(address) => format!("{address}:{}", self.port),
            EndpointHost::Name(name) => format!("{name}:{}", self.port),
        }
    }

    /// The host without brackets.
    #[must_use]
    pub fn host_text(&self) -> String {
        match &self.host {
            EndpointHost::Name(name) => name.clone(),
            EndpointHost::Address(address) => address.to_string(),
        }
    }

    /// The URL without its path.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    /// The URL. It holds no secrets, since user, password, query and fragment are not allowed.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// The URL with another host.
    pub(crate) fn on_host(&self, host: &str) -> String {
        let port = self.authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let port = port.map(|(_, port)| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}{}", self.scheme(), self.path)
    }

    fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Whether the name is a DNS name; underscores are allowed, as in Docker. The URL standard allows more, such as quotes and
/// braces. Non-ASCII letters are punycode here.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_allowed);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The URL that is meant where only the scheme is missing.
fn with_scheme(text: &str) -> String {
    let meant = format!("http://{text}");
    let is_url = !text.contains("://") && Endpoint::parse(&meant).is_ok();
    if is_url { format!(": write {meant:?}, or https://") } else { String::new() }
}

/// The part of a refused URL that a message may show.
fn shown(text: &str) -> String {
    if text.contains('@') {
        return "the value (not shown, it may hold a password)".to_owned();
    }
    let end = text.find(['?', '#']).map_or(text.len(), |index| index + 1);
    let dots = if end < text.len() { "..." } else { "" };
    format!("{:?}", format!("{}{dots}", text.get(..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointHost, Scheme};

    #[test]
    fn url_forms_are_parsed() {
        let cases = [
            ("http://weather", Scheme::Http, "weather", 80, "/"),
            ("http://Weather:8080/mcp", Scheme::Http, "weather:8080", 8080, "/mcp"),
            ("HTTPS://weather.example/a/b/", Scheme::Https, "weather.example", 443, "/a/b/"),
            ("https://weather.example:443", Scheme::Https, "weather.example", 443, "/"),
            ("http://[::1]:9/", Scheme::Http, "[::1]:9", 9, "/"),
            ("http://a/@b", Scheme::Http, "a", 80, "/@b"),
        ];
        for (text, scheme, authority, port, path) in cases {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.scheme, scheme, "{text}");
            assert_eq!(endpoint.authority, authority, "{text}");
            assert_eq!(endpoint.port, port, "{text}");
            assert_eq!(endpoint.path, path, "{text}");
        }
    }

    #[test]
    fn host_with_invalid_character_is_refused() {
        // All printable characters except those that end a host or have another meaning: `#/:?@` and space.
        let others = (33..127_u8).map(char::from).filter(|letter| !letter.is_ascii_alphanumeric());
        for letter in others.filter(|letter| !"#/:?@".contains(*letter)) {
            let parsed = Endpoint::parse(&format!("http://a{letter}b/"));
            assert_eq!(parsed.is_ok(), "-_.".contains(letter), "{letter}: {parsed:?}");
        }
    }

    #[test]
    fn host_name_longer_than_dns_allows_is_refused() {
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (host, taken) in [(label.clone(), true), (format!("{label}a"), false), (format!("{name}."), true)] {
            assert_eq!(Endpoint::parse(&format!("http://{host}/")).is_ok(), taken, "{host}");
        }
        assert!(Endpoint::parse(&format!("http://{name}a/")).is_err());
    }

    #[test]
    fn path_is_percent_encoded() {
        let endpoint = Endpoint::parse("http://weather/a\"b{c}'d%20e/f").unwrap();
        assert_eq!(endpoint.path, "/a%22b%7Bc%7D'd%20e/f");
    }

    #[test]
    fn non_ascii_names_and_underscores_are_allowed() {
        let cases = [("http://m\u{fc}nchen/", "xn--mnchen-3ya"), ("http://mcp_server.local./", "mcp_server.local.")];
        for (text, authority) in cases {
            assert_eq!(Endpoint::parse(text).unwrap().authority, authority);
        }
    }

    #[test]
    fn address_is_not_a_name() {
        let endpoint = Endpoint::parse("https://10.0.0.1").unwrap();
        assert_eq!(endpoint.host, EndpointHost::Address([10, 0, 0, 1].into()));
    }

    #[test]
    fn refused_url_has_its_reason() {
        let cases = [
            ("weather:8080", "not an http:// or https:// URL: write \"http://weather:8080\", or https://;"),
            ("ftp://weather", "not an http:// or https:// URL;"),
            ("http:weather", "not an http:// or https:// URL;"),
            ("weather:8080?key=hunter2", "not an http:// or https:// URL;"),
            ("me:hunter2@weather:8080", "not an http:// or https:// URL;"),
            ("http:///mcp", "no host"),
            ("http://we ather", "a space"),
            ("http://weather:0", "port 0"),
            ("http://weather:99999", "not a valid URL"),
            ("http://weather/mcp?key=hunter2", "query or a fragment"),
            ("http://weather/mcp?", "query or a fragment"),
            ("http://weather/mcp#hunter2", "query or a fragment"),
            ("http://hunter2@weather", "a user or a password"),
            ("http://a:hunter2@weather/mcp", "a user or a password"),
            ("http://a:hunter2@:bad", "a user or a password"),
            ("http://a..b/", "invalid host name"),
            ("http://./", "invalid host name"),
            ("http://a%22b/", "a % in its host"),
            ("http://a%41b/", "a % in its host"),
            ("http://[::1%25eth0]/", "a % in its host"),
            ("http://a\\b/", "a backslash"),
            ("http://weather/a\\b", "a backslash"),
        ];
        for (text, reason) in cases {
            let message = Endpoint::parse(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{text}: {message}");
        }
    }
}
