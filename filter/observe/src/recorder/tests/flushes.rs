//! What a flush hands to the host, and when.

use super::{Memory, OK, Recording, call, config};
use crate::config::Config;
use crate::recorder::Recorder;
use crate::recorder::stats::MAX_SAMPLES;
use crate::test;
use crate::testing::Proxy;
use std::rc::Rc;

const CALLS: &str = "mcp_tool_calls_total";
/// The histograms that have one sample of each call.
const SAMPLES: [&str; 4] = [
    "mcp_request_duration_microseconds",
    "mcp_tool_duration_microseconds",
    "mcp_tool_result_bytes",
    "mcp_server_operation_duration_microseconds",
];

/// A worker that plays calls of one tool.
struct Worker {
    config: Config,
    recorder: Recorder,
    memory: Memory,
    proxy: Proxy,
}

impl Worker {
    fn new(config: Config) -> Self {
        let recorder = Recorder::new(Rc::new(config.clone()));
        Self { config, recorder, memory: Memory::default(), proxy: Proxy::default() }
    }

    fn call(&mut self) {
        let script = crate::testing::Script { config: self.config.clone(), ..call("add").json(OK) };
        let Self { recorder, memory, proxy, .. } = self;
        script.play_to(proxy, &mut Recording { recorder, memory, server: "weather" });
    }

    /// What the host has of a family.
    fn sum(&self, family: &str) -> i64 {
        let values = self.memory.values.borrow();
        values.iter().filter(|(stat, _)| stat.ends_with(family)).map(|(_, value)| value).sum()
    }
}

#[test]
fn counts_and_samples_of_an_operation_wait_for_the_same_flush() {
    let mut worker = Worker::new(config());
    worker.call();
    assert_eq!([CALLS, SAMPLES[0], SAMPLES[1], SAMPLES[2]].map(|family| worker.sum(family)), [0; 4]);
    worker.recorder.flush(&worker.memory);
    assert_eq!([CALLS, SAMPLES[0], SAMPLES[1], SAMPLES[2]].map(|family| worker.sum(family)), [1; 4]);
}

#[test]
fn second_flush_has_nothing() {
    let mut worker = Worker::new(config());
    worker.call();
    worker.recorder.flush(&worker.memory);
    let before = worker.memory.values.borrow().clone();
    worker.recorder.flush(&worker.memory);
    assert_eq!(*worker.memory.values.borrow(), before);
}

#[test]
fn full_buffer_flushes_counts_and_samples() {
    for semconv in [false, true] {
        let mut worker = Worker::new(Config { semconv, ..config() });
        let histograms = &SAMPLES[..if semconv { 4 } else { 3 }];
        let mut flushes = 0;
        let calls = 1000;
        for _ in 0..calls {
            let before = worker.sum(CALLS);
            worker.call();
            let flushed = worker.sum(CALLS);
            flushes += usize::from(flushed > before);
            assert!(histograms.iter().all(|family| worker.sum(family) == flushed), "{:?}", worker.memory.values);
            assert!(worker.recorder.stats.samples_capacity() <= MAX_SAMPLES);
        }
        assert_eq!(flushes, calls * histograms.len() / MAX_SAMPLES, "no flush without need");
        worker.recorder.flush(&worker.memory);
        assert_eq!(worker.sum(CALLS), calls as i64);
        assert!(histograms.iter().all(|family| worker.sum(family) == calls as i64));
    }
}
