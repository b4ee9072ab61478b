//! The specification's messages, answered as JSON and as an event stream.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use mcp_observe::{
    BodyPool, Config, Context, Correlation, Exchange, Failure, HASH_KEY_BYTES, Host, InMemory, Method, Observation,
    Observer, PublishedLabels, RpcErrorCode, Time,
};
use serde_json::Value;
use std::rc::Rc;

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
use core::prelude::v1::test;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REVISIONS: [(&str, &str); 5] = [
    ("2024-11-05", include_str!("specification/2024-11-05.json")),
    ("2025-03-26", include_str!("specification/2025-03-26.json")),
    ("2025-06-18", include_str!("specification/2025-06-18.json")),
    ("2025-11-25", include_str!("specification/2025-11-25.json")),
    ("2026-07-28", include_str!("specification/2026-07-28.json")),
];

struct Proxy {
    protocol_version: &'static str,
    status: String,
    answer_type: &'static str,
}

impl Host for Proxy {
    fn now(&self) -> Time {
        Time(0)
    }
    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        let value = match name {
            ":method" => "POST",
            "content-type" => "application/json",
            "mcp-protocol-version" => self.protocol_version,
            _ => return None,
        };
        Some(value.as_bytes().to_vec())
    }
    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "content-type" => Some(self.answer_type.as_bytes().to_vec()),
            ":status" => Some(self.status.as_bytes().to_vec()),
            _ => None,
        }
    }
    fn cluster_name(&self) -> Option<Vec<u8>> {
        None
    }
    fn response_status(&self) -> Option<u16> {
        self.status.parse().ok()
    }
    fn failure(&self) -> Option<Failure> {
        None
    }

    fn is_from_upstream(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Notes {
    ends: Vec<String>,
    facts: Vec<String>,
}

impl PublishedLabels for Notes {}

impl Observer for Notes {
    fn observe(&mut self, observation: Observation<'_>) {
        let name = |method: Method| method.as_str(&[]).to_owned();
        let fact = match observation {
            Observation::OperationEnded(ended) => {
                let error = ended.error_type().map_or(String::new(), |error| format!("/{}", error.as_str()));
                let label = ended.operation().name().map_or(String::new(), |label| format!(" {label}"));
                let method = name(ended.operation().method());
                return self.ends.push(format!("{method}{label} {}{error}", ended.status().as_str()));
            }
            Observation::ProtocolError { code: RpcErrorCode::Integer(code), method: Some(method) } => {
                format!("error {code} of {}", name(method))
            }
            Observation::Notification { method, direction } => {
                format!("notification {} {}", direction.as_str(), name(method))
            }
            Observation::SessionStarted(session) => format!("session {}", session.protocol_version().as_str()),
            Observation::ListPage { page, .. } if !page.items().is_empty() => {
                format!("published {}", page.items().len())
            }
            Observation::ListSize { method, items, .. } => format!("listed {} {items}", name(method)),
            Observation::Skipped { reason, .. } => format!("skipped {}", reason.as_str()),
            Observation::HeaderMismatch(header) => format!("mismatch {}", header.as_str()),
            _ => return,
        };
        self.facts.push(fact);
    }
}

fn texts(value: &Value) -> Vec<String> {
    let mut texts: Vec<_> = value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

fn check(protocol_version: &'static str, entry: &Value, as_events: bool) {
    let status = entry["status"].to_string();
    let answer_type = if as_events { "text/event-stream" } else { "application/json" };
    let proxy = Proxy { protocol_version, status, answer_type };
    let body = if as_events { format!("data: {}\r\n\r\n", entry["answer"]) } else { entry["answer"].to_string() };
    let (config, mut notes, mut exchange) = (Config::default(), Notes::default(), Exchange::default());
    let correlation = Correlation::new(Rc::new(InMemory::default()), "specification", [0; HASH_KEY_BYTES], 0);
    let bodies = BodyPool::default();
    exchange.handle_request_headers(&mut Context::new(&config, &proxy, &correlation, &bodies, &mut notes), false);
    let request = entry["request"].to_string();
    exchange.handle_request_body(
        &mut Context::new(&config, &proxy, &correlation, &bodies, &mut notes),
        request.len(),
        request.as_bytes(),
        true,
    );
    exchange.handle_response_headers(&mut Context::new(&config, &proxy, &correlation, &bodies, &mut notes), false);
    exchange.handle_response_body(
        &mut Context::new(&config, &proxy, &correlation, &bodies, &mut notes),
        body.len(),
        body.as_bytes(),
        true,
    );
    exchange.handle_log(&mut Context::new(&config, &proxy, &correlation, &bodies, &mut notes));
    notes.ends.sort();
    notes.facts.sort();
    assert_eq!(notes.ends, texts(&entry["ends"]), "{protocol_version} {entry}");
    assert_eq!(notes.facts, texts(&entry["facts"]), "{protocol_version} {entry}");
}

#[test]
fn messages_of_every_protocol_version_are_read() {
    for (protocol_version, text) in REVISIONS {
        let entries: Value = serde_json::from_str(text).unwrap();
        for entry in entries.as_array().unwrap() {
            check(protocol_version, entry, false);
            check(protocol_version, entry, true);
        }
    }
}
