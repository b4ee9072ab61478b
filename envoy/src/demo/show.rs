//! What the demo prints: the address of the page, and the table of `top`.
//!
//! In a terminal the table is drawn over the last one; elsewhere it is printed again at a longer interval.

use super::account::differences;
use crate::top::{Counts, Watch};
use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between two tables in a terminal, and elsewhere.
const INTERVAL: Duration = Duration::from_secs(2);
const INTERVAL_ELSEWHERE: Duration = Duration::from_secs(30);
/// Interval at which the page is asked whether it has all calls, and the longest wait.
const POLL: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);

/// Prints the table again and again.
pub(super) fn again_and_again(probe: SocketAddr, is_over: &AtomicBool) {
    say(format_args!("open     http://{probe}/ in a browser; Ctrl-C ends the demo\n"));
    let is_terminal = io::stdout().is_terminal();
    let Ok(mut watch) = Watch::new(probe) else { return };
    let mut drawn = 0;
    while !is_over.load(Ordering::Relaxed) {
        // A page without calls says nothing, and one that fails is told by the launcher.
        if watch.refresh().is_err() || watch.counts().is_empty() {
            sleep(POLL);
            continue;
        }
        let table = watch.table();
        if !is_terminal {
            say(format_args!("{table}"));
            sleep(INTERVAL_ELSEWHERE);
            continue;
        }
        let lines = table.lines().count();
        // The cursor goes back to the first line of the last table, unless that has left the screen.
        let up =
            if drawn > 0 && drawn < Watch::screen_lines() { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
        if !is_over.load(Ordering::Relaxed) {
            say(format_args!("{up}{}", table.trim_end()));
        }
        drawn = lines;
        sleep(INTERVAL);
    }
}

/// Prints the table when the page has all that the clients saw. Returns what differs.
pub(super) fn settled(probe: SocketAddr, seen: &Counts) -> Vec<String> {
    let mut watch = match Watch::new(probe) {
        Ok(watch) => watch,
        Err(problem) => return vec![problem],
    };
    let deadline = Instant::now() + LONGEST;
    loop {
        let page = watch.refresh();
        let is_last = Instant::now() >= deadline;
        match page {
            Err(problem) if is_last => return vec![problem],
            Ok(()) if is_last || (watch.counts() == *seen && watch.has_all_durations()) => break,
            _ => sleep(POLL),
        }
    }
    say(format_args!("\n{}", watch.total()));
    let differences = differences(seen, &watch.counts());
    if differences.is_empty() {
        let operations: u64 = seen.values().sum();
        say(format_args!("All counts equal what the clients saw: {operations} operations."));
    }
    differences
}

/// Prints. A closed output is no failure.
fn say(text: Arguments<'_>) {
    drop(writeln!(io::stdout(), "{text}"));
}
