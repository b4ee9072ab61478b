//! Arithmetic with times that only the store needs.

use crate::host::Time;
use std::time::Duration;

// === impl Time ===

impl Time {
    /// This time plus a duration.
    #[inline]
    pub(super) const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }
}
