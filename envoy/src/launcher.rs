//! The run of one sidecar: Envoy's start, signals, drain, end.

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

/// Longest drain.
const LONGEST_DRAIN: Duration = Duration::from_secs(30);
/// How often Envoy is asked whether it serves, and whether it is drained.
const POLL: Duration = Duration::from_millis(100);
/// For so long a server may be unreachable before it is told; Envoy's first look at `localhost` may come a second late.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// Between the news that this sidecar leaves and the end of its listener.
const NOTICE: Duration = Duration::from_secs(1);
/// The same where a cluster sends the traffic: its nodes learn one after the other that a pod leaves.
const NOTICE_OF_A_SERVICE: Duration = Duration::from_secs(5);
/// Longest wait for Envoy's own end.
const LONGEST_END: Duration = Duration::from_secs(5);
/// What spans and logs need to leave: their flush interval and a moment.
const LAST_EXPORT: Duration = Duration::from_millis(1_500);

/// One step of a drain.
type Step = fn(&Admin) -> Result<(), ureq::Error>;

enum Event {
    Signal(i32),
    Ended(ExitStatus),
}

/// Runs the sidecar until it is told to stop or Envoy ends; the exit status for the launcher.
///
/// # Errors
///
/// Envoy cannot be started, or signals cannot be received.
pub fn run(settings: &Settings, machine: Machine) -> io::Result<u8> {
    let (sender, events) = mpsc::channel();
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])?;
    forward_signals(signals, sender.clone());
    let (process, mut child, notices) = Process::start(settings, &bootstrap::render(settings, machine))?;
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            // Nobody listens once the launcher is past waiting.
            let _ = sender.send(Event::Ended(status));
        }
    });
    let told = Notices::new(settings);
    thread::spawn(move || told.read(notices, |text| complain(format_args!("{text}"))));
    print_addresses(settings);
    Ok(Sidecar { settings, process, events, admin: Admin::new(settings, machine) }.serve())
}

/// Drains the sidecar that runs with these settings in the same container, and leaves it running: the preStop hook of a
/// pod, during which the MCP server still works. False if exchanges are still open when the time is over.
#[must_use]
pub fn drain(settings: &Settings, machine: Machine) -> bool {
    let ended: Ended<Infallible> = drain_with(&Admin::new(settings, machine), NOTICE_OF_A_SERVICE, |wait| {
        thread::sleep(wait);
        None
    });
    matches!(ended, Ended::Drained)
}

/// How a drain ended.
enum Ended<T> {
    /// Nothing is left to wait for.
    Drained,
    /// The time is over.
    Late,
    /// What broke the wait off.
    Broken(T),
}

/// Drains, and waits between the steps with `wait`, which may break it off.
fn drain_with<T>(admin: &Admin, notice: Duration, mut wait: impl FnMut(Duration) -> Option<T>) -> Ended<T> {
    say(format_args!("draining, at most {} s", LONGEST_DRAIN.as_secs()));
    let deadline = Instant::now() + LONGEST_DRAIN;
    let mut steps: &[Step] = &[Admin::begin_drain, Admin::close_listener];
    let mut calm = 0;
    // Twice in a row: the gauges are read one after the other, and a stream may end in between.
    while calm < 2 {
        let mut pause = POLL;
        if let [step, later @ ..] = steps
            && taken(admin, *step)
        {
            steps = later;
            pause = if later.is_empty() { POLL } else { notice };
        }
        calm = if steps.is_empty() && admin.is_drained() { calm + 1 } else { 0 };
        if Instant::now() >= deadline {
            complain(format_args!("exchanges are still open after {} s", LONGEST_DRAIN.as_secs()));
            return Ended::Late;
        }
        if let Some(broken) = wait(pause) {
            return Ended::Broken(broken);
        }
    }
    Ended::Drained
}

fn taken(admin: &Admin, step: Step) -> bool {
    step(admin).inspect_err(|error| complain(format_args!("no drain yet: {error}"))).is_ok()
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
    say(format_args!("MCP      http://{listener} -> {} ({})", upstream.endpoint.url(), plugin.server_name));
    say(format_args!("metrics  http://{probe}/metrics"));
    say(format_args!("probes   http://{probe}/ready http://{probe}/health"));
    say(format_args!("admin    http://127.0.0.1:{admin_port}"));
    if let Some(proxy) = settings.proxy() {
        say(format_args!("proxy    {} for https:// (HTTPS_PROXY)", proxy.url()));
    }
    if let Some(otlp) = otlp {
        say(format_args!("OTLP     spans and logs to {}", otlp.endpoint.url()));
    }
}

/// A server that starts later is no mistake, but a wrong URL is, and nobody else would say it.
fn tell_if_unreachable(settings: &Settings) {
    let health = format!("http://{}/health", settings.own_probe());
    let url = settings.upstream.endpoint.url();
    thread::spawn(move || {
        let deadline = Instant::now() + FIRST_LOOK;
        while probe(&health).is_err() {
            if Instant::now() >= deadline {
                return say(format_args!("waiting  {url} accepts no connections so far; /health says when it does"));
            }
            thread::sleep(POLL);
        }
    });
}

/// Prints a line. Output that nobody reads must not end the sidecar, so a failure is nobody's.
fn say(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(line: Arguments<'_>) {
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
                Some(Event::Signal(signal)) => self.pass_on(signal),
                None if starting.is_some_and(|bootstrap| self.admin.serves(bootstrap)) => {
                    self.process.forget_bootstrap();
                    say(format_args!("ready    Envoy {}", self.settings.envoy.version));
                    tell_if_unreachable(self.settings);
                }
                None => {}
            }
        }
    }

    /// Drains, then ends Envoy. A second signal ends it at once.
    fn stop(&self) -> u8 {
        if self.process.bootstrap().is_some_and(|bootstrap| !self.admin.serves(bootstrap)) {
            // It does not serve yet, so there is nothing to lose, and the admin port may be another Envoy's.
            return self.end(0);
        }
        if let Ended::Broken(status) = drain_with(&self.admin, NOTICE, |wait| self.interrupted(wait)) {
            return status;
        }
        if self.settings.otlp.is_some()
            && let Some(status) = self.interrupted(LAST_EXPORT)
        {
            return status;
        }
        self.end(0)
    }

    /// Waits, and tells the exit status if a second signal or Envoy's end came meanwhile.
    fn interrupted(&self, wait: Duration) -> Option<u8> {
        match self.next(wait)? {
            Event::Ended(status) => Some(shell_status(status)),
            Event::Signal(signal @ (SIGTERM | SIGINT)) => Some(self.end(u8::try_from(128 + signal).unwrap_or(u8::MAX))),
            Event::Signal(signal) => {
                self.pass_on(signal);
                None
            }
        }
    }

    /// Ends Envoy and gives the status for it.
    fn end(&self, status: u8) -> u8 {
        self.process.signal(Signal::SIGTERM);
        let deadline = Instant::now() + LONGEST_END;
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

    fn pass_on(&self, signal: i32) {
        if let Ok(signal) = Signal::try_from(signal) {
            self.process.signal(signal);
        }
    }
}
