//! The drain: Envoy accepts no new connections, and open exchanges may end.

use crate::admin::Admin;
use crate::console::{Console, print_error};
use crate::environment::Running;
use crate::machine::Machine;
use std::convert::Infallible;
use std::thread;
use std::time::{Duration, Instant};

/// Interval at which Envoy is asked whether it is drained.
const POLL: Duration = Duration::from_millis(100);

/// One step of a drain.
type Step = fn(&Admin) -> Result<(), ureq::Error>;

/// Times of a drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Time between the 503 of `/ready` and the closing of the listener.
    close_delay: Duration,
    /// Maximum duration.
    longest: Duration,
}

/// Times of a sidecar that ends.
pub(crate) const OF_A_SIDECAR: Times = Times { close_delay: Duration::from_secs(1), longest: Duration::from_secs(30) };
/// The same in Kubernetes, where the nodes learn one after the other that a pod ends.
const OF_A_POD: Times = Times { close_delay: Duration::from_secs(5), ..OF_A_SIDECAR };
/// The same for `stdio`. A desktop client sends SIGKILL two seconds after SIGTERM.
pub(crate) const OF_STDIO: Times = Times { close_delay: Duration::ZERO, longest: Duration::from_millis(500) };

/// How a drain ended.
pub(crate) enum Outcome<T> {
    /// All exchanges that it waits for have ended.
    Drained,
    /// Exchanges are still open after the timeout.
    TimedOut,
    /// The wait was interrupted.
    Interrupted(T),
}

/// Drains the sidecar that runs with these settings in the same container, and leaves it running. It is the preStop hook of
/// a pod; the MCP server still runs during it. Returns `false` if exchanges are still open after the timeout.
#[must_use]
pub fn drain(running: &Running, machine: Machine) -> bool {
    let outcome: Outcome<Infallible> = drain_with(&Admin::new(running, machine), OF_A_POD, Console::Output, |wait| {
        thread::sleep(wait);
        None
    });
    matches!(outcome, Outcome::Drained)
}

/// Drains. Between the steps it calls `wait`, whose value interrupts the drain.
pub(crate) fn drain_with<T>(
    admin: &Admin,
    times: Times,
    console: Console,
    mut wait: impl FnMut(Duration) -> Option<T>,
) -> Outcome<T> {
    let Times { close_delay, longest } = times;
    console.print(format_args!("draining, at most {} s", longest.as_secs_f32()));
    let deadline = Instant::now() + longest;
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
            print_error(format_args!("exchanges are still open after {} s", longest.as_secs_f32()));
            return Outcome::TimedOut;
        }
        if let Some(interruption) = wait(pause) {
            return Outcome::Interrupted(interruption);
        }
    }
    Outcome::Drained
}

fn succeeds(admin: &Admin, step: Step) -> bool {
    let report = |error: &_| print_error(format_args!("Envoy's admin interface: {error}; the drain is tried again"));
    step(admin).inspect_err(report).is_ok()
}
