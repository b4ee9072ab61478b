//! Observations as lines of text.

use crate::observation::{Observation, Observer, PublishedLabels};

/// Observations as lines.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<String>,
}

// === impl Log ===

impl PublishedLabels for Log {}

impl Observer for Log {
    fn observe(&mut self, observation: Observation<'_>) {
        self.lines.push(match observation {
            Observation::OperationStarted(operation) => {
                format!("start {} {}", operation.method().as_str(&[]), operation.name().unwrap_or("-"))
            }
            Observation::OperationEnded(ended) => format!(
                "end {} {}{} in {:?} ms, {:?} bytes",
                ended.operation.method().as_str(&[]),
                ended.status().as_str(),
                ended.error_type().map_or(String::new(), |error| format!("/{}", error.as_str())),
                ended.duration.map(|duration| duration / 1_000),
                ended.answer_bytes,
            ),
            Observation::Notification { method, direction } => {
                format!("notification {} {}", direction.as_str(), method.as_str(&[]))
            }
            Observation::Bytes { direction, bytes } => return self.add_bytes(direction.as_str(), bytes),
            Observation::ProtocolError { code, method } => {
                format!("error {:?} of {}", code.integer(), method.map_or("none", |method| method.as_str(&[])))
            }
            Observation::Skipped { direction, reason } => format!("skip {} {}", direction.as_str(), reason.as_str()),
            Observation::FirstEvent { method, microseconds } => {
                format!("first event {} in {} ms", method.as_str(&[]), microseconds / 1_000)
            }
            Observation::HeaderMismatch(header) => format!("mismatch {}", header.as_str()),
            Observation::ListSize { method, items, bytes } => {
                format!("listed {} {items} in {bytes} bytes", method.as_str(&[]))
            }
            Observation::ListPage { page, .. } => format!("published {}", page.items.len()),
            Observation::SessionStarted(session) => {
                format!("session {} over {}", session.protocol_version().as_str(), session.transport.as_str())
            }
            Observation::SessionEnded { microseconds } => format!("session ended after {} ms", microseconds / 1_000),
            Observation::ServerRequestEnded { method, status, duration } => format!(
                "asked {} {} in {:?} ms",
                method.as_str(&[]),
                status.as_str(),
                duration.map(|duration| duration / 1_000)
            ),
            Observation::TaskEnded { tool, status } => format!("task of {tool:?} {}", status.as_str()),
            Observation::StreamOpened(status) => format!("stream {}", status.as_str()),
            Observation::Unmatched(reason) => format!("unmatched {}", reason.as_str()),
            Observation::Reachable(reachable) => format!("reachable {reachable}"),
            other => format!("{other:?}"),
        });
    }

    fn observe_other(&mut self, server: Option<&str>, observation: Observation<'_>) {
        self.observe(observation);
        if let (Some(server), Some(line)) = (server, self.lines.last_mut()) {
            *line = format!("{line} at {server}");
        }
    }
}

impl Log {
    /// Bytes are added up, so that logs do not depend on chunking.
    fn add_bytes(&mut self, direction: &str, bytes: u64) {
        let prefix = format!("bytes {direction} ");
        let before = self.lines.iter().position(|line| line.starts_with(&prefix));
        let sum = before.map_or(0, |index| self.lines.remove(index).split_off(prefix.len()).parse().unwrap_or(0));
        self.lines.push(format!("{prefix}{}", sum + bytes));
    }

    /// The lines of operations that ended.
    pub(crate) fn ends(lines: &[String]) -> Vec<&str> {
        lines.iter().filter_map(|line| line.strip_prefix("end ")).collect()
    }
}
