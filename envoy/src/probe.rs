//! Asks a page whether it is well: the health check of images that have no shell and no client of their own.
//!
//! One GET, no redirect followed, no proxy; the answer's body is not read.

use std::time::Duration;
use ureq::Agent;

/// A check that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(3);

/// Whether the page answers 200.
///
/// # Errors
///
/// What came instead, for a person.
pub fn probe(url: &str) -> Result<(), String> {
    let config = Agent::config_builder().timeout_global(Some(LONGEST)).proxy(None).max_redirects(0);
    let agent: Agent = config.http_status_as_error(false).build().into();
    let answer = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
    match answer.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("{url}: answers {status}, not 200")),
    }
}
