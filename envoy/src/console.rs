//! What the commands print. A sidecar ignores each failure to print: a closed output must not end it.
//!
//! A desktop client may not read standard error. With `stdio` a thread writes the lines of the launcher and of Envoy, and
//! neither waits for it (`mcp_connector::Errors`).

use crate::environment::Settings;
use mcp_connector::Errors;
use std::fmt::Arguments;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// Writes standard error of `stdio`.
static ERRORS: OnceLock<Errors> = OnceLock::new();
/// Maximum wait for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

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
        self.print(format_args!("page     http://{probe}/"));
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

/// Prints what a command was asked for.
///
/// # Errors
///
/// A line that says why not all of it is written. That the reader closed the pipe is no failure.
pub(crate) fn print_result(text: &str) -> Result<(), String> {
    let mut output = io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written ({error}); free its disk, or print to another file"))
        }
        _ => Ok(()),
    }
}

/// Prints an error.
pub(crate) fn print_error(line: Arguments<'_>) {
    match ERRORS.get() {
        Some(errors) => errors.say(&line.to_string()),
        None => drop(writeln!(io::stderr(), "mcp-sidecar: {line}")),
    }
}

/// Makes a thread write standard error from now on.
///
/// # Errors
///
/// The thread cannot be started.
pub(crate) fn write_errors_by_a_thread() -> io::Result<()> {
    // Set before: the thread is there already.
    let _ = ERRORS.set(Errors::start()?);
    Ok(())
}

/// Copies lines of Envoy to standard error until it exits.
pub(crate) fn copy_lines(from: PipeReader) {
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        if let Some(errors) = ERRORS.get() {
            errors.line("", &String::from_utf8_lossy(&line));
        }
    }
}

/// Waits until the last lines are written, if standard error is read.
pub(crate) fn flush() {
    if let Some(errors) = ERRORS.get() {
        errors.flush(LAST_LINES);
    }
}
