//! The standard error of the sidecar: whole lines, written by a thread of their own.
//!
//! The process that started the sidecar may not read its standard error. Then only this thread waits. What waits is bounded;
//! what does not fit is dropped and counted, and one line says how many lines were.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

/// At most this many bytes wait to be written.
const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// What lines that are written at once cost beside their text.
const LINE_COST: usize = 64;

/// Writes lines to standard error. A clone writes to the same thread.
#[derive(Clone, Debug)]
pub struct Errors {
    queue: Sender<Entry>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    dropped_lines: AtomicU64,
}

enum Entry {
    /// Whole lines, and how many.
    Lines(String, u64),
    Flush(SyncSender<()>),
}

// === impl Errors ===

impl Errors {
    /// Starts the thread that writes to this process's standard error. One of these is enough for a process.
    ///
    /// # Errors
    ///
    /// There is no standard error, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        // A descriptor of its own: the lock of `io::stderr()` would make others wait too.
        Self::to(File::from(io::stderr().as_fd().try_clone_to_owned()?))
    }

    pub(crate) fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = channel();
        let counts = Arc::new(Counts::default());
        let errors = Self { queue, counts: counts.clone() };
        std::thread::Builder::new().name("stderr".to_owned()).spawn(move || write(writer, &entries, &counts))?;
        Ok(errors)
    }

    /// Writes a message of the sidecar.
    pub fn say(&self, text: &str) {
        self.line("mcp-sidecar: ", text);
    }

    /// Waits until everything before this was written, or the time is over. To be called before the process ends.
    pub fn flush(&self, at_most: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.send(Entry::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(at_most);
        }
    }

    /// Writes a line. It is dropped if too much waits.
    pub fn line(&self, prefix: &str, text: &str) {
        self.lines(format!("{prefix}{text}\n"), 1);
    }

    /// Writes lines, each with its end. They are dropped if too much waits.
    pub(super) fn lines(&self, text: String, count: u64) {
        let cost = text.len() + LINE_COST;
        if self.counts.waiting_bytes.fetch_add(cost, Ordering::Relaxed) + cost > WAITING_BYTES {
            self.counts.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
            self.counts.dropped_lines.fetch_add(count, Ordering::Relaxed);
            return;
        }
        // It fails only if the thread is gone.
        let _ = self.queue.send(Entry::Lines(text, count));
    }
}

/// Writes until all [`Errors`] are gone. A line that cannot be written counts as dropped.
fn write(mut writer: impl Write, entries: &Receiver<Entry>, counts: &Counts) {
    for entry in entries {
        match entry {
            Entry::Lines(text, count) => {
                if writer.write_all(text.as_bytes()).is_err() {
                    counts.dropped_lines.fetch_add(count, Ordering::Relaxed);
                }
                counts.waiting_bytes.fetch_sub(text.len() + LINE_COST, Ordering::Relaxed);
            }
            // The caller may have gone on.
            Entry::Flush(done) => {
                let _ = done.send(());
            }
        }
        let dropped = counts.dropped_lines.swap(0, Ordering::Relaxed);
        if dropped > 0
            && writeln!(writer, "mcp-sidecar: {dropped} lines were dropped, because standard error was not read")
                .is_err()
        {
            counts.dropped_lines.fetch_add(dropped, Ordering::Relaxed);
        }
    }
}
