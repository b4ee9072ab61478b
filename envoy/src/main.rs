//! The command `mcp-sidecar`.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};
use mcp_sidecar::{CommandLine, DemoOptions, Lookup, Machine, PageOptions, Problem, Running, Settings, TopOptions};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
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
    /// Starts the sidecar in front of an HTTP server (MCP_UPSTREAM_URL) or of a program on standard input and output (COMMAND).
    ///
    /// Its settings are environment variables. Either MCP_UPSTREAM_URL or COMMAND is required. The program is started without a
    /// shell, once per session, or once for all clients from protocol version 2026-07-28 on. It has this environment less the
    /// sidecar's own settings (`env LOG_LEVEL=debug COMMAND` sets one of those for it). Its standard error is passed on.
    ///
    /// Exit status: 0 after a drain by SIGTERM, SIGINT or SIGHUP; 2 if settings are refused, or the command is not found; else
    /// Envoy's exit status.
    #[command(override_usage = "mcp-sidecar run [-- COMMAND [ARGUMENT]...]")]
    Run(ServerCommand),
    /// Serves MCP on standard input and output, as the server in a desktop client's configuration.
    ///
    /// Messages pass through Envoy to COMMAND, or to the remote server in MCP_UPSTREAM_URL. Ports that are not set are free
    /// ones on 127.0.0.1. All messages of the sidecar go to standard error, with the address of the metrics.
    ///
    /// Exit status: 0 after the end of the input, SIGTERM, SIGINT or SIGHUP; 1 if the session with the server is lost; 2 if
    /// settings are refused, or the command is not found; else Envoy's exit status.
    #[command(override_usage = "mcp-sidecar stdio [-- COMMAND [ARGUMENT]...]")]
    Stdio(ServerCommand),
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
    /// Shows the tools of sidecars as a table in the terminal: calls, errors, durations, sizes, and what fails now.
    ///
    /// The table is refreshed every 2 s; the key ? explains it. Columns that do not fit the terminal's width, or COLUMNS with
    /// --once, are left out. NO_COLOR turns colours off.
    ///
    /// Exit status: 0; 1 if a URL does not answer with --once, or the table cannot be printed or shown; 2 if arguments are refused.
    Top(TopOptions),
    /// Serves the live page on this machine for the metrics of any Envoy with the filter, such as a proxy of a mesh.
    ///
    /// It is the page that a sidecar serves at / of its probe port. It needs no Envoy here. It listens on 127.0.0.1, and
    /// fetches the metrics again for each request of the page, over plain HTTP.
    ///
    /// Exit status: 0 after SIGINT or SIGTERM; 1 if the URL does not answer at the start or is no page of metrics; 2 if arguments
    /// are refused.
    Page(PageOptions),
    /// Starts a sidecar with an MCP server and five clients that are built in, and prints the table of `top` as they go.
    ///
    /// The clients speak all protocol versions from 2024-11-05 to 2026-07-28. The tools are a quick one, a slow one, one with
    /// big results, one with progress, and two that fail. Only Envoy is needed. Ports that are not set are free ones on
    /// 127.0.0.1. Of the other variables only ENVOY_BIN, MCP_FILTER_WASM, LOG_LEVEL and TMPDIR are used. SIGINT ends the demo.
    ///
    /// Exit status: 0; 1 with --once if the sidecar counted anything else than the clients, or the table cannot be printed; 2 if
    /// settings are refused; else Envoy's exit status.
    Demo(DemoOptions),
    /// The MCP server of the demo, on standard input and output.
    #[command(hide = true)]
    DemoServer,
}

