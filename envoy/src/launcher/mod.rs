//! Runs one sidecar: starts Envoy and what stands before and behind it, forwards signals, drains, ends all.
//!
//! A panic of any thread ends the process (`panic = "abort"`), and Envoy and the programs end with the process.

mod audit_log;
mod drain;
mod process;

use crate::admin::Admin;
use crate::bootstrap;
use crate::console::{self, Console, print_error};
use crate::demo::Demo;
use crate::diagnosis::{Notices, ReportedTls, report_unreachable_server};
use crate::environment::{Running, Settings};
use crate::file_sd::TargetFile;
use crate::machine::Machine;
use crate::ports::taken_ports;
use crate::server_program::RunningBridge;
pub use audit_log::refused_audit_log;
use audit_log::{append_to_outputs, report_lost_lines};
pub use drain::drain;
use drain::drain_with;
use mcp_connector::{Front, FrontEnd};
use nix::sys::signal::Signal;
use process::{Process, shell_status};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// Interval at which Envoy is asked whether it is live.
const POLL: Duration = Duration::from_millis(100);
/// Maximum wait for Envoy's exit after SIGTERM.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait for the export of the last spans and logs: their flush interval of 1 s and a margin.
const LAST_EXPORT: Duration = Duration::from_millis(1_500);
/// How many times free ports are chosen. Another process may take one before Envoy does.
const PORT_CHOICES: u32 = 3;
/// Exit status if the session of `stdio` is lost.
const SESSION_LOST: u8 = 1;

enum Event {
    Signal(i32),
    EnvoyEnded(ExitStatus),
    FrontEnded(FrontEnd),
    /// `demo --once` ended, with this status.
    DemoEnded(u8),
}

/// How a sidecar ended.
enum Ending {
    Status(u8),
    /// Envoy exited before it served, with this status, and one of the ports that were chosen is taken.
    PortTaken(u8),
}

/// Runs the sidecar until SIGTERM, SIGINT, SIGHUP, Envoy's exit, the end of the input of `stdio` or of `demo --once`. Returns the launcher's exit
/// status.
///
/// # Errors
///
/// Envoy or the bridge cannot be started, or signals cannot be received.
pub fn run(settings: &Settings, machine: Machine) -> io::Result<u8> {
    append_to_outputs(settings);
    if settings.is_stdio {
        console::write_errors_by_a_thread()?;
    }
    let (sender, events) = mpsc::channel();
    // Before there is anything that would be left behind.
    let mut signals = vec![SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2];
    if !is_hang_up_ignored() {
        signals.push(SIGHUP);
    }
    forward_signals(Signals::new(signals)?, sender.clone());
    let bridge = settings.upstream.program().map(RunningBridge::start).transpose()?;
    let mut choices = 1;
    let status = loop {
        let settings = settings.with_free_ports()?;
        match Sidecar::start(&settings, machine, &events, &sender)?.serve()? {
            Ending::PortTaken(_) if choices < PORT_CHOICES => choices += 1,
            Ending::Status(status) | Ending::PortTaken(status) => break status,
        }
    };
    if let Some(bridge) = bridge {
        bridge.end();
    }
    console::flush();
    Ok(status)
}

/// Whether SIGHUP was ignored when this process was started, as `nohup` does. Without that it ends the sidecar as SIGTERM does: the
/// terminal was closed.
fn is_hang_up_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal has the lowest bit.
    mask.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

fn forward_signals(mut signals: Signals, sender: Sender<Event>) {
    thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
}

/// What the front connects to: Envoy, and the path of the server behind it.
fn upstream_of_front(settings: &Settings) -> mcp_connector::Upstream {
    let endpoint = settings.upstream.endpoint();
    mcp_connector::Upstream {
        address: settings.own_listener(),
        path: endpoint.map_or_else(|| "/mcp".to_owned(), |endpoint| endpoint.path.clone()),
        headers_at_once: endpoint.is_none(),
    }
}

struct Sidecar<'a> {
    settings: &'a Settings,
    console: Console,
    process: Process,
    events: &'a Receiver<Event>,
    sender: &'a Sender<Event>,
    admin: Admin,
    reported_tls: ReportedTls,
    /// From the time when Envoy serves.
    target_file: Option<TargetFile>,
    /// From the time when Envoy serves, if this is the demo.
    demo: Option<Demo>,
}

// === impl Sidecar ===

impl<'a> Sidecar<'a> {
    fn start(
        settings: &'a Settings,
        machine: Machine,
        events: &'a Receiver<Event>,
        sender: &'a Sender<Event>,
    ) -> io::Result<Self> {
        let (process, mut child, notices) = Process::start(settings, &bootstrap::render(settings, machine))?;
        let envoy = sender.clone();
        thread::spawn(move || {
            if let Ok(status) = child.wait() {
                // Fails when the launcher no longer receives events.
                let _ = envoy.send(Event::EnvoyEnded(status));
            }
        });
        let (admin, reported_tls) = (Admin::new(&Running::with(settings), machine), ReportedTls::default());
        let reader = Notices::new(settings, reported_tls.clone());
        let of_reader = admin.clone();
        thread::spawn(move || {
            let print = |text: &str| print_error(format_args!("{text}"));
            reader.read(notices, print, || of_reader.end_first_answers().is_ok());
        });
        let console = Console::with(settings);
        console.print_addresses(settings);
        Ok(Self { settings, console, process, events, sender, admin, reported_tls, target_file: None, demo: None })
    }

