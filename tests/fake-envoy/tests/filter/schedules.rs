//! Random orders of Envoy's callbacks with random content: no trap, no pause, nothing left open, nothing lost.
//!
//! Every run has a seed, which a failure shows; `SCHEDULE_SEED=n` runs that seed alone and prints each step.

mod content;

use fake_envoy::{Fault, Framing, Host, Pause, Plugin, Step, Stream, Value, Vm};
use fastrand::Rng;
use std::time::Duration;

use crate::support::{self, borrow, recorded, scrape};
use content::{content_pool, random_flags, script};

const RUNS: u64 = 3000;

/// Gauges that describe the last list or the server and stay when all streams are gone.
const LASTING_GAUGES: [&str; 6] = [
    "mcp_filter_info",
    "mcp_listed_bytes",
    "mcp_listed_items",
    "mcp_sessions_active",
    "mcp_tool_definition_bytes",
    "mcp_upstream_available",
];

/// Configurations, and what a pause does. The rules let some calls pass.
const CONFIGURATIONS: [(&str, Pause); 5] = [
    ("", Pause::Fails),
    ("{\"filter_state\":true}", Pause::Fails),
    ("{\"semconv\":true}", Pause::Fails),
    (
        r#"{"filter_state":true,"rate_limit":{"unread":"refuse","rules":[{"method":"tools/call","requests":2,"interval_ms":1000}]}}"#,
        Pause::HoldsHeaders,
    ),
    (
        r#"{"rate_limit":{"rules":[{"method":"tools/call","tool":"*","per":"client","requests":1,"interval_ms":1000}]}}"#,
        Pause::HoldsHeaders,
    ),
];

/// The expected counts of a run's traffic, to compare with those of the filter.
#[derive(Default)]
struct Sent {
    streams: u64,
    body_bytes: u64,
}

/// A stream under way: what it may still do.
struct Running<'vm> {
    number: usize,
    stream: Stream<'vm>,
    script: std::vec::IntoIter<Step>,
    /// Steps after which the stream breaks, whatever the script still holds.
    breaks_after: usize,
}

impl Running<'_> {
    /// Prints the step that comes next.
    fn tell(&self) {
        let text = String::from_utf8_lossy;
        let pairs = |pairs: &[(String, Vec<u8>)]| {
            pairs.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", ")
        };
        let next = match self.script.as_slice().first().filter(|_| self.breaks_after > 0) {
            Some(Step::RequestHeaders(headers)) => format!("request headers {}", pairs(headers)),
            Some(Step::ResponseHeaders(headers)) => format!("response headers {}", pairs(headers)),
            Some(Step::RequestBody(chunk)) => format!("request body {}", text(chunk)),
            Some(Step::ResponseBody(chunk)) => format!("response body {}", text(chunk)),
            other => format!("{other:?}"),
        };
        println!("{}: {next}", self.number);
    }
}

