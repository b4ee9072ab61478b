//! Runs one sidecar: starts Envoy, forwards signals, drains, ends Envoy.

use crate::audit_log::{append_to_outputs, report_lost_lines};
use crate::bootstrap;
use crate::drain::Admin;
use crate::environment::Settings;
use crate::machine::Machine;
use crate::notices::Notices;
use crate::probe::probe;
use crate::process::{Process, shell_status};
use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::convert::Infallible;
use std::fmt::Arguments;
use std::io::{self, Write};
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum duration of a drain.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval at which Envoy is asked whether it is live, and whether it is drained.
const POLL: Duration = Duration::from_millis(100);
/// Time after the start during which an unreachable server is not reported. Envoy's first check of `localhost` may be a
/// second late.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(3);
/// Time between the 503 of `/ready` and the closing of the listener.
const CLOSE_DELAY: Duration = Duration::from_secs(1);
/// The same in Kubernetes, where the nodes learn one after the other that a pod ends.
const CLOSE_DELAY_OF_A_POD: Duration = Duration::from_secs(5);
/// Maximum wait for Envoy's exit after SIGTERM.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait for the export of the last spans and logs: their flush interval of 1 s and a margin.
const LAST_EXPORT: Duration = Duration::from_millis(1_500);

/// One step of a drain.
type Step = fn(&Admin) -> Result<(), ureq::Error>;

enum Event {
    Signal(i32),
    Ended(ExitStatus),
}

/// Runs the sidecar until SIGTERM, SIGINT or Envoy's exit. Returns the launcher's exit status.
///
/// # Errors
///
/// Envoy cannot be started, or signals cannot be received.
pub fn run(settings: &Settings, machine: Machine) -> io::Result<u8> {
    append_to_outputs(settings);
    let (sender, events) = mpsc::channel();
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])?;
    forward_signals(signals, sender.clone());
    let (process, mut child, notices) = Process::start(settings, &bootstrap::render(settings, machine))?;
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            // Fails when the launcher no longer receives events.
            let _ = sender.send(Event::Ended(status));
        }
    });
    let reader = Notices::new(settings);
    thread::spawn(move || reader.read(notices, |text| print_error(format_args!("{text}"))));
    print_addresses(settings);
    Ok(Sidecar { settings, process, events, admin: Admin::new(settings, machine) }.serve())
}

/// Drains the sidecar that runs with these settings in the same container, and leaves it running. It is the preStop hook of
/// a pod; the MCP server still runs during it. Returns `false` if exchanges are still open after the timeout.
#[must_use]
pub fn drain(settings: &Settings, machine: Machine) -> bool {
    let outcome: DrainOutcome<Infallible> = drain_with(&Admin::new(settings, machine), CLOSE_DELAY_OF_A_POD, |wait| {
        thread::sleep(wait);
        None
    });
    matches!(outcome, DrainOutcome::Drained)
}

/// How a drain ended.
enum DrainOutcome<T> {
    /// All exchanges that it waits for have ended.
    Drained,
    /// Exchanges are still open after the timeout.
    TimedOut,
    /// The wait was interrupted.
    Interrupted(T),
}

/// Drains. Between the steps it calls `wait`, whose value interrupts the drain.
fn drain_with<T>(admin: &Admin, close_delay: Duration, mut wait: impl FnMut(Duration) -> Option<T>) -> DrainOutcome<T> {
    print(format_args!("draining, at most {} s", DRAIN_TIMEOUT.as_secs()));
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    let mut steps: &[Step] = &[Admin::begin_drain, Admin::close_listener];
    let mut drained_polls = 0;
    // Two polls in a row: the gauges are read one after the other, and a stream may end in between.
    while drained_polls < 2 {
        let mut pause = POLL;
        if let [step, later @ ..] = steps
            && succeeds(admin, *step)
        {
            steps = later;
            pause = if later.is_empty() { POLL } else { close_delay };
        }
        drained_polls = if steps.is_empty() && admin.is_drained() { drained_polls + 1 } else { 0 };
        if Instant::now() >= deadline {
            print_error(format_args!("exchanges are still open after {} s", DRAIN_TIMEOUT.as_secs()));
            return DrainOutcome::TimedOut;
        }
        if let Some(interruption) = wait(pause) {
            return DrainOutcome::Interrupted(interruption);
        }
    }
    DrainOutcome::Drained
}

