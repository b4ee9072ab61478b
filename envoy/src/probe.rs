//! The command `probe`, a health check for images without a shell and an HTTP client.
//!
//! It sends one GET. Redirects are not followed, proxies are not used, and the body of the response is not read.

use std::time::Duration;
use ureq::Agent;

/// Timeout of the check.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The probe port of the sidecar that runs with this environment, as a URL without path.
#[must_use]
pub fn own_probe() -> String {
    let port = std::env::var("PROBE_PORT").ok().filter(|port| !port.is_empty());
    format!("http://127.0.0.1:{}", port.as_deref().unwrap_or("9902"))
}

/// Whether the URL returns 200.
///
/// # Errors
///
/// A message with the other status or the failure.
pub fn probe(url: &str) -> Result<(), String> {
    let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).max_redirects(0);
    let agent: Agent = config.http_status_as_error(false).build().into();
    let answer = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("{url}: answers {status}, not 200")),
    }
}
