//! The standard error of a program, copied line by line to the sidecar's, with a prefix.
//!
//! It is always read, so that the program never waits for it. Lines are written as text for a terminal or a log: invalid UTF-8
//! becomes U+FFFD, colours (`ESC [ ... m`) are removed, and other control characters become escapes such as `\x1b`: what a
//! program logs can come from its clients, and a terminal obeys control sequences. The tab stays.

use super::end::State;
use super::errors::Errors;
use memchr::memchr;
use std::fmt::Write;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

/// A longer line is written as several.
const LINE_BYTES: usize = 8 * 1024;
/// A process that left the process group may hold the pipe. It is read this long after the group is gone.
const AFTER_END: Duration = Duration::from_secs(1);

/// Copies until the end.
pub(super) async fn copy(mut from: ChildStderr, prefix: String, errors: Errors, mut state: watch::Receiver<State>) {
    let mut lines = Lines { partial: Vec::with_capacity(LINE_BYTES), text: String::new(), count: 0, prefix, errors };
    let mut chunk = vec![0; LINE_BYTES];
    let over = async {
        let _ = state.wait_for(State::is_gone).await;
        sleep(AFTER_END).await;
    };
    tokio::pin!(over);
    loop {
        let length = tokio::select! {
            biased;
            () = &mut over => 0,
            length = from.read(&mut chunk) => length.unwrap_or(0),
        };
        if length == 0 {
            break;
        }
        lines.push(chunk.get(..length).unwrap_or_default());
        // All programs share a thread, and one that writes without a pause would keep it for many reads.
        yield_now().await;
    }
    if !lines.partial.is_empty() {
        lines.take(lines.partial.len());
        lines.write();
    }
}

/// Bytes to lines of at most [`LINE_BYTES`].
struct Lines {
    /// A line whose end has not come.
    partial: Vec<u8>,
    /// Whole lines that are to be written.
    text: String,
    count: u64,
    prefix: String,
    errors: Errors,
}

// === impl Lines ===

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let room = LINE_BYTES - self.partial.len();
            let length = end.unwrap_or(bytes.len());
            let (part, rest) = bytes.split_at(length.min(room));
            self.partial.extend_from_slice(part);
            bytes = rest;
            if length > room {
                self.take(before_split_character(&self.partial));
            } else if end.is_some() {
                bytes = rest.get(1..).unwrap_or_default();
                self.take(self.partial.len());
            }
        }
        self.write();
    }

    /// Makes a line of the first bytes of what has come.
    fn take(&mut self, length: usize) {
        let rest = self.partial.split_off(length);
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        self.text.push_str(&self.prefix);
        self.text.push_str(&harmless(line));
        self.text.push('\n');
        self.count += 1;
        self.partial = rest;
    }

    /// Writes the lines, all at once: one by one, very many short ones would cost much.
    fn write(&mut self) {
        if self.count > 0 {
            self.errors.lines(std::mem::take(&mut self.text), std::mem::take(&mut self.count));
        }
    }
}

/// The length without a character at the end of which a part is missing.
fn before_split_character(bytes: &[u8]) -> usize {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// A line without what a terminal would obey.
fn harmless(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let mut text = String::with_capacity(line.len());
    let mut rest = line.as_ref();
    while let Some(character) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
        if character.is_control() && character != '\t' {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{:02x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

/// What follows a sequence that sets colours (SGR of ECMA-48), if `text` begins with one.
fn after_colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    parameters
        .trim_start_matches(|character: char| character.is_ascii_digit() || matches!(character, ';' | ':'))
        .strip_prefix('m')
}
