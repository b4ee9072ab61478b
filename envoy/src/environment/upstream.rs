//! Settings of the MCP server: URL, timeouts, `Host`, certificates, forward proxy.

use super::endpoint::{self, Endpoint, Scheme};
use super::reader::Reader;
use super::{ClientCertificate, CommandLine, HostHeader, Server, Upstream};
use crate::problem::Problem;
use std::path::PathBuf;

const URL: &str = "MCP_UPSTREAM_URL";
/// Default of `MCP_UPSTREAM_IDLE_MS`.
pub(super) const IDLE_MS: u32 = 1_500;
const CERT_FILE: &str = "MCP_UPSTREAM_CERT_FILE";
const KEY_FILE: &str = "MCP_UPSTREAM_KEY_FILE";

impl Reader<'_> {
    pub(super) fn upstream(&mut self, command_line: &CommandLine) -> Option<Upstream> {
        let is_program = !command_line.program.is_empty();
        self.refuse_no_server_and_two(is_program, command_line.is_stdio);
        if is_program { self.upstream_of_program(command_line) } else { self.upstream_of_url() }
    }

    pub(super) fn timeout_ms(&mut self) -> u32 {
        let allowed = "a whole number of milliseconds from 0 (no timeout) to 4294967295";
        self.number("MCP_UPSTREAM_TIMEOUT_MS", 30_000, |_| true, allowed)
    }

    fn upstream_of_url(&mut self) -> Option<Upstream> {
        let endpoint = self.endpoint(URL);
        let timeout_ms = self.timeout_ms();
        let choices =
            [("auto", None), ("preserve", Some(HostHeader::Preserve)), ("upstream", Some(HostHeader::Upstream))];
        let host_header = self.choice("MCP_UPSTREAM_HOST_HEADER", &choices).flatten();
        let given = self.text("MCP_UPSTREAM_CA_FILE").map(PathBuf::from);
        if let Some(file) = &given {
            self.refuse_unreadable("MCP_UPSTREAM_CA_FILE", file, "a PEM bundle of certificate authorities");
        }
        let client_certificate = self.client_certificate(endpoint.as_ref());
        let idle_ms = self.number(
            "MCP_UPSTREAM_IDLE_MS",
            IDLE_MS,
            |milliseconds| (1..=3_600_000).contains(&milliseconds),
            "a whole number of milliseconds from 1 to 3600000",
        );
        self.no_program();
        let endpoint = endpoint?;
        let ca_file = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                given.or_else(|| self.system_roots("MCP_UPSTREAM_CA_FILE", ", or name a PEM file with them"))
            }
        };
        let host_header = host_header.unwrap_or(match endpoint.scheme {
            Scheme::Http => HostHeader::Preserve,
            Scheme::Https => HostHeader::Upstream,
        });
        let proxy = self.proxy_to(&endpoint);
        self.remark_ignored_proxies(&endpoint);
        let server = Server::Url(endpoint);
        Some(Upstream { server, timeout_ms, host_header, ca_file, client_certificate, idle_ms, proxy })
    }

    /// The server is either a URL or a program.
    fn refuse_no_server_and_two(&mut self, is_program: bool, is_stdio: bool) {
        match (self.text(URL).is_some(), is_program) {
            (false, false) => {
                let subcommand = if is_stdio { "stdio" } else { "run" };
                let program = format!("a program in its place: mcp-sidecar {subcommand} -- COMMAND");
                let allowed = format!("{}; or {program}", endpoint::ALLOWED);
                self.problems.push(Problem::missing(URL, &allowed));
            }
            (true, true) => {
                let message = "is set, and the command line names a program too; allowed: one of them: unset the variable, \
                               or leave out \"-- COMMAND\"";
                self.problems.push(Problem::new(URL, message));
            }
            _ => {}
        }
    }

    /// The client certificate: both files or neither, and only for `https://`.
    fn client_certificate(&mut self, endpoint: Option<&Endpoint>) -> Option<ClientCertificate> {
        let [certificate, key] = [CERT_FILE, KEY_FILE].map(|variable| Some((variable, self.text(variable)?)));
        for (variable, file) in [&certificate, &key].into_iter().flatten() {
            self.refuse_unreadable(variable, file.as_ref(), "a PEM file");
            if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.scheme == Scheme::Http) {
                let message = format!(
                    "{file:?} is not used with {}; allowed: only with an https:// URL in MCP_UPSTREAM_URL",
                    endpoint.url()
                );
                self.problems.push(Problem::new(variable, message));
            }
        }
        match (certificate, key) {
            (Some((_, certificate)), Some((_, key))) => {
                Some(ClientCertificate { certificate: certificate.into(), key: key.into() })
            }
            (Some((variable, _)), None) => self.refuse_single_file(KEY_FILE, variable, "private key"),
            (None, Some((variable, _))) => self.refuse_single_file(CERT_FILE, variable, "certificate"),
            (None, None) => None,
        }
    }

    fn refuse_single_file<T>(&mut self, missing: &'static str, given: &str, what: &str) -> Option<T> {
        let allowed = format!("the PEM file of the {what} that belongs to {given}, or neither variable");
        self.problems.push(Problem::missing(missing, &allowed));
        None
    }
}
