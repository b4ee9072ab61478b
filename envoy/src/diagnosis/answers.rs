//! What the server's first answers tell about the settings: another path, another service, a host name that the server refuses.
//!
//! Envoy writes a line for each POST until one has succeeded, and later for each 403 and 421 (`bootstrap::notice`). A line has
//! no body and no header with credentials. A message shows a path without its query. A 404, a 405 and a redirect also occur
//! between clients and servers that work together, so these are `Doubtful`: they matter only if no call succeeds soon after.

use crate::environment::{Endpoint, Scheme, Settings};
use serde_json::Value;
use url::Url;

/// Maximum number of characters of a client's or server's text in a message.
const MAX_CHARS: usize = 200;
/// End of each doubtful message's first sentence.
const NO_SUCCESS: &str = "and no call has succeeded yet";
/// Why a server refuses a host name.
const OWN_NAMES: &str = "accepts only its own host names (protection from DNS rebinding)";

/// What an answer tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The server speaks MCP.
    Works,
    /// A message, and the kind of which only one is printed.
    Wrong(&'static str, String),
    /// The same, for the case that no call succeeds soon after.
    Doubtful(&'static str, String),
    /// Nothing about the settings.
    Nothing,
}

/// Judges the answers of one server.
pub(crate) struct Answers {
    endpoint: Endpoint,
    rewrites_host: bool,
}

/// One answer, as Envoy writes it.
struct Answer<'a> {
    fields: &'a Value,
    /// Path that the server received, without its query.
    path: String,
}

// === impl Answers ===

