//! The open containers of a document, one bit each, in a table of fixed size.

use super::Container;

/// Deepest nesting that is read. The limits of SDKs are between 128 and a few thousand.
pub(super) const MAX_DEPTH: usize = 1024;
/// Which containers are open: one bit each.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    objects: [u64; MAX_DEPTH / 64],
    pub(super) depth: usize,
}

// === impl Stack ===

impl Default for Stack {
    fn default() -> Self {
        Self { objects: [0; MAX_DEPTH / 64], depth: 0 }
    }
}

impl Stack {
    /// Returns `false` if the stack is full.
    pub(super) fn push(&mut self, container: Container) -> bool {
        let Some(word) = self.objects.get_mut(self.depth / 64) else { return false };
        let bit = 1 << (self.depth % 64);
        match container {
            Container::Object => *word |= bit,
            Container::Array => *word &= !bit,
        }
        self.depth += 1;
        true
    }

    /// The innermost open container.
    pub(super) fn top(&self) -> Option<Container> {
        let index = self.depth.checked_sub(1)?;
        let word = self.objects.get(index / 64)?;
        Some(if word & (1 << (index % 64)) != 0 { Container::Object } else { Container::Array })
    }
}
