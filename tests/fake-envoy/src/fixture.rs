//! Recorded exchanges as text files.
//!
//! A file is a list of sections. A section begins with a line `=== what` and goes on to the next one:
//!
//! ```text
//! # Lines before the first section are a comment.
//! === request headers
//! :method: POST
//! === request body
//! {"jsonrpc":"2.0","id":1,"method":"ping"}
//! === request end
//! === wait 2ms
//! === response headers
//! :status: 200
//! === response body
//! {"jsonrpc":"2.0","id":1,"result":{}}
//! === response end
//! ```
//!
//! `request|response headers|trailers|body|events|end`, `wait Nms`, `property PATH = VALUE` (`flags 0xN` for
//! `response.flags`). A body is its lines joined by LF without a last one; `events` (`events crlf`) ends
//! every line, so that an empty line ends an event. `{{text N}}` in a body is replaced by N bytes of prose.

use std::path::Path;
use std::time::Duration;

use crate::{Exchange, Fault, Step};

const PROSE: &str = "The quick brown fox jumps over the lazy dog, and nobody minds. ";

/// What Envoy reads from a connection at once.
const CHUNK: usize = 16 * 1024;

/// Every recorded exchange with its name, in pieces of what Envoy reads at once; sorted by name.
///
/// # Errors
///
/// If there is none, or one cannot be read.
pub fn recorded() -> Result<Vec<(String, Exchange)>, Fault> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("exchanges");
    let unreadable = |error: std::io::Error| Fault::Fixture(format!("{}: {error}", directory.display()));
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "http") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let exchange = parse(&std::fs::read_to_string(&path).map_err(unreadable)?)?;
            all.push((name, exchange.in_chunks_of(CHUNK)));
        }
    }
    if all.is_empty() {
        return Err(Fault::Fixture(format!("no recorded exchanges in {}", directory.display())));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(all)
}

/// Reads one exchange.
///
/// # Errors
///
/// The first line that cannot be parsed.
pub fn parse(text: &str) -> Result<Exchange, Fault> {
    let mut steps = Vec::new();
    let mut sections = text.split("\n=== ");
    // A file may begin with a section at once.
    if let Some(first) = sections.next().and_then(|first| first.strip_prefix("=== ")) {
        steps.push(section(first)?);
    }
    for part in sections {
        steps.push(section(part)?);
    }
    Ok(Exchange { steps })
}

fn section(text: &str) -> Result<Step, Fault> {
    let (title, content) = text.split_once('\n').unwrap_or((text, ""));
    let bad = || Fault::Fixture(format!("section {title:?}"));
    let title = title.trim();
    if let Some(time) = title.strip_prefix("wait ") {
        let milliseconds = time.strip_suffix("ms").and_then(|number| number.parse().ok());
        return Ok(Step::Wait(Duration::from_millis(milliseconds.ok_or_else(bad)?)));
    }
    if let Some(number) = title.strip_prefix("flags 0x") {
        let flags = u64::from_str_radix(number, 16).map_err(|_| bad())?;
        return Ok(Step::Property("response.flags".to_owned(), flags.to_le_bytes().to_vec()));
    }
    if let Some(property) = title.strip_prefix("property ") {
        let (path, value) = property.split_once(" = ").ok_or_else(bad)?;
        return Ok(Step::Property(path.to_owned(), value.as_bytes().to_vec()));
    }
    Ok(match title {
        "request headers" => Step::RequestHeaders(headers(content)?),
        "request trailers" => Step::RequestTrailers(headers(content)?),
        "request body" => Step::RequestBody(body(content)),
        "request end" => Step::RequestEnd,
        "response headers" => Step::ResponseHeaders(headers(content)?),
        "response trailers" => Step::ResponseTrailers(headers(content)?),
        "response body" => Step::ResponseBody(body(content)),
        "response events" => Step::ResponseBody(events(content, "\n")),
        "response events crlf" => Step::ResponseBody(events(content, "\r\n")),
        "response end" => Step::ResponseEnd,
        _ => return Err(bad()),
    })
}

fn headers(content: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let lines = content.lines().filter(|line| !line.is_empty());
    let pair = |line: &str| {
        // A pseudo header begins with a colon of its own.
        let (name, value) = line.split_once(": ").ok_or_else(|| Fault::Fixture(format!("header {line:?}")))?;
        Ok((name.to_owned(), value.as_bytes().to_vec()))
    };
    lines.map(pair).collect()
}

fn body(content: &str) -> Vec<u8> {
    fill(content.strip_suffix('\n').unwrap_or(content)).into_bytes()
}

fn events(content: &str, line_end: &str) -> Vec<u8> {
    // Splitting, unlike lines(), keeps an empty last line, which is what ends the last event.
    content.split('\n').map(|line| fill(line) + line_end).collect::<String>().into_bytes()
}

/// Replaces every `{{text N}}`.
fn fill(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{text ") {
        filled.push_str(before);
        let Some((number, after)) = after.split_once("}}") else { break };
        let size = number.parse().unwrap_or(0);
        filled.extend(PROSE.chars().cycle().take(size));
        rest = after;
    }
    filled.push_str(rest);
    filled
}