    fn serve(mut self) -> io::Result<Ending> {
        loop {
            let starting = self.process.bootstrap();
            let event = if starting.is_some() { self.next(POLL) } else { self.events.recv().ok() };
            match event {
                Some(Event::EnvoyEnded(status)) => return Ok(self.ended(status)),
                Some(Event::FrontEnded(end)) => return Ok(Ending::Status(self.stop_after(&end))),
                Some(Event::DemoEnded(status)) => return Ok(Ending::Status(self.end(status))),
                Some(Event::Signal(SIGTERM | SIGINT | SIGHUP)) => return Ok(Ending::Status(self.stop())),
                Some(Event::Signal(signal)) => self.forward(signal),
                None if starting.is_some_and(|bootstrap| self.admin.serves(bootstrap)) => self.begin()?,
                None => {}
            }
        }
    }

    /// Begins what needs an Envoy that serves.
    fn begin(&mut self) -> io::Result<()> {
        let settings = self.settings;
        self.process.remove_bootstrap();
        self.console.print(format_args!("ready    Envoy {}", settings.envoy.version));
        report_unreachable_server(settings, self.admin.clone(), self.reported_tls.clone());
        report_lost_lines(settings, self.admin.clone(), |text| print_error(format_args!("{text}")));
        match TargetFile::write(settings) {
            Ok(file) => self.target_file = file,
            Err(error) => print_error(format_args!("MCP_SIDECAR_FILE_SD: the file cannot be written: {error}")),
        }
        if settings.is_stdio {
            let sender = self.sender.clone();
            Front::start(upstream_of_front(settings), move |end| drop(sender.send(Event::FrontEnded(end))))?;
        }
        if let Some(options) = settings.demo {
            let sender = self.sender.clone();
            self.demo = Some(Demo::start(options, settings, move |status| drop(sender.send(Event::DemoEnded(status)))));
        }
        Ok(())
    }

    /// The ending after Envoy's exit.
    fn ended(&self, status: ExitStatus) -> Ending {
        // Envoy tells about its other ends itself.
        if status.signal().is_some() {
            print_error(format_args!("Envoy was ended ({status})"));
        }
        let status = shell_status(status);
        let is_starting = self.process.bootstrap().is_some();
        let is_port_taken = is_starting && self.settings.free_ports.any() && !taken_ports(self.settings).is_empty();
        if is_port_taken { Ending::PortTaken(status) } else { Ending::Status(status) }
    }

    /// Ends Envoy after the end of MCP on standard input and output.
    fn stop_after(&self, end: &FrontEnd) -> u8 {
        let status = match end {
            FrontEnd::InputEnded => 0,
            FrontEnd::SessionLost(reason) => {
                print_error(format_args!("{reason}"));
                SESSION_LOST
            }
        };
        self.await_last_export().unwrap_or_else(|| self.end(status))
    }

    /// Drains, then ends Envoy. A second signal ends Envoy at once.
    fn stop(&self) -> u8 {
        if self.settings.is_stdio && self.process.bootstrap().is_some() {
            // The client has no exchanges yet. SIGTERM would wait until Envoy has compiled the module.
            self.process.signal(Signal::SIGKILL);
            return self.end(0);
        }
        if let Some(demo) = &self.demo {
            // No client is left that a drain would wait for.
            demo.end();
            return self.end(0);
        }
        if self.process.bootstrap().is_some_and(|bootstrap| !self.admin.serves(bootstrap)) {
            // Envoy is not live yet: it has no exchanges, and the admin port may be another Envoy's.
            return self.end(0);
        }
        let times = if self.settings.is_stdio { drain::OF_STDIO } else { drain::OF_A_SIDECAR };
        match drain_with(&self.admin, times, self.console, |wait| self.interrupted(wait)) {
            drain::Outcome::Interrupted(status) => status,
            drain::Outcome::Drained | drain::Outcome::TimedOut => {
                self.await_last_export().unwrap_or_else(|| self.end(0))
            }
        }
    }

    /// Waits for the export of the last spans and logs, as [`Self::interrupted`] does.
    fn await_last_export(&self) -> Option<u8> {
        let deadline = Instant::now() + LAST_EXPORT;
        while self.settings.otlp.is_some()
            && let Some(left) = deadline.checked_duration_since(Instant::now())
        {
            if let Some(status) = self.interrupted(left) {
                return Some(status);
            }
        }
        None
    }

    /// Waits. Returns the exit status if a second signal arrives or Envoy exits meanwhile.
    fn interrupted(&self, wait: Duration) -> Option<u8> {
        match self.next(wait)? {
            Event::EnvoyEnded(status) => Some(shell_status(status)),
            Event::Signal(signal @ (SIGTERM | SIGINT | SIGHUP)) => {
                Some(self.end(u8::try_from(128 + signal).unwrap_or(u8::MAX)))
            }
            Event::Signal(signal) => {
                self.forward(signal);
                None
            }
            Event::FrontEnded(_) | Event::DemoEnded(_) => None,
        }
    }

    /// Ends Envoy and returns the given status.
    fn end(&self, status: u8) -> u8 {
        // A signal makes Envoy warn, as if the end were a fault. Before it is live, its admin port may be another Envoy's.
        if self.process.bootstrap().is_some() || self.admin.quit().is_err() {
            self.process.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + EXIT_TIMEOUT;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.events.recv_timeout(left) {
                Ok(Event::EnvoyEnded(_)) | Err(RecvTimeoutError::Disconnected) => return status,
                Ok(Event::Signal(_) | Event::FrontEnded(_) | Event::DemoEnded(_)) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.process.signal(Signal::SIGKILL);
        status
    }

    fn next(&self, wait: Duration) -> Option<Event> {
        self.events.recv_timeout(wait).ok()
    }

    fn forward(&self, signal: i32) {
        if let Ok(signal) = Signal::try_from(signal) {
            self.process.signal(signal);
        }
    }
}
