//! Idle readers of bodies, which exchanges have returned. They are used again, because a new reader costs more: a returned one
//! is still in the CPU's cache, and its buffer has its size already.
//!
//! **Memory:** at most [`MAX_IDLE`] readers of about 1 KiB.

use super::{Body, Format};
use std::cell::RefCell;

/// How many readers are kept; further ones are freed. Callbacks of a VM run one after the other, so few readers are returned
/// before one is taken.
pub(super) const MAX_IDLE: usize = 4;

/// The idle readers of one plugin in one VM.
#[derive(Debug, Default)]
pub struct BodyPool {
    #[expect(clippy::vec_box, reason = "a move would copy the whole reader")]
    idle: RefCell<Vec<Box<Body>>>,
}

// === impl BodyPool ===

impl BodyPool {
    /// A reader for a body.
    pub(crate) fn take(&self, format: Format) -> Box<Body> {
        let Some(mut body) = self.idle.borrow_mut().pop() else { return Body::new(format) };
        body.set_format(format);
        body
    }

    /// Returns a reader whose body ended.
    pub(crate) fn put(&self, mut body: Box<Body>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE {
            body.clear();
            idle.push(body);
        }
    }

    #[cfg(test)]
    pub(super) fn idle_readers(&self) -> usize {
        self.idle.borrow().len()
    }
}
