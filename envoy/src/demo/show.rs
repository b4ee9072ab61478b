//! What the demo prints: the address of the page, and the table of `top`.
//!
//! In a terminal the table is drawn over the last one; elsewhere it is printed again at a longer interval.

use super::account::differences;
use crate::console::{print_error, print_result};
use crate::top::{Counts, Watch};
use std::io::{self, IsTerminal};
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

/// Prints the table again and again, as long as it can be printed.
pub(super) fn again_and_again(probe: SocketAddr, is_over: &AtomicBool) {
    if let Err(problem) = tables(probe, is_over) {
        print_error(format_args!("{problem}"));
    }
}

fn tables(probe: SocketAddr, is_over: &AtomicBool) -> Result<(), String> {
    print_result(&format!("open     http://{probe}/ in a browser; Ctrl-C ends the demo\n\n"))?;
    let is_terminal = io::stdout().is_terminal();
    let mut watch = Watch::new(probe)?;
    let mut drawn = 0;
    while !is_over.load(Ordering::Relaxed) {
        // A table without calls says nothing, and a page that fails is told by the launcher.
        if watch.refresh().is_err() || !watch.has_calls() {
            sleep(POLL);
            continue;
        }
        let table = watch.table();
        if !is_terminal {
            print_result(&format!("{table}\n"))?;
            sleep(INTERVAL_ELSEWHERE);
            continue;
        }
        let lines = table.lines().count();
        // The cursor goes back to the first line of the last table, unless that has left the screen.
        let up =
            if drawn > 0 && drawn < Watch::screen_lines() { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
        if !is_over.load(Ordering::Relaxed) {
            print_result(&format!("{up}{}\n", table.trim_end()))?;
        }
        drawn = lines;
        sleep(INTERVAL);
    }
    Ok(())
}

/// Prints the table when the page has all that the clients saw. Returns what differs, and why it cannot be printed.
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
    let mut problems = differences(seen, &watch.counts());
    let mut text = format!("\n{}\n", watch.total());
    if problems.is_empty() {
        let operations: u64 = seen.values().sum();
        text += &format!("All counts equal what the clients saw: {operations} operations.\n");
    }
    problems.extend(print_result(&text).err());
    problems
}