impl Answers {
    /// `None` for a program, which has no URL.
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let endpoint = settings.upstream.endpoint()?.clone();
        Some(Self { endpoint, rewrites_host: settings.upstream.rewrites_host() })
    }

    /// Judges one line.
    pub(crate) fn judge(&self, line: &str) -> Finding {
        let Ok(fields) = serde_json::from_str::<Value>(line) else { return Finding::Nothing };
        let path = fields.get("path").and_then(Value::as_str).unwrap_or_default();
        let path = shortened(path.split(['?', '#']).next().unwrap_or_default());
        let answer = Answer { fields: &fields, path };
        match (answer.text("flags"), answer.status()) {
            (Some("UC"), _) => Finding::Doubtful("closed", self.closed()),
            (Some("UPE"), _) => Finding::Doubtful("framing", self.not_http()),
            (None, 421) => Finding::Wrong("host", self.refused_host(&answer, "It")),
            (None, 403) => self.forbidden(&answer),
            (None, 404 | 405 | 501) => Finding::Doubtful("path", self.other_path(&answer)),
            (None, 301..=303 | 307 | 308) => self.redirected(&answer),
            // Of a notification, and of each message over HTTP+SSE.
            (None, 202) => Finding::Works,
            (None, 200..=299) => self.content(&answer),
            _ => Finding::Nothing,
        }
    }

    /// `https` in place of `http`, if that may help.
    fn tls_advice(&self) -> &'static str {
        match self.endpoint.scheme {
            Scheme::Http => "If the server speaks TLS on this port, write https:// in place of http://. Otherwise",
            Scheme::Https => "Next",
        }
    }

    fn closed(&self) -> String {
        let (url, advice) = (self.endpoint.url(), self.tls_advice());
        format!(
            "MCP_UPSTREAM_URL: {url} closes the connection without an answer, {NO_SUCCESS}. {advice} check that the port is \
             the MCP server's, and read the server's log"
        )
    }

    fn not_http(&self) -> String {
        let (url, advice) = (self.endpoint.url(), self.tls_advice());
        format!(
            "MCP_UPSTREAM_URL: the answer of {url} is not HTTP that Envoy accepts, {NO_SUCCESS}. {advice} check that the port \
             is the MCP server's; allowed: a server with MCP over HTTP"
        )
    }

    fn other_path(&self, answer: &Answer<'_>) -> String {
        let (origin, status, path) = (self.endpoint.origin(), answer.status(), &answer.path);
        format!(
            "MCP_UPSTREAM_URL: {origin} answers {status} to POST {path}, {NO_SUCCESS}: MCP has another path, or the port is \
             another service's. Write the URL that the server's documentation names, with its path (mostly /mcp); clients use \
             the same path, or /"
        )
    }

    fn content(&self, answer: &Answer<'_>) -> Finding {
        let Some(kind) = answer.text("content_type") else { return Finding::Nothing };
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if ["application/json", "text/event-stream"].iter().any(|mcp| kind.eq_ignore_ascii_case(mcp)) {
            return Finding::Works;
        }
        let (origin, path, kind) = (self.endpoint.origin(), &answer.path, shortened(kind));
        Finding::Doubtful(
            "content",
            format!(
                "MCP_UPSTREAM_URL: {origin} answers POST {path} with {kind}, which is not MCP, {NO_SUCCESS}. Write the URL of \
                 the MCP server: the port may be another service's, or MCP has another path (mostly /mcp)"
            ),
        )
    }

    fn redirected(&self, answer: &Answer<'_>) -> Finding {
        let received = Url::parse(&format!("{}{}", self.endpoint.origin(), answer.path));
        let target = answer.text("location").zip(received.ok()).and_then(|(location, from)| from.join(location).ok());
        let Some(target) = target else { return Finding::Nothing };
        let is_own_name = answer.host_is_in(&target) || target.host_str() == Some(self.endpoint.host_text().as_str());
        let is_to_https = target.scheme() == "https" && self.endpoint.scheme == Scheme::Http;
        let (origin, path, status) = (self.endpoint.origin(), &answer.path, answer.status());
        let advice = if is_to_https && is_own_name {
            "The server wants TLS: write https:// in place of http://".to_owned()
        } else {
            "If MCP is there, write that URL, and its path in the clients' URL".to_owned()
        };
        // Without user, query and fragment, which may be secrets.
        let shown = shortened(&format!("{}{}", target.origin().ascii_serialization(), target.path()));
        Finding::Doubtful(
            "redirect",
            format!(
                "MCP_UPSTREAM_URL: {origin} answers {status} to POST {path} and redirects to {shown}, {NO_SUCCESS}. {advice}"
            ),
        )
    }

    /// A 403 may have other reasons than the host name. A server with an SDK on loopback refuses all other names, so that reason
    /// is likely then.
    fn forbidden(&self, answer: &Answer<'_>) -> Finding {
        let host = answer.text("host").unwrap_or_default();
        let is_other = !host.eq_ignore_ascii_case(&self.endpoint.authority);
        let has_origin = answer.text("origin").is_some();
        if answer.text("authenticate").is_some() || (!is_other && !has_origin) {
            return Finding::Nothing;
        }
        let is_loopback = Endpoint::parse(&format!("http://{host}/")).is_ok_and(|host| host.is_loopback());
        let message = self.refused_host(answer, "If it");
        if self.endpoint.is_loopback() && !is_loopback {
            Finding::Wrong("host", message)
        } else {
            Finding::Doubtful("forbidden", message)
        }
    }

    fn refused_host(&self, answer: &Answer<'_>, it: &str) -> String {
        let (url, status, authority) = (self.endpoint.url(), answer.status(), &self.endpoint.authority);
        let host = shortened(answer.text("host").unwrap_or_default());
        let origin = answer.text("origin").map(|origin| format!(" and Origin \"{}\"", shortened(origin)));
        let origin = origin.unwrap_or_default();
        let advice = if self.rewrites_host {
            "set MCP_UPSTREAM_HOST_HEADER=preserve if it accepts the clients' host name".to_owned()
        } else {
            format!("set MCP_UPSTREAM_HOST_HEADER=upstream, which sends \"{authority}\"")
        };
        let added = if origin.is_empty() { "this name" } else { "these" };
        format!(
            "MCP_UPSTREAM_HOST_HEADER: {url} answers {status} to Host \"{host}\"{origin}. {it} {OWN_NAMES}: {advice}, or add \
             {added} to what the server allows"
        )
    }
}

// === impl Answer ===

impl Answer<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str().filter(|text| !text.is_empty() && *text != "-")
    }

    fn status(&self) -> u64 {
        self.fields.get("status").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether the URL's host is the client's `Host`.
    fn host_is_in(&self, url: &Url) -> bool {
        let host = self.text("host").and_then(|host| Url::parse(&format!("http://{host}/")).ok());
        host.is_some_and(|host| host.host() == url.host())
    }
}