#[test]
fn any_schedule_gives_the_same_series() {
    let only = std::env::var("SCHEDULE_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = only.map_or(0..RUNS, |seed| seed..seed + 1);
    let pool = content_pool();
    for seed in seeds {
        if let Err(fault) = run(seed, &pool, only.is_some()) {
            panic!("seed {seed}: {fault}");
        }
    }
}

fn run(seed: u64, pool: &[Vec<Step>], is_told: bool) -> Result<(), Fault> {
    let mut random = Rng::with_seed(seed);
    let host = Host::new()?;
    let (configuration, pause) = *random.choice(CONFIGURATIONS.iter()).unwrap();
    let plugin = Plugin::new(configuration).pausing(pause);
    let workers = [host.start(&plugin)?, host.start(&plugin)?];
    let mut sent = Sent::default();
    let mut running = Vec::new();
    let mut to_open = random.usize(1..8);
    while to_open > 0 || !running.is_empty() {
        if to_open > 0 && (running.is_empty() || random.u8(..4) == 0) {
            to_open -= 1;
            let script = script(&mut random, pool);
            let breaks_after = if random.bool() { usize::MAX } else { random.usize(0..script.len() + 1) };
            let stream = random.choice(workers.iter()).unwrap().open();
            running.push(Running { number: to_open, stream, script: script.into_iter(), breaks_after });
            continue;
        }
        if random.u8(..16) == 0 {
            random.choice(workers.iter()).unwrap().tick()?;
        }
        let index = random.usize(..running.len());
        if is_told {
            running[index].tell();
        }
        if !step(&mut running[index], &mut random, &mut sent)? {
            let ended = running.swap_remove(index);
            finish(ended, &mut random, &mut sent)?;
        }
    }
    // An operation that waits for a response on another stream expires after five minutes; each tick visits a part of the slots.
    host.advance(Duration::from_secs(301));
    for _ in 0..32 {
        workers[0].tick()?;
    }
    check(seed, &host, &workers, &sent);
    Ok(())
}

/// Plays one step; false when the stream is over.
fn step(running: &mut Running<'_>, random: &mut Rng, sent: &mut Sent) -> Result<bool, Fault> {
    if running.breaks_after == 0 {
        return Ok(false);
    }
    running.breaks_after -= 1;
    let Some(step) = running.script.next() else { return Ok(false) };
    let stream = &mut running.stream;
    let end = random.u8(..8) == 0;
    match step {
        Step::RequestHeaders(headers) => {
            stream.request_headers(&borrow(&headers), end)?;
        }
        Step::RequestBody(chunk) => {
            sent.body_bytes += chunk.len() as u64;
            stream.request_body(&chunk, end)?;
        }
        Step::RequestTrailers(trailers) => stream.request_trailers(&borrow(&trailers))?,
        Step::RequestEnd => stream.request_body(&[], true)?,
        Step::ResponseHeaders(headers) => stream.response_headers(&borrow(&headers), end)?,
        Step::ResponseBody(chunk) => {
            sent.body_bytes += chunk.len() as u64;
            stream.response_body(&chunk, end)?;
        }
        Step::ResponseTrailers(trailers) => stream.response_trailers(&borrow(&trailers))?,
        Step::ResponseEnd => stream.response_body(&[], true)?,
        Step::Property(path, value) => stream.set_property(&path, &value),
        Step::Wait(_) => {}
    }
    Ok(true)
}

/// Log, done, delete: Envoy logs every stream before it destroys it, also one whose headers it never passed on.
fn finish(running: Running<'_>, random: &mut Rng, sent: &mut Sent) -> Result<(), Fault> {
    let mut stream = running.stream;
    if random.bool() {
        stream.set_flags(random_flags(random));
    }
    sent.streams += 1;
    stream.close().map(drop)
}

fn check(seed: u64, host: &Host, workers: &[Vm], sent: &Sent) {
    let table = scrape(host, &workers.iter().collect::<Vec<_>>());
    for (series, value) in &table.0 {
        if let Value::Gauge(value) = value {
            let lasting = LASTING_GAUGES.contains(&series.family.as_str());
            assert!(lasting || *value == 0, "seed {seed}: {series} is {value} after all streams ended");
        }
    }
    assert_eq!(table.sum("mcp_filter_streams_total"), sent.streams, "seed {seed}");
    // A refusal has a body too, of less than 64 KiB.
    let refused = table.sum("mcp_rate_limit_total");
    assert!(table.sum("mcp_message_bytes_total") <= sent.body_bytes + 64 * 1024 * refused, "seed {seed}");
    assert!(
        table.sum("mcp_request_duration_microseconds") <= table.sum("mcp_requests_total"),
        "seed {seed}: more durations than operations"
    );
    let critical: Vec<_> = host.log().into_iter().filter(|line| line.level >= 4).collect();
    assert!(critical.is_empty(), "seed {seed}: {critical:?}");
}

#[test]
fn stream_without_headers_counts_no_message() {
    let (host, vm) = support::worker("");
    vm.open().close().unwrap();
    let table = scrape(&host, &[&vm]);
    assert_eq!(table.sum("mcp_filter_streams_total"), 1);
    assert!(support::non_zero(&table).is_empty(), "{:?}", support::non_zero(&table));
}

#[test]
fn request_body_after_the_response_is_read() {
    let (host, vm) = support::worker("");
    let post: [(&str, &[u8]); 3] =
        [(":method", b"POST"), ("content-type", b"application/json"), ("mcp-session-id", b"s")];
    let mut stream = vm.open();
    stream.request_headers(&post, false).unwrap();
    stream.response_headers(&[(":status", b"418")], true).unwrap();
    stream.request_body(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, true).unwrap();
    stream.close().unwrap();
    let table = scrape(&host, &[&vm]);
    assert_eq!(table.sum("mcp_requests_in_flight"), 0);
    assert_eq!(table.sum("mcp_requests_total"), 1);
}

#[test]
fn counters_are_flushed_when_the_root_context_ends() {
    let exchanges = recorded();
    let (ticked, vm) = support::worker("");
    for (_, exchange) in &exchanges {
        vm.play(exchange, Framing::Http1).unwrap();
    }
    let mut expected = scrape(&ticked, &[&vm]);
    assert_eq!(expected.sum("mcp_sessions_active"), 1);
    let (ended, vm) = support::worker("");
    for (_, exchange) in &exchanges {
        vm.play(exchange, Framing::Http1).unwrap();
    }
    vm.end().unwrap();
    // The one thing that a plugin takes along.
    let sessions = expected.0.iter_mut().filter(|(series, _)| series.family == "mcp_sessions_active");
    sessions.for_each(|(_, value)| *value = Value::Gauge(0));
    assert_eq!(ended.series().unwrap(), expected);
}

#[test]
fn streams_may_outlive_the_root_context() {
    let (host, vm) = support::worker("");
    let mut streams: Vec<_> = (0..3).map(|_| vm.open()).collect();
    let headers: [(&str, &[u8]); 3] =
        [(":method", b"POST"), ("content-type", b"application/json"), ("mcp-session-id", b"s")];
    for stream in &mut streams {
        stream.request_headers(&headers, false).unwrap();
        stream.request_body(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, true).unwrap();
    }
    vm.end().unwrap();
    for mut stream in streams {
        stream.response_headers(&[(":status", b"200"), ("content-type", b"application/json")], false).unwrap();
        stream.response_body(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, true).unwrap();
        stream.close().unwrap();
    }
    let table = host.series().unwrap();
    assert_eq!(table.sum("mcp_requests_total"), 3);
    assert_eq!(table.sum("mcp_active_connections"), 0);
    assert_eq!(table.sum("mcp_requests_in_flight"), 0);
}

#[test]
fn any_chunking_and_framing_gives_the_same_series() {
    let reference = |size: usize, framing| {
        let (host, vm) = support::worker("");
        for (name, exchange) in recorded() {
            if !name.ends_with("_1mb") {
                vm.play(&exchange.in_chunks_of(size), framing).unwrap();
            }
        }
        support::non_zero(&scrape(&host, &[&vm]))
    };
    let whole = reference(1 << 20, Framing::Http1);
    for size in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(reference(size, Framing::Http1), whole, "pieces of {size}");
        assert_eq!(reference(size, Framing::Http2), whole, "pieces of {size}");
    }
}

#[test]
fn counters_are_flushed_in_time() {
    let (_host, vm) = support::worker("");
    assert!((1..=500).contains(&vm.tick_period_ms()), "{}", vm.tick_period_ms());
}
