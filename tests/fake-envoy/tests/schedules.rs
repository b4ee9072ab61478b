//! Random orders of Envoy's callbacks with random content: no trap, no pause, nothing left open, nothing lost.
//!
//! Every run has a seed that the failure names; `SCHEDULE_SEED=n` runs that one alone and tells each step.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use fake_envoy::{Fault, Framing, Host, Plugin, Step, Stream, Value, Vm, flags};
use fastrand::Rng;
use support::{recorded, scrape};

const RUNS: u64 = 3000;

/// Gauges that describe the last list or the server and stay when all streams are gone.
const LASTING_GAUGES: [&str; 4] = ["mcp_filter_info", "mcp_listed_bytes", "mcp_listed_items", "mcp_upstream_available"];

/// What the traffic of a run amounts to, to compare with what the filter says.
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
fn ok_any_schedule() {
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
    let configuration = *random.choice(["", "{\"filter_state\":true}", "{\"semconv\":true}"].iter()).unwrap();
    let workers = [host.start(&Plugin::new(configuration))?, host.start(&Plugin::new(configuration))?];
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
    assert!(table.sum("mcp_message_bytes_total") <= sent.body_bytes, "seed {seed}");
    assert!(
        table.sum("mcp_request_duration_microseconds") <= table.sum("mcp_requests_total"),
        "seed {seed}: more durations than operations"
    );
    let critical: Vec<_> = host.log().into_iter().filter(|line| line.level >= 4).collect();
    assert!(critical.is_empty(), "seed {seed}: {critical:?}");
}

// --- content ---

/// The steps of every recorded exchange with its bodies cut small, so that a run stays cheap.
fn content_pool() -> Vec<Vec<Step>> {
    let mut pool = Vec::new();
    for (name, exchange) in recorded() {
        if !name.ends_with("_1mb") {
            pool.push(exchange.steps.clone());
            pool.push(exchange.in_chunks_of(37).steps);
        }
    }
    pool
}

/// A recorded exchange, its request joined to the answer of another, with steps dropped, repeated, moved
/// and their bytes damaged.
fn script(random: &mut Rng, pool: &[Vec<Step>]) -> Vec<Step> {
    let request = random.choice(pool).unwrap();
    let response = if random.bool() { request } else { random.choice(pool).unwrap() };
    let is_request = |step: &Step| {
        matches!(step, Step::RequestHeaders(_) | Step::RequestBody(_) | Step::RequestEnd | Step::RequestTrailers(_))
    };
    let mut steps: Vec<Step> = request.iter().filter(|step| is_request(step)).cloned().collect();
    steps.extend(response.iter().filter(|step| !is_request(step)).cloned());
    let damage = random.u8(..4);
    if damage >= 1 {
        for step in &mut steps {
            spoil(step, random, damage);
        }
    }
    if damage >= 2 {
        steps.retain(|_| random.u8(..10) > 0);
    }
    if random.u8(..6) == 0 {
        let at = random.usize(..steps.len() + 1);
        steps.insert(at, Step::ResponseTrailers(random_pairs(random)));
    }
    if random.u8(..6) == 0 {
        let at = random.usize(..steps.len() + 1);
        steps.insert(at, Step::RequestTrailers(random_pairs(random)));
    }
    if damage == 3 {
        for _ in 0..random.usize(..6) {
            let (one, other) = (random.usize(..steps.len().max(1)), random.usize(..steps.len().max(1)));
            if one < steps.len() && other < steps.len() {
                steps.swap(one, other);
            }
        }
    }
    steps
}

fn spoil(step: &mut Step, random: &mut Rng, damage: u8) {
    match step {
        Step::RequestBody(bytes) | Step::ResponseBody(bytes) => spoil_bytes(bytes, random, damage),
        Step::RequestHeaders(headers) | Step::ResponseHeaders(headers) => {
            for (_, value) in headers.iter_mut() {
                if random.u8(..12) == 0 {
                    spoil_bytes(value, random, damage);
                }
            }
            if random.u8(..6) == 0 {
                headers.extend(random_pairs(random));
            }
        }
        Step::Property(path, value) if path == "response.flags" => {
            *value = random_flags(random).to_le_bytes().to_vec();
        }
        _ => {}
    }
}

