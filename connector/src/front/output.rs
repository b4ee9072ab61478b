//! Lines to the client: each message is written whole, in the order in which the messages came.
//!
//! A sender waits while the client does not read, so the response it reads from is not read either. Memory: one message that is
//! written, one that waits, and one for each sender.

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

/// Messages that wait between the senders and the writer.
const WAITING_MESSAGES: usize = 1;

/// The sending side.
#[derive(Clone)]
pub(super) struct Output(mpsc::Sender<Item>);

enum Item {
    Message(Bytes),
    /// Everything before was written once this is dropped.
    Flush(#[expect(dead_code, reason = "only its drop counts")] oneshot::Sender<()>),
}

/// The client does not read any more.
#[derive(Debug)]
pub(super) struct Closed;

impl From<Closed> for String {
    fn from(_: Closed) -> Self {
        "the client does not read".to_owned()
    }
}

// === impl Output ===

impl Output {
    /// Starts the writer as a task of the current [`tokio::task::LocalSet`].
    pub(super) fn start(writer: impl AsyncWrite + Unpin + 'static) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MESSAGES);
        tokio::task::spawn_local(write(writer, receiver));
        Self(sender)
    }

    /// Writes a message, which must not contain a line break. If this is dropped, the message is written whole or not at all.
    pub(super) async fn send(&self, message: Bytes) -> Result<(), Closed> {
        self.0.send(Item::Message(message)).await.map_err(|_| Closed)
    }

    /// Waits until everything that was sent before is written.
    pub(super) async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.0.send(Item::Flush(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }

    /// Waits until the client has closed its side. This is seen only when a message is written.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut items: mpsc::Receiver<Item>) {
    while let Some(item) = items.recv().await {
        if let Item::Message(message) = item {
            let mut line = message.chain(b"\n".as_slice());
            if writer.write_all_buf(&mut line).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    }
}
