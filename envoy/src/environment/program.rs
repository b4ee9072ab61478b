//! Settings of a server that is a program: `MCP_STDIO_*`, the command, and what is ignored with one.

use super::reader::Reader;
use super::{CommandLine, HostHeader, Server, Upstream, upstream};
use crate::problem::Problem;
use crate::server_program::{self, ServerProgram};
use crate::temporary;
use mcp_connector::Command;
use std::time::Duration;

const SESSIONS: &str = "MCP_STDIO_SESSIONS";
const IDLE_MS: &str = "MCP_STDIO_IDLE_MS";
const LINE_BYTES: &str = "MCP_STDIO_LINE_BYTES";
/// Settings of a connection to a URL.
const OF_A_URL: [&str; 5] = [
    "MCP_UPSTREAM_HOST_HEADER",
    "MCP_UPSTREAM_CA_FILE",
    "MCP_UPSTREAM_CERT_FILE",
    "MCP_UPSTREAM_KEY_FILE",
    "MCP_UPSTREAM_IDLE_MS",
];

/// The problem of a URL that stands in the command's place. It is not repeated: it may contain a password.
pub fn url_as_command(word: &str, subcommand: &str) -> Option<String> {
    let is_url = word.starts_with("http://") || word.starts_with("https://");
    is_url.then(|| format!("is a URL, and a URL is no program: MCP_UPSTREAM_URL=URL mcp-sidecar {subcommand}"))
}

impl Reader<'_> {
    /// The program of the command line, which is looked up, and its limits.
    pub(super) fn upstream_of_program(&mut self, command_line: &CommandLine) -> Option<Upstream> {
        let environment = server_program::environment(&command_line.environment);
        let subcommand = if command_line.is_stdio { "stdio" } else { "run" };
        let url = command_line.program.first().and_then(|word| url_as_command(word.to_str()?, subcommand));
        let command = url
            .map_or_else(|| Command::find(&command_line.program, environment), Err)
            .map_err(|message| self.problems.push(Problem::new("COMMAND", message)));
        let timeout_ms = self.timeout_ms();
        self.remark_ignored(&OF_A_URL, "it is for the connection to a URL, and the server is a program");
        let limits = self.limits();
        let socket = server_program::socket_path(&self.temporary())
            .map_err(|message| self.problems.push(Problem::new(temporary::VARIABLE, message)));
        let (sessions, idle, line_bytes) = limits?;
        let bridge = mcp_connector::Settings { command: command.ok()?, name: None, sessions, idle, line_bytes };
        Some(Upstream {
            server: Server::Program(ServerProgram { bridge, socket: socket.ok()? }),
            timeout_ms,
            host_header: HostHeader::Preserve,
            ca_file: None,
            client_certificate: None,
            idle_ms: upstream::IDLE_MS,
            proxy: None,
        })
    }

    /// Checks the limits of a program and ignores them: the server is a URL.
    pub(super) fn no_program(&mut self) {
        self.remark_ignored(&[SESSIONS, IDLE_MS, LINE_BYTES], "it is for a program, and the server is a URL");
        self.limits();
    }

    /// Sessions at the same time, the time after which an idle one ends, and bytes of a line.
    fn limits(&mut self) -> Option<(usize, Duration, usize)> {
        let sessions =
            self.number(SESSIONS, 32, |sessions| (1..=1000).contains(&sessions), "a number of sessions from 1 to 1000");
        let idle_ms = self.number(
            IDLE_MS,
            1_800_000,
            |milliseconds| milliseconds > 0,
            "a whole number of milliseconds from 1 to 4294967295",
        );
        let line_bytes = self.number(
            LINE_BYTES,
            64 << 20,
            |bytes| (1024..=1 << 30).contains(&bytes),
            "a number of bytes from 1024 to 1073741824",
        );
        let idle = Duration::from_millis(idle_ms.into());
        Some((sessions.try_into().ok()?, idle, line_bytes.try_into().ok()?))
    }

    fn remark_ignored(&mut self, variables: &[&'static str], reason: &str) {
        for variable in variables {
            if self.text(variable).is_some() {
                self.remarks.push(Problem::new(variable, format!("is ignored; {reason}")));
            }
        }
    }
}
