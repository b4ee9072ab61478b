//! The command `probe`, a health check for images without a shell and an HTTP client; and whether the server is reachable
//! after the start.
//!
//! A probe sends one GET. Redirects are not followed, proxies are not used, and the body of the response is not read.

use std::thread;
use std::time::{Duration, Instant};
use ureq::Agent;

use crate::console::Console;
use crate::environment::Settings;

/// Timeout of the check.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Time after the start during which an unreachable server is not reported. Envoy's first check of `localhost` may be a
/// second late.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(3);
/// Interval at which `/health` is asked during that time.
const POLL: Duration = Duration::from_millis(100);

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

/// Prints a line if the server is unreachable after the start. The server may start later; but no other message points to a
/// wrong URL. The bridge of a program reports its failures itself.
pub(crate) fn report_unreachable_server(settings: &Settings) {
    let Some(url) = settings.upstream.endpoint().map(crate::Endpoint::url) else { return };
    let health = format!("http://{}/health", settings.own_probe());
    let console = Console::with(settings);
    thread::spawn(move || {
        let deadline = Instant::now() + UNREACHABLE_GRACE;
        while probe(&health).is_err() {
            if Instant::now() >= deadline {
                return console.print(format_args!(
                    "waiting  {url} does not accept connections yet; /health returns 200 when it does"
                ));
            }
            thread::sleep(POLL);
        }
    });
}
