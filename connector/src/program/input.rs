//! The standard input of a program: whole lines, in order.
//!
//! A task writes, so that a caller that is dropped leaves no half line. One line is written and one waits; further callers
//! wait in the order of their calls. A large message is not copied.

use super::end::State;
use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot, watch};

/// The program reads no more: it has ended or closed its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Writes to a program. Standard input is closed when all of these are dropped, and when the program ends.
#[derive(Clone)]
pub(crate) struct Input {
    queue: mpsc::Sender<Entry>,
}

struct Entry {
    text: Bytes,
    written: oneshot::Sender<()>,
}

/// A message that is being written.
pub(crate) struct Begun(oneshot::Receiver<()>);

// === impl Input ===

impl Input {
    pub(super) fn start(stdin: ChildStdin, state: watch::Receiver<State>) -> Self {
        let (queue, entries) = mpsc::channel(1);
        tokio::spawn(write(stdin, entries, state));
        Self { queue }
    }

    /// Writes a message, which has no line break, and waits until the program's pipe has taken it. Lines have the order in
    /// which the calls were first polled. If the future is dropped, its line is written whole or not at all.
    ///
    /// # Errors
    ///
    /// The program reads no more. It may have read a part of the line.
    pub(crate) async fn send(&self, text: &Bytes) -> Result<(), Gone> {
        self.begin(text).await?.written().await
    }

    /// Waits until it is known that the program reads no more.
    pub(crate) async fn gone(&self) {
        self.queue.closed().await;
    }

    /// Waits until it is the message's turn. It is written from then on, also if what is returned is dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub(crate) async fn begin(&self, text: &Bytes) -> Result<Begun, Gone> {
        let (written, is_written) = oneshot::channel();
        self.queue.send(Entry { text: text.clone(), written }).await.map_err(|_| Gone)?;
        Ok(Begun(is_written))
    }
}

// === impl Begun ===

impl Begun {
    /// Waits until the program's pipe has taken it.
    pub(crate) async fn written(self) -> Result<(), Gone> {
        self.0.await.map_err(|_| Gone)
    }
}

/// Writes lines until the program has to end, or does not read any more.
async fn write(mut stdin: ChildStdin, mut entries: mpsc::Receiver<Entry>, mut state: watch::Receiver<State>) {
    let lines = async {
        while let Some(Entry { text, written }) = entries.recv().await {
            if stdin.write_all_buf(&mut text.chain(&b"\n"[..])).await.is_err() {
                return;
            }
            // The caller may be gone.
            let _ = written.send(());
        }
    };
    tokio::select! {
        () = lines => {}
        // Also when a process that the program left behind holds the pipe, which has no reader.
        _ = state.wait_for(|state| !state.is_running()) => {}
    }
}
