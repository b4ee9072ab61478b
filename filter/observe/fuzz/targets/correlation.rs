//! The input is a script of several exchanges, run in several orders on two workers that share one store. Each operation ends
//! exactly once, at the latest when it expires; no session stays active without an exchange; the store stays below its bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_observe::fuzzing::MAX_STORE_BYTES;
use mcp_observe::{Config, Correlation, HASH_KEY_BYTES, InMemory, Observer as _, Time};
use mcp_observe_fuzz::chunks::Chunking;
use mcp_observe_fuzz::proxy::{Playing, Tally};
use mcp_observe_fuzz::script::Script;
use std::cell::Cell;
use std::rc::Rc;

const MAX_EXCHANGES: usize = 8;
const MINUTE: u64 = 60_000_000_000;
/// A tick visits a few slots; this number of ticks visits all of them.
const TICKS: usize = 64;

fuzz_target!(|input: &[u8]| {
    let mut scripts = Script::all(input);
    scripts.truncate(MAX_EXCHANGES);
    for order in [one_by_one, all_requests_first, last_response_first] {
        play(&scripts, order);
    }
});

type Order = fn(&mut [Playing<'_>], &mut Tally);

fn play(scripts: &[Script<'_>], order: Order) {
    let (config, now, shared) = (Config::default(), Cell::new(MINUTE), Rc::new(InMemory::default()));
    let worker = |seed| Correlation::new(shared.clone(), "fuzz", [7; HASH_KEY_BYTES], seed);
    let workers = [worker(1), worker(1 << 32)];
    let mut tally = Tally::default();
    let mut playing: Vec<_> = scripts
        .iter()
        .enumerate()
        .map(|(index, script)| Playing::new(script, Chunking::Pieces(40), &config, &workers[index % 2], &now))
        .collect();
    order(&mut playing, &mut tally);
    for minutes in [20, 22, 60] {
        now.set(minutes * MINUTE);
        for _ in 0..TICKS {
            for worker in &workers {
                worker.tick(Time(now.get()), &mut |_, observation| tally.observe(observation));
            }
        }
    }
    assert_eq!(tally.active_sessions, 0);
    assert_eq!(tally.operations_ended, tally.operations_started);
    assert_eq!(tally.exchanges[0], tally.exchanges[1]);
    assert_eq!(tally.streams[0], tally.streams[1]);
    assert!(shared.size() <= MAX_STORE_BYTES, "{}", shared.size());
}

fn one_by_one(playing: &mut [Playing<'_>], tally: &mut Tally) {
    for one in playing {
        one.request(tally);
        one.response(tally);
        one.end(tally);
    }
}

fn all_requests_first(playing: &mut [Playing<'_>], tally: &mut Tally) {
    playing.iter_mut().for_each(|one| one.request(tally));
    playing.iter_mut().for_each(|one| one.response(tally));
    playing.iter_mut().for_each(|one| one.end(tally));
}

fn last_response_first(playing: &mut [Playing<'_>], tally: &mut Tally) {
    playing.iter_mut().for_each(|one| one.request(tally));
    for one in playing.iter_mut().rev() {
        one.response(tally);
        one.end(tally);
    }
}
