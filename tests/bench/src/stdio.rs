//! Compares bridges from Streamable HTTP to programs on standard input and output, with the same program behind each.
//!
//! Bridges and programs are pinned to one CPU, the load runs on another. The bridges take turns; a session of the program itself, by its
//! pipes, takes part as one more. What a bridge adds is computed in each round, the tables have medians over the rounds.

mod bridge;
mod forecast;
mod session;

use crate::report::{median, quantile, sorted};
use anyhow::{Context, Result, bail};
use bridge::{Bridge, pinned};
use session::Session;
use std::path::PathBuf;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Sessions at the same time, for calls per second.
const SESSIONS: usize = 16;
/// Calls of each session in a round with several sessions.
const CALLS_EACH: usize = 100;
/// Calls in a round with one session.
const CALLS: usize = 1000;
/// Calls that are not measured, after a start.
const WARM_UP: usize = 500;
/// Sessions that are open when memory is read.
const MANY: usize = 50;

/// The settings of a measurement.
pub(crate) struct Plan {
    pub(crate) cpu: usize,
    pub(crate) starts: usize,
    pub(crate) rounds: usize,
    /// Divides the number of calls.
    pub(crate) hurry: usize,
    pub(crate) program: PathBuf,
    /// Names and commands; see `Bridge::start`.
    pub(crate) bridges: Vec<(String, String)>,
}

/// The figures of one subject in one round.
#[derive(Clone, Copy)]
struct Round {
    /// In microseconds.
    p50: f64,
    p99: f64,
    /// Calls per second, in one session and in several.
    one: f64,
    several: f64,
}

/// What was measured of one subject.
#[derive(Default)]
struct Figures {
    rounds: Vec<Round>,
    /// MiB with two sessions, one value per start.
    base: Vec<f64>,
    /// KiB per further session, one value per start.
    session: Vec<f64>,
    /// Programs behind that many sessions.
    programs: usize,
}

/// The program itself, or a bridge in front of it, with its open sessions.
struct Subject {
    bridge: Option<Bridge>,
    sessions: Vec<Session>,
}

/// Measures and prints the table.
pub(crate) async fn compare(plan: &Plan) -> Result<()> {
    let mut figures: Vec<Figures> = (0..=plan.bridges.len()).map(|_| Figures::default()).collect();
    for start in 1..=plan.starts {
        eprintln!("start {start} of {}", plan.starts);
        measure_memory(plan, &mut figures).await?;
        measure_times(plan, &mut figures).await?;
    }
    print_table(plan, &figures);
    Ok(())
}

/// One bridge at a time, since idle ones would share pages with it.
async fn measure_memory(plan: &Plan, figures: &mut [Figures]) -> Result<()> {
    for ((name, command), figures) in plan.bridges.iter().zip(figures.iter_mut().skip(1)) {
        let bridge = Bridge::start(command, &plan.program, plan.cpu).await.with_context(|| name.clone())?;
        // The second session, after that of the start.
        let mut session = bridge.called_session().await?;
        calls(&mut session, WARM_UP / plan.hurry).await?;
        let before = bridge.memory(&plan.program)?;
        let mut sessions = vec![session];
        for number in 1..=MANY {
            let session = bridge.called_session().await;
            sessions.push(session.with_context(|| format!("{name}: session {number}: {}", bridge.log()))?);
        }
        let after = bridge.memory(&plan.program)?;
        figures.base.push(before.kib as f64 / 1024.0);
        figures.session.push((after.kib as f64 - before.kib as f64) / MANY as f64);
        figures.programs = after.programs - before.programs;
        drop(sessions);
        bridge.end().await?;
    }
    Ok(())
}

async fn measure_times(plan: &Plan, figures: &mut [Figures]) -> Result<()> {
    let mut subjects = vec![Subject::start(plan, None).await?];
    for (name, command) in &plan.bridges {
        subjects.push(Subject::start(plan, Some(command)).await.with_context(|| name.clone())?);
    }
    for _ in 0..plan.rounds {
        for (subject, figures) in subjects.iter_mut().zip(&mut *figures) {
            let round = subject.round(plan).await;
            figures.rounds.push(round.with_context(|| subject.log())?);
        }
        eprint!(".");
    }
    eprintln!();
    for subject in subjects {
        subject.end().await?;
    }
    Ok(())
}

