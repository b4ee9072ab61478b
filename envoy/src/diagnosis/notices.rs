//! Turns Envoy's notices (`bootstrap::notice`) into messages for the operator. Each message is printed once, and one message for
//! each kind of wrong answer (`answers`).

use super::answers::{Answers, Finding};
use super::tls_failure::{ReportedTls, TlsServer};
use crate::bootstrap::{CONNECT_NOTICE, PROXY_NOTICE, REDIRECT_NOTICE};
use crate::environment::Settings;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use url::Url;

/// Maximum number of different messages, so that a server with ever new failures does not fill the log.
const MAX_MESSAGES: usize = 16;
/// Time in which a call must succeed after an answer that is doubtful. Clients try several transports and versions.
const DOUBT: Duration = Duration::from_secs(3);

/// What to do about a line.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Print(String),
    /// Print it if no call succeeds soon.
    PrintUnlessAnswered(String),
    /// A call has succeeded.
    Answered,
}

/// Turns lines of Envoy into messages.
pub(crate) struct Notices {
    server: Option<Url>,
    url: String,
    /// URL of the server's proxy, or of the OTLP receiver's.
    proxy: String,
    is_proxied: bool,
    tls: Option<TlsServer>,
    reported_tls: ReportedTls,
    answers: Option<Answers>,
    printed: Vec<String>,
}

// === impl Notices ===

impl Notices {
    pub(crate) fn new(settings: &Settings, reported_tls: ReportedTls) -> Self {
        let url = settings.upstream.text();
        let proxy = settings.proxy().map(crate::ForwardProxy::url).unwrap_or_default();
        let is_proxied = settings.upstream.proxy.is_some();
        Self {
            server: Url::parse(&url).ok(),
            url,
            proxy,
            is_proxied,
            tls: TlsServer::new(settings),
            reported_tls,
            answers: Answers::new(settings),
            printed: Vec::new(),
        }
    }

    /// Reads lines until Envoy exits, and prints their messages. `end_answers` ends the lines about answers, and returns whether it
    /// did.
    pub(crate) fn read(
        self,
        pipe: impl Read,
        print: impl Fn(&str) + Copy + Send + 'static,
        end_answers: impl Fn() -> bool,
    ) {
        let later = |print_if_doubtful: Box<dyn FnOnce() + Send>| {
            thread::spawn(move || {
                thread::sleep(DOUBT);
                print_if_doubtful();
            });
        };
        self.read_with(pipe, print, end_answers, later);
    }

    fn read_with(
        mut self,
        pipe: impl Read,
        print: impl Fn(&str) + Copy + Send + 'static,
        end_answers: impl Fn() -> bool,
        mut later: impl FnMut(Box<dyn FnOnce() + Send>),
    ) {
        let (is_answered, mut has_ended) = (Arc::new(AtomicBool::new(false)), false);
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            match self.action(&String::from_utf8_lossy(&line)) {
                Some(Action::Print(message)) => print(&message),
                Some(Action::PrintUnlessAnswered(message)) => {
                    let is_answered = Arc::clone(&is_answered);
                    later(Box::new(move || {
                        if !is_answered.load(Ordering::Relaxed) {
                            print(&message);
                        }
                    }));
                }
                Some(Action::Answered) => {
                    is_answered.store(true, Ordering::Relaxed);
                    has_ended = has_ended || end_answers();
                }
                None => {}
            }
        }
    }

    fn action(&mut self, line: &str) -> Option<Action> {
        if !line.starts_with('{') {
            return self.message(line).map(Action::Print);
        }
        match self.answers.as_ref()?.judge(line) {
            Finding::Works => Some(Action::Answered),
            Finding::Wrong(kind, message) => self.is_new(kind).then_some(Action::Print(message)),
            Finding::Doubtful(kind, message) => self.is_new(kind).then_some(Action::PrintUnlessAnswered(message)),
            Finding::Nothing => None,
        }
    }

    /// Whether a message, or one of this kind, was not printed yet.
    fn is_new(&mut self, message: &str) -> bool {
        let is_new = !self.printed.iter().any(|printed| printed == message) && self.printed.len() < MAX_MESSAGES;
        if is_new {
            self.printed.push(message.to_owned());
        }
        is_new
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
        self.is_new(&message).then_some(message)
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
        if let (Some((_, reason)), Some(tls)) = (reason.split_once("TLS_error:"), &self.tls) {
            return Some(tls.message_of(reason, &self.reported_tls));
        }
        let timed_out = self.is_proxied && details.contains("connection_timeout");
        timed_out.then(|| self.no_connection(&format!("neither the proxy nor {} answers within 5 s", self.url)))
    }

    fn no_connection(&self, failure: &str) -> String {
        format!("HTTPS_PROXY: no connection through {}: {failure}", self.proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::Notices;
    use crate::diagnosis::answers::Answers;
    use crate::diagnosis::tls_failure::{ReportedTls, TlsServer};
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use url::Url;

    fn notices() -> Notices {
        let url = "https://mcp.example.com/mcp".to_owned();
        let proxy = "http://proxy:3128".to_owned();
        let answers = Some(Answers::of_test(&url));
        Notices {
            server: Some(Url::parse(&url).unwrap()),
            url,
            proxy,
            is_proxied: true,
            tls: Some(TlsServer::of_test()),
            reported_tls: ReportedTls::default(),
            answers,
            printed: Vec::new(),
        }
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
    fn failure_of_tls_is_reported() {
        let mut notices = notices();
        assert_eq!(notices.message("connect - delayed_connect_error:_111"), None);
        let line = "connect - TLS_error:|268435581:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";
        let text = notices.message(line).unwrap();
        assert!(
            text.starts_with("MCP_UPSTREAM_URL: the TLS handshake with https://mcp.example.com/mcp fails: "),
            "{text}"
        );
    }

    #[test]
    fn one_answer_of_each_kind_is_reported() {
        let mut notices = notices();
        let mut count = |line: &str| (0..3).filter_map(|_| notices.action(line)).count();
        assert_eq!(count(r#"{"status": 421, "host": "a"}"#) + count(r#"{"status": 421, "host": "b"}"#), 1);
        assert_eq!(count(r#"{"status": 404, "path": "/a"}"#) + count(r#"{"status": 405, "path": "/b"}"#), 1);
    }

    #[test]
    fn doubtful_answer_is_reported_unless_a_call_succeeds() {
        static PRINTED: AtomicUsize = AtomicUsize::new(0);
        let doubtful = r#"{"status": 404, "path": "/a"}"#;
        let works = r#"{"status": 200, "content_type": "application/json"}"#;
        for (lines, expected, ended) in [(vec![doubtful], 1, 0), (vec![doubtful, works, works, doubtful], 0, 2)] {
            let (mut later, ends) = (Vec::<Box<dyn FnOnce() + Send>>::new(), Cell::new(0));
            // The first attempt fails.
            let end_answers = || {
                ends.set(ends.get() + 1);
                ends.get() > 1
            };
            let print = |_: &str| {
                PRINTED.fetch_add(1, Ordering::Relaxed);
            };
            notices().read_with(lines.join("\n").as_bytes(), print, end_answers, |check| later.push(check));
            assert_eq!((later.len(), PRINTED.load(Ordering::Relaxed), ends.get()), (1, 0, ended));
            later.into_iter().for_each(|check| check());
            assert_eq!(PRINTED.swap(0, Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn number_of_messages_is_limited() {
        let mut notices = notices();
        let printed = (0..1000).filter_map(|number| notices.message(&format!("proxy reason {number}"))).count();
        assert_eq!(printed, super::MAX_MESSAGES);
    }
}
