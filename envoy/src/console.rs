//! What the launcher prints. Each failure to print is ignored: a closed output must not end the sidecar.

use crate::environment::Settings;
use std::fmt::Arguments;
use std::io::{self, Write};

/// Where the launcher's lines go that are no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    /// To standard output.
    Output,
    /// To standard error, as errors do: standard output carries MCP.
    Errors,
}

// === impl Console ===

impl Console {
    pub(crate) fn with(settings: &Settings) -> Self {
        if settings.is_stdio { Self::Errors } else { Self::Output }
    }

    /// Prints a line.
    pub(crate) fn print(self, line: Arguments<'_>) {
        match self {
            Self::Output => drop(writeln!(io::stdout(), "{line}")),
            Self::Errors => print_error(line),
        }
    }

    /// Prints the addresses and settings of a sidecar that starts.
    pub(crate) fn print_addresses(self, settings: &Settings) {
        let Settings { upstream, listener, probe, admin_port, plugin, otlp, .. } = settings;
        self.print(format_args!("MCP      http://{listener} -> {} ({})", upstream.text(), plugin.server_name));
        self.print(format_args!("metrics  http://{probe}/metrics"));
        self.print(format_args!("probes   http://{probe}/ready http://{probe}/health"));
        self.print(format_args!("admin    http://127.0.0.1:{admin_port}"));
        if let Some(proxy) = settings.proxy() {
            self.print(format_args!("proxy    {} for https:// (HTTPS_PROXY)", proxy.url()));
        }
        if let Some(path) = &settings.audit_log {
            self.print(format_args!("audit    {}", path.display()));
        }
        if let Some(otlp) = otlp {
            self.print(format_args!("OTLP     spans and logs to {}", otlp.endpoint.url()));
        }
    }
}

/// Prints an error.
pub(crate) fn print_error(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "mcp-sidecar: {line}");
}