// === impl Subject ===

impl Subject {
    async fn start(plan: &Plan, command: Option<&String>) -> Result<Self> {
        let mut subject = Self { bridge: None, sessions: Vec::new() };
        if let Some(command) = command {
            subject.bridge = Some(Bridge::start(command, &plan.program, plan.cpu).await?);
        }
        for _ in 0..SESSIONS {
            let session = match &subject.bridge {
                Some(bridge) => bridge.session().await?,
                None => {
                    let mut program = pinned(plan.cpu);
                    program.arg(&plan.program);
                    Session::by_pipe(program).await?
                }
            };
            subject.sessions.push(session);
        }
        let Some(session) = subject.sessions.first_mut() else { bail!("no session") };
        calls(session, WARM_UP / plan.hurry).await?;
        Ok(subject)
    }

    async fn round(&mut self, plan: &Plan) -> Result<Round> {
        let session = self.sessions.first_mut().context("no session")?;
        let count = CALLS / plan.hurry;
        let begin = Instant::now();
        let times = sorted(calls(session, count).await?.into_iter());
        let one = count as f64 / begin.elapsed().as_secs_f64();
        let at = |share| quantile(&times, share).context("no calls");
        let several = self.several(CALLS_EACH / plan.hurry).await?;
        Ok(Round { p50: at(0.5)?, p99: at(0.99)?, one, several })
    }

    /// Calls per second of all sessions at the same time, each with one call at a time.
    async fn several(&mut self, each: usize) -> Result<f64> {
        let mut running = JoinSet::new();
        let begin = Instant::now();
        for mut session in self.sessions.drain(..) {
            running.spawn(async move {
                calls(&mut session, each).await?;
                anyhow::Ok(session)
            });
        }
        while let Some(ended) = running.join_next().await {
            self.sessions.push(ended??);
        }
        Ok((each * self.sessions.len()) as f64 / begin.elapsed().as_secs_f64())
    }

    /// What failed.
    fn log(&self) -> String {
        self.bridge.as_ref().map_or_else(|| "the program".to_owned(), Bridge::log)
    }

    async fn end(self) -> Result<()> {
        drop(self.sessions);
        match self.bridge {
            Some(bridge) => bridge.end().await,
            None => Ok(()),
        }
    }
}

/// Calls one after the other. Returns the time of each in microseconds.
async fn calls(session: &mut Session, count: usize) -> Result<Vec<f64>> {
    session.reconnect().await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(session.call().await?.as_secs_f64() * 1e6);
    }
    Ok(times)
}

fn print_table(plan: &Plan, figures: &[Figures]) {
    let heads =
        ["p50 us", "p99 us", "adds to p50", "adds to p99", "calls/s of 1", "of 16", "MiB", "KiB/session", "programs"];
    println!("{:<16}{}", "bridge", heads.map(|head| format!("{head:>13}")).concat());
    let Some(direct) = figures.first() else { return };
    let names = ["none: by pipe"].into_iter().chain(plan.bridges.iter().map(|(name, _)| name.as_str()));
    for (name, figures) in names.zip(figures) {
        let of = |value: fn(&Round) -> f64| median(figures.rounds.iter().map(value));
        let added = |value: fn(&Round) -> f64| {
            median(figures.rounds.iter().zip(&direct.rounds).map(|(round, direct)| value(round) - value(direct)))
        };
        let cells = [
            of(|round| round.p50),
            of(|round| round.p99),
            added(|round| round.p50),
            added(|round| round.p99),
            of(|round| round.one),
            of(|round| round.several),
            median(figures.base.iter().copied()),
            median(figures.session.iter().copied()),
            figures.programs as f64,
        ];
        println!("{name:<16}{}", cells.map(|cell| format!("{cell:>13.0}")).concat());
    }
}