/// Text of a client or a server: escaped and shortened.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
impl Answers {
    pub(crate) fn of_test(url: &str) -> Self {
        Self { endpoint: Endpoint::parse(url).unwrap(), rewrites_host: false }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Finding};
    use crate::Endpoint;
    use serde_json::json;

    fn judge(url: &str, rewrites_host: bool, fields: &serde_json::Value) -> Finding {
        Answers { endpoint: Endpoint::parse(url).unwrap(), rewrites_host }.judge(&fields.to_string())
    }

    fn text(finding: Finding) -> String {
        match finding {
            Finding::Wrong(_, text) | Finding::Doubtful(_, text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answer_that_may_be_mcp_is_no_finding() {
        let url = "http://weather:8080/mcp";
        for content_type in ["application/json", "Text/Event-Stream; charset=utf-8"] {
            let fields = json!({"status": 200, "content_type": content_type, "flags": "-"});
            assert_eq!(judge(url, false, &fields), Finding::Works);
        }
        assert_eq!(judge(url, false, &json!({"status": 202, "content_type": "text/plain"})), Finding::Works);
        for fields in [
            json!({"status": 204, "flags": null}),
            json!({"status": 400, "content_type": "application/json"}),
            json!({"status": 401}),
            json!({"status": 503, "flags": "UF"}),
            json!({"status": 403, "host": "weather:8080"}),
            json!({"status": 403, "host": "other", "authenticate": "B"}),
        ] {
            assert_eq!(judge(url, false, &fields), Finding::Nothing, "{fields}");
        }
        assert_eq!(Answers::of_test(url).judge("{"), Finding::Nothing);
    }

    #[test]
    fn message_has_no_query_and_no_control_characters() {
        let location = "https://me:hunter2@login.example/a?token=hunter2#hunter2";
        for fields in [
            json!({"status": 404, "path": "/x?key=hunter2"}),
            json!({"status": 307, "path": "/x?key=hunter2", "location": location}),
            json!({"status": 200, "path": "/x?key=hunter2", "content_type": "text/\u{1b}[31m"}),
            json!({"status": 421, "path": "/x?key=hunter2", "host": "\u{1b}[31m".repeat(1000)}),
        ] {
            let text = text(judge("http://weather:8080/mcp", false, &fields));
            assert!(!text.contains("hunter2") && !text.contains('\u{1b}'), "{text}");
            assert!(text.len() < 2500, "{text}");
        }
    }

    #[test]
    fn host_of_another_machine_is_certain_for_a_server_on_loopback_only() {
        let forbidden = |url, host| judge(url, false, &json!({"status": 403, "host": host}));
        assert!(matches!(forbidden("http://localhost:8080/", "mcp.example.com"), Finding::Wrong("host", _)));
        assert!(matches!(forbidden("http://weather:8080/", "mcp.example.com"), Finding::Doubtful("forbidden", _)));
        assert!(matches!(forbidden("http://localhost:8080/", "127.0.0.1:4000"), Finding::Doubtful("forbidden", _)));
    }

    #[test]
    fn advice_follows_the_host_that_is_sent() {
        let fields = json!({"status": 421, "host": "a:1", "origin": "http://page.example"});
        let preserved = text(judge("http://b:2/mcp", false, &fields));
        assert!(preserved.contains("Host \"a:1\" and Origin \"http://page.example\". It accepts only"), "{preserved}");
        assert!(preserved.contains("set MCP_UPSTREAM_HOST_HEADER=upstream, which sends \"b:2\""), "{preserved}");
        let replaced = text(judge("http://b:2/mcp", true, &fields));
        assert!(replaced.contains("MCP_UPSTREAM_HOST_HEADER=preserve"), "{replaced}");
    }

    #[test]
    fn redirect_to_https_of_the_same_server_names_the_scheme() {
        let redirect = |location| {
            text(judge(
                "http://b/mcp",
                false,
                &json!({"status": 301, "path": "/mcp", "host": "a:4000", "location": location}),
            ))
        };
        for location in ["https://b/mcp", "https://a:4000/mcp"] {
            assert!(redirect(location).ends_with("write https:// in place of http://"), "{location}");
        }
        let other = redirect("https://c/mcp/");
        assert!(other.contains("redirects to https://c/mcp/, and") && other.contains("If MCP is there"), "{other}");
        assert!(redirect("/mcp/").contains("redirects to http://b/mcp/, and"));
    }
}
