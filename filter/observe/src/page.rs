//! A page of what a server offers: tools, prompts, resources or templates from one list result.

use std::num::NonZeroU64;

/// One of the things a list published.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Name, URI or URI template.
    pub(crate) name: Box<[u8]>,
    /// Of its whole text but for insignificant white space.
    pub(crate) digest: u64,
}

/// One list result.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub(crate) items: &'a [Item],
    /// Every item of the result is in `items`.
    pub(crate) is_whole: bool,
    /// Digest of the cursor it was asked for with.
    pub(crate) cursor: Option<NonZeroU64>,
    /// Digest of the cursor that leads to the next page.
    pub(crate) next_cursor: Option<NonZeroU64>,
}

// === impl Page ===

impl Page<'_> {
    /// What it published, as far as it was kept.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.items
    }

    /// The same for the same items in the same order.
    pub(crate) fn digest(&self) -> u64 {
        self.items.iter().fold(self.items.len() as u64, |digest, item| mix(digest, item.digest))
    }

    /// The same for the same items and cursors.
    pub(crate) fn place_digest(&self) -> u64 {
        let cursors = [self.cursor, self.next_cursor].map(|cursor| cursor.map_or(0, NonZeroU64::get));
        cursors.into_iter().fold(self.digest(), mix)
    }
}

/// What goes in is the secret of [`crate::digest`], so this need only keep the order.
fn mix(digest: u64, next: u64) -> u64 {
    (digest.rotate_left(23) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
