//! The forward proxy for `https://` endpoints, as curl reads it from `HTTPS_PROXY` and `NO_PROXY`.

use super::endpoint::{Endpoint, EndpointHost};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::IpAddr;

/// Which proxy URLs are allowed, as messages show it.
const ALLOWED: &str = "http://[user:password@]host:port or [user:password@]host:port";

/// Schemes that curl supports and this program does not.
const OTHER_SCHEMES: [&str; 6] = ["https", "socks", "socks4", "socks4a", "socks5", "socks5h"];

/// An HTTP proxy that supports CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardProxy {
    /// Its address.
    pub endpoint: Endpoint,
    /// The value of `Proxy-Authorization`, if the URL has a user. It is a secret.
    authorization: Option<String>,
}

// === impl ForwardProxy ===

impl ForwardProxy {
    /// Parses the URL of a proxy.
    ///
    /// # Errors
    ///
    /// A message of one line, without user and password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim() != text {
            return Err(format!("the value (not shown) begins or ends with white space; allowed: {ALLOWED}"));
        }
        let rest = after_scheme(text)?;
        // A password may contain an `@`.
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let place = place.strip_suffix('/').unwrap_or(place);
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let endpoint = Endpoint::parse(&format!("http://{place}")).ok();
        let endpoint = endpoint.filter(|endpoint| has_port && endpoint.path == "/");
        let endpoint = endpoint.ok_or_else(|| refused(text))?;
        Ok(Self { endpoint, authorization: user.map(basic) })
    }

    /// The value of `Proxy-Authorization`. It is a secret.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Its URL without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.endpoint.host_and_port())
    }
}

impl fmt::Debug for ForwardProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ForwardProxy({}, authorization: {})", self.url(), self.authorization.is_some())
    }
}

/// The text after `http://`, or the whole text if it has no scheme. Text before a `://` may be part of a password, so messages
/// show it only if it is a known scheme.
fn after_scheme(text: &str) -> Result<&str, String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(text) };
    if scheme.eq_ignore_ascii_case("http") {
        return Ok(rest);
    }
    let known = OTHER_SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme));
    Err(known
        .map_or_else(|| refused(text), |scheme| format!("a {scheme}:// proxy is not supported; allowed: {ALLOWED}")))
}

/// The message for a value that cannot be parsed. It shows the value only if that is a name with an optional port: any other
/// value may contain a user and a password.
fn refused(text: &str) -> String {
    let place = text.strip_prefix("http://").unwrap_or(text);
    let (name, port) = place.split_once(':').unwrap_or((place, ""));
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let is_plain = is_name && port.bytes().all(|byte| byte.is_ascii_digit());
    let shown = if is_plain { format!("{text:?}") } else { "the value (not shown, it may hold a password)".to_owned() };
    format!("{shown} is not allowed; allowed: {ALLOWED}")
}

/// `Proxy-Authorization` for `user:password`, each percent-encoded.
fn basic(user: &str) -> String {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut bytes: Vec<u8> = percent_decode_str(user).collect();
    bytes.push(b':');
    bytes.extend(percent_decode_str(password));
    format!("Basic {}", STANDARD.encode(bytes))
}

/// Whether the list in `NO_PROXY` contains the endpoint: its name or a parent domain, its address, its network, or `*`. An
/// entry with a port matches that port only.
pub(crate) fn is_excepted(endpoint: &Endpoint, list: &str) -> bool {
    let entries = list.split(|letter: char| letter == ',' || letter.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| names(endpoint, entry))
}

fn names(endpoint: &Endpoint, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    // An IPv6 address without brackets has no port.
    let is_bare = entry.parse::<IpAddr>().is_ok() || entry.contains('/');
    let (host, port) = entry.rsplit_once(':').filter(|_| !is_bare && !entry.ends_with(']')).unwrap_or((entry, ""));
    if !port.is_empty() && port.parse() != Ok(endpoint.port) {
        return false;
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match &endpoint.host {
        EndpointHost::Name(name) => is_in_domain(name, host),
        EndpointHost::Address(address) => is_in_network(*address, host),
    }
}

fn is_in_domain(name: &str, domain: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let domain = domain.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
    let above = name.strip_suffix(&domain);
    !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let widths = match (address, base.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(base))) => (u32::from(address) ^ u32::from(base)).leading_zeros(),
        (IpAddr::V6(address), Ok(IpAddr::V6(base))) => (u128::from(address) ^ u128::from(base)).leading_zeros(),
        _ => return false,
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    bits.map_or(Ok(whole), str::parse).is_ok_and(|bits: u32| bits <= whole && widths >= bits)
}