fn spoil_bytes(bytes: &mut Vec<u8>, random: &mut Rng, damage: u8) {
    const PIECES: [&[u8]; 14] = [
        b"\"",
        b"\\",
        b"\\u",
        b"\\ud83d",
        b"{",
        b"}",
        b"[[[[",
        b"null",
        b"\0",
        b"\xff\xfe",
        b"\r\n\r\n",
        b";.;status=.=ok;.;",
        b"\"id\":1,",
        b"data: ",
    ];
    for _ in 0..random.usize(..2 * usize::from(damage)) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..5) {
            0 => bytes[at] = random.u8(..),
            1 => bytes.truncate(at),
            2 => {
                bytes.remove(at);
            }
            3 => {
                let piece = random.choice(PIECES).unwrap();
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let end = random.usize(at..bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    if damage == 3 && random.u8(..8) == 0 {
        *bytes = (0..random.usize(..400)).map(|_| random.u8(..)).collect();
    }
}

fn random_flags(random: &mut Rng) -> u64 {
    let known = [
        0,
        flags::UT,
        flags::LR,
        flags::UR,
        flags::UF,
        flags::UC,
        flags::UO,
        flags::UH,
        flags::DC,
        flags::SI,
        flags::UMSDR,
        flags::DT,
        flags::NC,
        flags::OM,
        flags::DF,
        flags::UPE,
        flags::DR,
        u64::MAX,
    ];
    known[random.usize(..known.len())] | known[random.usize(..known.len())]
}

fn random_pairs(random: &mut Rng) -> Vec<(String, Vec<u8>)> {
    const NAMES: [&str; 8] = [
        "content-type",
        "content-encoding",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "last-event-id",
        ":status",
    ];
    const VALUES: [&[u8]; 12] = [
        b"",
        b"gzip",
        b"text/event-stream",
        b"application/json",
        b"tools/call",
        b"2026-07-28",
        b"=?base64?YWRk?=",
        b"=?base64?????=",
        b"\xff\xfe",
        b"200",
        b"99999999999999999999",
        b"x;.;status=.=ok",
    ];
    let pair = |random: &mut Rng| (random.choice(NAMES).unwrap().to_owned(), random.choice(VALUES).unwrap().to_vec());
    (0..random.usize(1..4)).map(|_| pair(random)).collect()
}

fn borrow(headers: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

// --- named cases ---

#[test]
fn ok_log_first_without_headers() {
    let (host, vm) = support::worker("");
    vm.open().close().unwrap();
    let table = scrape(&host, &[&vm]);
    assert_eq!(table.sum("mcp_filter_streams_total"), 1);
    assert!(support::non_zero(&table).is_empty(), "{:?}", support::non_zero(&table));
}

#[test]
fn ok_request_body_after_the_response() {
    let (host, vm) = support::worker("");
    let post: [(&str, &[u8]); 3] =
        [(":method", b"POST"), ("content-type", b"application/json"), ("mcp-session-id", b"s")];
    let mut stream = vm.open();
    stream.request_headers(&post, false).unwrap();
    stream.response_headers(&[(":status", b"413")], true).unwrap();
    stream.request_body(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, true).unwrap();
    stream.close().unwrap();
    let table = scrape(&host, &[&vm]);
    assert_eq!(table.sum("mcp_requests_in_flight"), 0);
    assert_eq!(table.sum("mcp_requests_total"), 1);
}

#[test]
fn ok_counters_are_flushed_when_the_root_context_ends() {
    let exchanges = recorded();
    let (ticked, vm) = support::worker("");
    for (_, exchange) in &exchanges {
        vm.play(exchange, Framing::Http1).unwrap();
    }
    let expected = scrape(&ticked, &[&vm]);
    let (ended, vm) = support::worker("");
    for (_, exchange) in &exchanges {
        vm.play(exchange, Framing::Http1).unwrap();
    }
    vm.end().unwrap();
    assert_eq!(ended.series().unwrap(), expected);
}

#[test]
fn ok_streams_that_outlive_the_root_context() {
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
fn ok_any_chunking_and_framing_gives_the_same_series() {
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
fn ok_flush_comes_in_time() {
    let (_host, vm) = support::worker("");
    assert!((1..=500).contains(&vm.tick_period_ms()), "{}", vm.tick_period_ms());
}
