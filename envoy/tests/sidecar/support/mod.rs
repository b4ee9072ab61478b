//! Shared by the tests: the launcher with a real Envoy, an upstream whose responses a test defines, raw HTTP.

mod certificates;
mod client;
mod connect_proxy;
mod desktop;
mod program;
mod sidecar;
mod tls;
mod upstream;

pub(crate) use certificates::Authority;
pub(crate) use client::{Answer, get, open, post, read_answer, read_until, send};
pub(crate) use connect_proxy::ConnectProxy;
pub(crate) use desktop::Desktop;
pub(crate) use program::{INITIALIZE, MISBEHAVING, Session, is_gone};
pub(crate) use sidecar::{Sidecar, launcher, signal};
pub(crate) use tls::{TlsServer, seen, seen_in};
pub(crate) use upstream::{Request, Upstream, begin_events, end_events, say, say_event, say_json, until_closed};

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Timeout of all waits; only a failing test waits that long.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
const PORTS: Range<u16> = 10_000..16_000;
const BLOCK_PORTS: u16 = 100;
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The Envoy binary: `ENVOY_BIN`, else the pinned one.
pub(crate) fn envoy() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| from_environment_or("ENVOY_BIN", &["get.sh", "envoy"])).clone()
}

/// The filter: `MCP_FILTER_WASM`, else the one built from this checkout.
pub(crate) fn module() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| from_environment_or("MCP_FILTER_WASM", &["build-filter.sh"])).clone()
}

fn from_environment_or(variable: &str, script: &[&str]) -> String {
    if let Ok(path) = std::env::var(variable) {
        return path;
    }
    let scripts = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"));
    let output = Command::new(scripts.join(script[0])).args(&script[1..]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script:?} failed");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A free port. The same port is returned again after 99 calls at the earliest.
///
/// Outgoing connections use ports above this range, so a port is not taken between this call and its use. This matters
/// because two listeners of Envoy on one port do not fail; they share the connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static BLOCK: OnceLock<TcpListener> = OnceLock::new();
    let first = BLOCK.get_or_init(claim_ports).local_addr().unwrap().port();
    loop {
        let port = first + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % (BLOCK_PORTS - 1);
        if TcpListener::bind((LOOPBACK, port)).is_ok() {
            return port;
        }
    }
}

/// A block of ports for this test process. The process that is bound to the first port owns the block while it runs.
fn claim_ports() -> TcpListener {
    let firsts = PORTS.step_by(BLOCK_PORTS.into());
    let claimed = firsts.filter_map(|first| TcpListener::bind((LOOPBACK, first)).ok()).next();
    assert!(claimed.is_some(), "every hundredth port of {PORTS:?} is taken");
    claimed.unwrap()
}

/// Waits for a condition.
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(LONGEST, condition), "timed out: {what}");
}

fn holds_within(longest: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + longest;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}
