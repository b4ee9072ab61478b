//! Runs the load: each client takes the next request of the mix until all are sent. Shows the progress.

use crate::client::Client;
use crate::message::Method;
use crate::mix::{Kind, action};
use crate::offer::Offer;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::world::World;
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const BAR: &str = "{elapsed} {wide_bar} {pos}/{len} {per_sec} eta {eta} {msg}";
/// Time between two attempts to connect to the server.
const PAUSE: Duration = Duration::from_millis(100);

/// The state of the running mix.
#[derive(Debug)]
struct Run {
    world: Arc<World>,
    offer: Offer,
    seed: u64,
    total: u64,
    next: AtomicU64,
    done: AtomicU64,
    unsent: AtomicU64,
}

/// The result of the load.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) offer: Offer,
    /// Requests of the mix.
    pub(crate) requests: u64,
    /// Requests that were not sent, because there was no connection or no session.
    pub(crate) unsent: u64,
    pub(crate) took: Duration,
}

/// Sends the whole mix, or stops at Ctrl-C.
pub(crate) async fn run(world: Arc<World>, offer: Offer, settings: &Settings) -> Result<Done> {
    let [next, done, unsent] = [0; 3].map(AtomicU64::new);
    let run = Arc::new(Run { world, offer, seed: settings.seed, total: settings.total, next, done, unsent });
    run.world.tally(crate::tally::Tally::begin_measuring);
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..settings.concurrency {
        clients.spawn(client(run.clone()));
    }
    let shown = tokio::spawn(show(run.clone(), begun));
    let mut stopped = false;
    loop {
        tokio::select! {
            ended = clients.join_next() => match ended {
                Some(ended) => ended?,
                None => break,
            },
            _ = tokio::signal::ctrl_c(), if !stopped => {
                stopped = true;
                run.next.store(run.total, Ordering::Relaxed);
            }
        }
    }
    let took = begun.elapsed();
    shown.abort();
    // The task was aborted on purpose.
    let _ = shown.await;
    let [requests, unsent] = [&run.done, &run.unsent].map(|count| count.load(Ordering::Relaxed));
    let run = Arc::try_unwrap(run).map_err(|_| anyhow::anyhow!("a client is still running"))?;
    Ok(Done { offer: run.offer, requests, unsent, took })
}

async fn client(run: Arc<Run>) {
    let mut client = Client::new(run.world.clone(), run.offer.dialect);
    loop {
        let index = run.next.fetch_add(1, Ordering::Relaxed);
        if index >= run.total {
            break;
        }
        let outcome = request(&run, &mut client, index).await;
        run.done.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::NotSent {
            run.unsent.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
    client.close().await;
}

async fn request(run: &Run, client: &mut Client, index: u64) -> Outcome {
    let action = action(run.seed, index);
    if action.kind == Kind::Open {
        client.close().await;
        if let Some(reply) = client.open().await {
            return reply.outcome;
        }
    }
    client.ensure_open().await;
    client.call(run.offer.request(action), run.world.timeout).await.outcome
}

/// Shows a progress bar on a terminal, else prints a line every five seconds.
async fn show(run: Arc<Run>, begun: Instant) {
    let is_terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::new(run.total);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(if is_terminal { 200 } else { 5000 }));
    // The first tick comes at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let done = run.done.load(Ordering::Relaxed);
        let failed: u64 = run.world.tally(|tally| tally.measured.values().map(crate::tally::Measured::failed).sum());
        if is_terminal {
            bar.set_message(format!("failed {failed}"));
            bar.set_position(done);
        } else {
            let rate = done as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{done} of {} requests, {rate:.0}/s, {failed} failed", run.total);
        }
    }
}

/// The methods of a report, in the order of the mix.
pub(crate) const REPORTED: [Method; 6] = [
    Method::Initialize,
    Method::Discover,
    Method::ToolsList,
    Method::ToolsCall,
    Method::ResourcesList,
    Method::ResourcesRead,
];

#[cfg(test)]
mod tests {
    use super::run;
    use crate::offer::tests::offer;
    use crate::settings::{CommandLine, Settings};
    use crate::world::World;
    use clap::Parser;
    use std::net::TcpListener;
    use std::sync::Arc;

    #[tokio::test]
    async fn unsent_operations_are_counted() {
        // The listener is dropped at the end of this line, so connections to it fail.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("--url=http://{address}");
        let line = CommandLine::parse_from(["loadtest", &url, "--total=3", "--concurrency=2", "--no-compare"]);
        let settings = Settings::check(&line).unwrap();
        let world = Arc::new(World::new(settings.url.clone(), settings.timeout));
        let done = run(world, offer(1, 1, true), &settings).await.unwrap();
        assert_eq!((done.requests, done.unsent), (3, 3));
    }
}
