//! The command `mcp-sidecar`.

use clap::{Parser, Subcommand};
use mcp_sidecar::{Machine, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status for settings or a configuration that are refused.
const REFUSED: u8 = 2;

/// Runs Envoy with the MCP observability filter in front of one MCP server.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the sidecar; its settings are environment variables (only MCP_UPSTREAM_URL is required).
    ///
    /// Exit status: 0 after a drain by SIGTERM or SIGINT, 2 if settings are refused, else Envoy's exit status.
    Run,
    /// Checks a plugin configuration file: prints "ok", or all problems with exit status 2.
    Check {
        /// The plugin's JSON configuration, as in MCP_FILTER_CONFIG.
        file: PathBuf,
    },
    /// Sends a GET, for a container's health check; exit status 1 unless the response is 200.
    Probe {
        /// An http:// URL [default: /ready of the sidecar at PROBE_PORT].
        url: Option<String>,
    },
    /// Drains the sidecar that runs with the same environment, for a pod's preStop hook; exit status 1 if exchanges are still
    /// open after 30 s.
    Drain,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run => run(),
        Command::Drain => drain(),
        Command::Check { file } => match mcp_sidecar::check(&file, &variable) {
            Ok(_) => {
                println!("ok");
                ExitCode::SUCCESS
            }
            Err(problems) => refuse(&problems),
        },
        Command::Probe { url } => match mcp_sidecar::probe(&url.unwrap_or_else(own_readiness)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("mcp-sidecar: {reason}");
                ExitCode::FAILURE
            }
        },
    }
}

fn own_readiness() -> String {
    let port = variable("PROBE_PORT").filter(|port| !port.is_empty()).unwrap_or_else(|| "9902".to_owned());
    format!("http://127.0.0.1:{port}/ready")
}

fn run() -> ExitCode {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    print(&mcp_sidecar::unknown_variables(names));
    with_settings(|settings| {
        print(&settings.remarks);
        let mut problems = [mcp_sidecar::taken_ports(settings), mcp_sidecar::refused_files(settings)].concat();
        problems.extend(mcp_sidecar::refused_audit_log(settings));
        if !problems.is_empty() {
            return refuse(&problems);
        }
        match mcp_sidecar::run(settings, Machine::prepare(settings)) {
            Ok(status) => ExitCode::from(status),
            Err(error) => {
                eprintln!("mcp-sidecar: {error}");
                ExitCode::FAILURE
            }
        }
    })
}

fn drain() -> ExitCode {
    with_settings(|settings| {
        if mcp_sidecar::drain(settings, Machine::prepare(settings)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

fn with_settings(command: impl FnOnce(&Settings) -> ExitCode) -> ExitCode {
    match Settings::read(&variable) {
        Ok(settings) => command(&settings),
        Err(problems) => refuse(&problems),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn refuse<T: std::fmt::Display>(problems: &[T]) -> ExitCode {
    print(problems);
    ExitCode::from(REFUSED)
}

fn print<T: std::fmt::Display>(problems: &[T]) {
    for problem in problems {
        eprintln!("mcp-sidecar: {problem}");
    }
}
