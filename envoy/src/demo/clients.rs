//! The clients, one for each protocol version, and what they do in a session.

use super::account::Account;
use super::client::{Client, Who};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

/// All clients.
pub(super) const CLIENTS: [Who; 5] = [
    Who { name: "old-desktop-app", version: "2024-11-05" },
    Who { name: "chat-window", version: "2025-03-26" },
    Who { name: "code-editor", version: "2025-06-18" },
    Who { name: "travel-agent", version: "2025-11-25" },
    Who { name: "new-mobile-app", version: "2026-07-28" },
];
/// Calls of a session. The second upload is too large.
const CALLS: [(&str, &str); 9] = [
    ("quick_lookup", r#"{"word": "sidecar"}"#),
    ("flaky_upload", r#"{"megabytes": 5}"#),
    ("quick_lookup", r#"{"word": "envoy"}"#),
    ("big_download", r#"{"file": "foxes.txt"}"#),
    ("import_with_progress", r#"{"rows": 300}"#),
    ("quick_lookup", r#"{"word": "metric"}"#),
    ("flaky_upload", r#"{"megabytes": 900}"#),
    ("slow_search", r#"{"query": "everything"}"#),
    ("crashing_report", r#"{"month": "2026-07"}"#),
];

/// One session: lists the tools, and calls them, with a pause before each call.
///
/// # Errors
///
/// The sidecar does not answer as it must.
pub(super) fn session(address: SocketAddr, who: Who, account: &Account, pause: Duration) -> Result<(), String> {
    let mut client = Client::connect(address, who, account)?;
    client.request("tools/list", json!({}))?;
    for (tool, arguments) in CALLS {
        sleep(pause);
        client.call(tool, &serde_json::from_str::<Value>(arguments).unwrap_or_default())?;
    }
    client.end()
}

/// The pause of a client before each call of a session, by their positions: from 0.6 s to 1.6 s, so that rates change.
pub(super) fn pause(client: usize, session: usize) -> Duration {
    let step = u32::try_from((client + session) % 5).unwrap_or_default();
    Duration::from_millis(600) + Duration::from_millis(250) * step
}