fn succeeds(admin: &Admin, step: Step) -> bool {
    let report = |error: &_| print_error(format_args!("Envoy's admin interface: {error}; the drain is tried again"));
    step(admin).inspect_err(report).is_ok()
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

fn print_addresses(settings: &Settings) {
    let Settings { upstream, listener, probe, admin_port, plugin, otlp, .. } = settings;
    print(format_args!("MCP      http://{listener} -> {} ({})", upstream.endpoint.url(), plugin.server_name));
    print(format_args!("metrics  http://{probe}/metrics"));
    print(format_args!("probes   http://{probe}/ready http://{probe}/health"));
    print(format_args!("admin    http://127.0.0.1:{admin_port}"));
    if let Some(proxy) = settings.proxy() {
        print(format_args!("proxy    {} for https:// (HTTPS_PROXY)", proxy.url()));
    }
    if let Some(path) = &settings.audit_log {
        print(format_args!("audit    {}", path.display()));
    }
    if let Some(otlp) = otlp {
        print(format_args!("OTLP     spans and logs to {}", otlp.endpoint.url()));
    }
}

/// Prints a line if the server is unreachable after the start. The server may start later; but no other message points to a
/// wrong URL.
fn report_unreachable_server(settings: &Settings) {
    let health = format!("http://{}/health", settings.own_probe());
    let url = settings.upstream.endpoint.url();
    thread::spawn(move || {
        let deadline = Instant::now() + UNREACHABLE_GRACE;
        while probe(&health).is_err() {
            if Instant::now() >= deadline {
                return print(format_args!(
                    "waiting  {url} does not accept connections yet; /health returns 200 when it does"
                ));
            }
            thread::sleep(POLL);
        }
    });
}

/// Prints a line. A failure is ignored: a closed standard output must not end the sidecar.
fn print(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn print_error(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "mcp-sidecar: {line}");
}

struct Sidecar<'a> {
    settings: &'a Settings,
    process: Process,
    events: Receiver<Event>,
    admin: Admin,
}

// === impl Sidecar ===

impl Sidecar<'_> {
    fn serve(mut self) -> u8 {
        loop {
            let starting = self.process.bootstrap();
            let event = if starting.is_some() { self.next(POLL) } else { self.events.recv().ok() };
            match event {
                Some(Event::Ended(status)) => return shell_status(status),
                Some(Event::Signal(SIGTERM | SIGINT)) => return self.stop(),
                Some(Event::Signal(signal)) => self.forward(signal),
                None if starting.is_some_and(|bootstrap| self.admin.serves(bootstrap)) => {
                    self.process.remove_bootstrap();
                    print(format_args!("ready    Envoy {}", self.settings.envoy.version));
                    report_unreachable_server(self.settings);
                    report_lost_lines(self.settings, self.admin.clone(), |text| print_error(format_args!("{text}")));
                }
                None => {}
            }
        }
    }

    /// Drains, then ends Envoy. A second signal ends Envoy at once.
    fn stop(&self) -> u8 {
        if self.process.bootstrap().is_some_and(|bootstrap| !self.admin.serves(bootstrap)) {
            // Envoy is not live yet: it has no exchanges, and the admin port may be another Envoy's.
            return self.end(0);
        }
        if let DrainOutcome::Interrupted(status) = drain_with(&self.admin, CLOSE_DELAY, |wait| self.interrupted(wait)) {
            return status;
        }
        if self.settings.otlp.is_some()
            && let Some(status) = self.interrupted(LAST_EXPORT)
        {
            return status;
        }
        self.end(0)
    }

    /// Waits. Returns the exit status if a second signal arrives or Envoy exits meanwhile.
    fn interrupted(&self, wait: Duration) -> Option<u8> {
        match self.next(wait)? {
            Event::Ended(status) => Some(shell_status(status)),
            Event::Signal(signal @ (SIGTERM | SIGINT)) => Some(self.end(u8::try_from(128 + signal).unwrap_or(u8::MAX))),
            Event::Signal(signal) => {
                self.forward(signal);
                None
            }
        }
    }

    /// Ends Envoy and returns the given status.
    fn end(&self, status: u8) -> u8 {
        self.process.signal(Signal::SIGTERM);
        let deadline = Instant::now() + EXIT_TIMEOUT;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.events.recv_timeout(left) {
                Ok(Event::Ended(_)) | Err(RecvTimeoutError::Disconnected) => return status,
                Ok(Event::Signal(_)) | Err(RecvTimeoutError::Timeout) => {}
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
