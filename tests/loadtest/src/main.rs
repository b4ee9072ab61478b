//! Sends load to an MCP server through the sidecar, counts every operation, and compares its counts with the sidecar's.
//!
//! [`mix`] chooses the requests. Sessions are opened and ended as the protocol version requires; responses are read from JSON and
//! event streams. `README.md` describes the usage.
//!
//! **Cost:** all clients share one thread, so the load uses at most one processor. Memory depends on the number of clients, tools
//! and kinds of errors, not on the number of requests.

mod arguments;
mod client;
mod compare;
mod connection;
mod events;
mod load;
mod message;
mod mix;
mod offer;
mod outcome;
mod protocol_version;
mod rate_limit;
mod report;
mod series;
mod settings;
mod stream;
mod tally;
mod world;

use anyhow::{Result, bail};
use clap::Parser;
use compare::Page;
use offer::Offer;
use settings::{CommandLine, Settings};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use world::World;

/// Exit status for refused settings, as clap has it.
const REFUSED: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match Settings::check(&CommandLine::parse()) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems {
                eprintln!("loadtest: {problem}");
            }
            return ExitCode::from(REFUSED);
        }
    };
    match drive(&settings).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the counts are equal, or are not compared, and the rate limit rule admitted no more than it may.
async fn drive(settings: &Settings) -> Result<bool> {
    let rule = settings.rule.as_ref();
    let page = settings.metrics.clone().map(|address| Page::new(address, rule.map(|rule| rule.name.clone())));
    let before = match &page {
        Some(page) => Some(page.settled().await?),
        None => None,
    };
    let begun = Instant::now();
    let world = Arc::new(World::new(settings.url.clone(), settings.timeout));
    let offer = Offer::learn(&world, settings).await?;
    let done = load::run(world.clone(), offer, settings).await?;
    report::print_load(&world, settings, &done);
    let mut is_equal = true;
    if let Some(rule) = rule {
        let limited = world.tally(|tally| tally.limited(rule, &done.offer.tools));
        let most = rule.most(begun.elapsed(), limited.sessions, done.offer.tools.len() as u64);
        is_equal = report::print_limited(rule, limited, most);
    }
    if let (Some(page), Some(before)) = (page, before) {
        let sent = world.tally(|tally| tally.expected(&done.offer.tools, rule));
        is_equal &= report::print_comparison(&page.compare(&sent, &before).await?);
    }
    if done.unsent > 0 {
        let reason = world.unreachable().unwrap_or_else(|| "no session was to be had".to_owned());
        bail!("{} of {} requests were not sent, most lately: {reason}", done.unsent, done.requests);
    }
    Ok(is_equal)
}
