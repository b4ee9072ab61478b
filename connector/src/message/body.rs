//! The body of a POST, or a line of a program: one message, or a batch of them.

use super::members::{items, range_in};
use super::{Message, Unreadable, utf8};
use bytes::Bytes;

/// The body of a POST.
#[derive(Clone, Debug)]
pub enum Body {
    /// One message.
    Single(Message),
    /// An array of messages, as 2025-03-26 allows. It may be empty.
    Batch(Vec<Message>),
}

// === impl Body ===

impl Body {
    /// Reads a body: one message, or an array of messages.
    ///
    /// # Errors
    ///
    /// The text, or an item of the array, is not a message.
    pub fn read(text: &Bytes) -> Result<Self, Unreadable> {
        Self::read_at_most(text, usize::MAX)
    }

    /// The same, with at most `most` messages in an array.
    ///
    /// # Errors
    ///
    /// The text, or an item of the array, is not a message, or there are more of them.
    pub fn read_at_most(text: &Bytes, most: usize) -> Result<Self, Unreadable> {
        if !Self::is_batch(text) {
            return Message::read(text).map(Self::Single);
        }
        let whole = utf8(text)?;
        let items = items(whole, most).map_err(|error| Unreadable::Json(error.to_string()))?;
        let items = items.ok_or(Unreadable::Message("too many messages in a batch"))?;
        let messages = items.iter().map(|item| Message::read(&text.slice(range_in(whole, item.get()))));
        messages.collect::<Result<_, _>>().map(Self::Batch)
    }

    /// Whether a text that has not been read begins as an array.
    #[must_use]
    pub fn is_batch(text: &[u8]) -> bool {
        text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
    }
}