#[cfg(test)]
mod tests {
    use super::{ForwardProxy, is_excepted};
    use crate::environment::Endpoint;

    #[test]
    fn url_forms_are_parsed() {
        let cases = [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("HTTP://proxy:80/", "http://proxy:80", None),
            ("proxy.example:8080", "http://proxy.example:8080", None),
            ("[::1]:3128", "http://[::1]:3128", None),
            ("http://me:pw@10.0.0.1:3128", "http://10.0.0.1:3128", Some("Basic bWU6cHc=")),
            ("me:p%40w@proxy:3128", "http://proxy:3128", Some("Basic bWU6cEB3")),
            ("me:p@w@proxy:3128", "http://proxy:3128", Some("Basic bWU6cEB3")),
            ("me@proxy:3128", "http://proxy:3128", Some("Basic bWU6")),
        ];
        for (text, url, authorization) in cases {
            let proxy = ForwardProxy::parse(text).unwrap();
            assert_eq!((proxy.url().as_str(), proxy.authorization()), (url, authorization), "{text}");
            assert!(!format!("{proxy:?}").contains("bWU6"), "{proxy:?}");
        }
    }

    #[test]
    fn invalid_url_is_refused_without_its_password() {
        let cases = [
            ("socks5://me:hunter2@proxy:1080", "socks5:// proxy is not supported"),
            ("https://me:hunter2@proxy:443", "https:// proxy is not supported"),
            ("http://me:hunter2@proxy", "not shown"),
            ("http://me:hunter2@proxy:3128/path", "not shown"),
            ("http://me:hunter2@pr\"oxy:3128", "not shown"),
            ("me:hunter2://x@proxy:3128", "not shown"),
            ("hunter2://x@proxy:3128", "not shown"),
            ("http://me:hunter2%40proxy:3128", "not shown"),
            ("http://me:hunter2", "not shown"),
            ("proxy:3128?token=hunter2", "not shown"),
            (" http://me:hunter2@proxy:3128", "begins or ends with white space"),
            ("http://me:hunter2@proxy:3128\n", "begins or ends with white space"),
            ("http://proxy", "\"http://proxy\" is not allowed"),
            ("proxy:", "\"proxy:\" is not allowed"),
            ("http://proxy:0", "\"http://proxy:0\" is not allowed"),
            ("http://", "allowed: http://[user:password@]host:port"),
        ];
        for (text, expected) in cases {
            let message = ForwardProxy::parse(text).unwrap_err();
            assert!(message.contains(expected) && !message.contains("hunter2"), "{text}: {message}");
        }
    }

    #[test]
    fn no_proxy_matches_names_addresses_and_networks() {
        let cases = [
            ("https://mcp.example.com", "example.com", true),
            ("https://mcp.example.com", "other, .Example.com", true),
            ("https://mcp.example.com", "*.example.com", true),
            ("https://example.com", ".example.com", true),
            ("https://mcp.example.com.", "mcp.example.com", true),
            ("https://myexample.com", "example.com", false),
            ("https://mcp.example.com", "mcp.example.com:443 a", true),
            ("https://mcp.example.com", "mcp.example.com:8443", false),
            ("https://mcp.example.com", "*", true),
            ("https://mcp.example.com", "a,*", true),
            ("https://mcp.example.com", ", .", false),
            ("https://10.1.2.3", "10.1.2.3", true),
            ("https://10.1.2.3", "10.0.0.0/8", true),
            ("https://10.1.2.3", "10.0.0.0/16", false),
            ("https://10.1.2.3", "10.0.0.0/33 2.3 .3", false),
            ("https://10.1.2.3:8443", "10.1.2.3:8443", true),
            ("https://[fd00::1]", "fd00::1", true),
            ("https://[fd00::1]", "[fd00::1]:443", true),
            ("https://[fd00::1]", "fd00::/8", true),
            ("https://[fd00::1]", "10.0.0.0/0", false),
        ];
        for (url, list, expected) in cases {
            assert_eq!(is_excepted(&Endpoint::parse(url).unwrap(), list), expected, "{url} {list}");
        }
    }
}
