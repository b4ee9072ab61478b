//! What the streams of a random schedule carry: recorded exchanges, taken apart and damaged.

use fake_envoy::{Step, flags};
use fastrand::Rng;

use crate::support::recorded;

/// The steps of every recorded exchange with its bodies cut small, so that a run stays cheap.
pub(crate) fn content_pool() -> Vec<Vec<Step>> {
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
pub(crate) fn script(random: &mut Rng, pool: &[Vec<Step>]) -> Vec<Step> {
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

pub(crate) fn random_flags(random: &mut Rng) -> u64 {
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
