//! The command `mcp-sidecar`.

use clap::{Parser, Subcommand};
use mcp_sidecar::{Machine, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status of a refused environment or configuration.
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
    /// Starts the sidecar; its settings are environment variables (MCP_UPSTREAM_URL is the one that must be set).
    ///
    /// Exit status: 0 after a drained SIGTERM or SIGINT, 2 for settings that are refused, else Envoy's.
    Run,
    /// Checks a plugin configuration file: prints "ok", or every problem with exit status 2.
    Check {
        /// A JSON file as MCP_FILTER_CONFIG names it.
        file: PathBuf,
    },
    /// Asks a page, as a container's health check does; exit status 1 unless it answers 200.
    Probe {
        /// An http:// URL; unless given, /ready of the sidecar at PROBE_PORT.
        url: Option<String>,
    },
    /// Drains the running sidecar with the same environment, for a pod's preStop hook; exit status 1 if that takes too long.
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
    print(&mcp_sidecar::misspelt(names));
    with_settings(|settings| {
        print(&settings.remarks);
        let problems = [mcp_sidecar::taken_ports(settings), mcp_sidecar::refused_files(settings)].concat();
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