/// The program that is the MCP server.
#[derive(Args)]
struct ServerCommand {
    /// The program that is the MCP server, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => match misplaced_command(&error, std::env::args_os()) {
            Some(problem) => return refuse(&[problem]),
            None => error.exit(),
        },
    };
    match arguments.command {
        Command::Run(server) => run(server, false),
        Command::Stdio(server) => run(server, true),
        Command::Drain => drain(),
        Command::Page(options) => ExitCode::from(mcp_sidecar::page(&options)),
        Command::Demo(options) => demo(options),
        Command::DemoServer => {
            // The client is gone if this fails.
            let _ = mcp_sidecar::demo_server();
            ExitCode::SUCCESS
        }
        Command::Top(options) => ExitCode::from(mcp_sidecar::top(&options)),
        Command::Check { file } => match mcp_sidecar::check(&file, &variable) {
            Ok(_) => {
                println!("ok");
                ExitCode::SUCCESS
            }
            Err(problems) => refuse(&problems),
        },
        Command::Probe { url } => {
            match mcp_sidecar::probe(&url.unwrap_or_else(|| format!("{}/ready", mcp_sidecar::own_probe()))) {
                Ok(()) => ExitCode::SUCCESS,
                Err(reason) => {
                    eprintln!("mcp-sidecar: {reason}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// The problem of a command that does not follow `--`, of a URL in its place, or of a `--` without `run` or `stdio` before it.
fn misplaced_command(error: &clap::Error, words: impl Iterator<Item = OsString>) -> Option<Problem> {
    let mut words = words.skip(1).map(|word| word.to_string_lossy().into_owned());
    let (subcommand, second) = (words.next()?, words.next());
    if subcommand == "--" {
        let message = format!(
            "\"run\" or \"stdio\" must stand before \"--\": in a client's configuration mcp-sidecar stdio -- {} ...",
            second.as_deref().unwrap_or("COMMAND")
        );
        return Some(Problem::new("COMMAND", message));
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidArg)? else { return None };
    let is_command = error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-');
    if !is_command || !matches!(subcommand.as_str(), "run" | "stdio") {
        return None;
    }
    let message = mcp_sidecar::url_as_command(word, &subcommand)
        .unwrap_or_else(|| format!("{word:?} must follow \"--\": mcp-sidecar {subcommand} -- {word} ..."));
    Some(Problem::new("COMMAND", message))
}

/// Whether another program holds both ends, as a client does. Some clients use sockets in place of pipes.
fn is_started_by_a_client() -> bool {
    [io::stdin().as_fd(), io::stdout().as_fd()].iter().all(|end| {
        let kind = end.try_clone_to_owned().and_then(|end| File::from(end).metadata()).map(|end| end.file_type());
        kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
    })
}

fn run(server: ServerCommand, is_stdio: bool) -> ExitCode {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    print(&mcp_sidecar::unknown_variables(names));
    let environment = std::env::vars_os().collect();
    start(&variable, &CommandLine { program: server.command, environment, is_stdio, demo: None })
}

fn demo(options: DemoOptions) -> ExitCode {
    match mcp_sidecar::demo_command_line(options) {
        Ok(command_line) => start(&|name| mcp_sidecar::demo_variable(&variable, name), &command_line),
        Err(error) => {
            eprintln!("mcp-sidecar: the path of this program is not known: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(lookup: Lookup<'_>, command_line: &CommandLine) -> ExitCode {
    let settings = match Settings::read(lookup, command_line) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems),
    };
    print(&settings.remarks);
    if !settings.is_stdio && settings.demo.is_none() && is_started_by_a_client() {
        eprintln!(
            "mcp-sidecar: run serves HTTP on port {}; in a client's configuration use \"stdio\" in its place",
            settings.listener.port()
        );
    }
    let mut problems = [mcp_sidecar::taken_ports(&settings), mcp_sidecar::refused_files(&settings)].concat();
    problems.extend(mcp_sidecar::refused_audit_log(&settings));
    if !problems.is_empty() {
        return refuse(&problems);
    }
    match mcp_sidecar::run(&settings, Machine::prepare(&Running::with(&settings))) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("mcp-sidecar: {error}");
            ExitCode::FAILURE
        }
    }
}

fn drain() -> ExitCode {
    match Running::read(&variable) {
        Ok(running) if mcp_sidecar::drain(&running, Machine::prepare(&running)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
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
